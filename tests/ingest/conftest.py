"""`ingest add` on a folder without its command line, with the test server in place of Claude."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ingest.workers import ParserProcess
from rag.settings import Settings
from rag.store import open_store
from tests.claude_server import ClaudeServer
from tests.fakes import DIMENSION, WordEmbedder
from tests.ingest.contextual import (
    CONTEXT,
    HOURS,
    Bench,
    Contextual,
)


@pytest.fixture
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(default=Contextual({HOURS: CONTEXT})) as server:
        yield server


@pytest.fixture
async def bench(settings: Settings, tmp_path: Path, claude: ClaudeServer) -> AsyncIterator[Bench]:
    settings = settings.model_copy(update={"anthropic_base_url": claude.url, "chunk_tokens": 100})
    (tmp_path / "docs").mkdir()
    async with open_store(settings, dimension=DIMENSION, model=WordEmbedder.name) as store:
        with ParserProcess(30) as parser:
            yield Bench(settings, store, parser, tmp_path / "docs", claude, [])
