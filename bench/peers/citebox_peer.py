"""Citebox itself: files in by `ingest add`, passages out by the retriever of the service."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.peers.material import DEPTH, Found, Material, Span, emit, load, peak_mb
from bench.retrieval import Quiet
from ingest.pipeline import Placement
from ingest.report import Report
from ingest.run import add
from rag.documents import Filters, Hit
from rag.service import Service, open_service
from rag.settings import load_settings
from rag.terminal import quiet_libraries

PEERS_MODEL = "all-MiniLM-L6-v2"
"""What the peers embed with: they load a model as torch, and this one is there so."""
PEERS_RERANKER = "ms-marco-MiniLM-L-12-v2"
SETTINGS: dict[str, dict[str, Any]] = {
    "fused": {"rerank": False},
    "reranked": {},
    "fused, the peers' embedder": {"rerank": False, "embedding_model": PEERS_MODEL},
    "reranked, the peers' embedder": {"embedding_model": PEERS_MODEL},
}


class Original:
    """A text and where its characters stand, white space apart, which parsing may change."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._at = [match.start() for match in re.finditer(r"\S", text)]
        self._solid = re.sub(r"\s", "", text)

    def span(self, passage: str) -> Span:
        """Where a passage of the stored text stands in the original; nowhere where it does not."""
        solid = re.sub(r"\s", "", passage)
        first = self._solid.find(solid)
        if first < 0 or not solid:
            return self._name, 0, 0
        return self._name, self._at[first], self._at[first + len(solid) - 1] + 1


async def main(folder: str, most: str, setting: str) -> None:
    quiet_libraries()
    material = load(Path(folder), int(most))
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as place:
        changes = {"data_dir": Path(place) / "data", "anthropic_api_key": None}
        settings = load_settings().model_copy(update=changes | SETTINGS[setting])
        library = Path(place) / "library"
        library.mkdir()
        originals = _write(library, material)
        report, started = Report(), time.perf_counter()
        await add(settings, [str(library)], Placement(), Quiet(), report)
        seconds = time.perf_counter() - started
        hits, milliseconds = [], []
        async with open_service(settings) as service:
            await _search(service, "a question to warm up with")
            for question in material.questions:
                started = time.perf_counter()
                found = await _search(service, question.text)
                milliseconds.append((time.perf_counter() - started) * 1000)
                hits.append([originals[hit.uri].span(hit.text) for hit in found])
    chunks = int(report.as_json()["chunks"])
    emit(Found("Citebox", version("citebox"), setting, chunks, seconds, peak_mb(), hits, milliseconds))


def _write(library: Path, material: Material) -> dict[str, Original]:
    """A file for each text; the originals by the URI that the store knows them by."""
    originals = {}
    for number, (name, (_, text)) in enumerate(material.texts.items()):
        path = library / f"{number:05d}.txt"
        path.write_text(text, "utf-8")
        originals[path.resolve().as_uri()] = Original(name, text)
    return originals


async def _search(service: Service, question: str) -> tuple[Hit, ...]:
    return (await service.retriever.search(question, service.reader, Filters(), DEPTH)).hits


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
