"""`python -m tests.crash.dying NAME STEP ENGINE FILE…`: an ingest that kills itself (SIGKILL) at a step.

NAME is the file at whose step it dies, STEP is `before` or `after` and a method of the store, joined by a
colon, and ENGINE is `engine` when the engine is to die first, by the same signal.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ingest.pipeline import Placement
from ingest.sources import Source, uri_of
from rag.documents import document_id_of
from rag.settings import load_settings
from rag.store import Store
from rag.store.embedded import ENDPOINT_FILE

from .stand_ins import open_pipeline


class Dying:
    """A store that ends its process before or after a call that concerns one document."""

    def __init__(self, store: Store, data_dir: Path, document_id: str, step: str, engine: bool) -> None:
        self._store = store
        self._data_dir = data_dir
        self._document_id = document_id
        self._when, self._method = step.split(":")
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name != self._method:
            return method

        async def call(subject: Any, *rest: Any) -> Any:
            concerned = self._document_id in (subject, getattr(subject, "id", None))
            if concerned and self._when == "before":
                self._die()
            result = await method(subject, *rest)
            if concerned:
                self._die()
            return result

        return call

    def _die(self) -> None:
        if self._engine:
            endpoint = json.loads((self._data_dir / "qdrant" / ENDPOINT_FILE).read_bytes())
            os.kill(endpoint["pid"], signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


async def main(name: str, step: str, engine: bool, files: list[Path]) -> None:
    settings = load_settings()
    (document_id,) = [document_id_of(uri_of(file)) for file in files if file.name == name]
    async with open_pipeline(
        settings, lambda store: Dying(store, settings.data_dir, document_id, step, engine)
    ) as (pipeline, _):
        if step.endswith("remove_document"):
            await pipeline.remove(document_id)
        for file in files:
            await pipeline.ingest(Source(file, uri_of(file), file.stat().st_size, file.name), Placement())


if __name__ == "__main__":
    name, step, engine, *files = sys.argv[1:]
    asyncio.run(main(name, step, engine == "engine", [Path(file) for file in files]))
