"""The write path with quick stand-ins for its model and its parser process, on the real store and files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ingest.parsing import parse
from ingest.pipeline import Pipeline
from ingest.run import open_index
from rag.embedding import Vectors
from rag.parsed import ParsedDocument
from rag.settings import Settings
from rag.store import Store
from tests.fakes import WordEmbedder

DIMENSION = 384


class Embedder(WordEmbedder):
    """Vectors as long as the built-in model's, so that `ingest doctor` opens the same index."""

    dimension = DIMENSION

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        vector = super().embed_query(text)
        return np.pad(vector, (0, DIMENSION - len(vector)))


class Parser:
    async def parse(self, path: Path, name: str) -> ParsedDocument:
        return parse(path, name=name)


SETTINGS = {"RAG_EMBEDDING_BATCH": "2", "RAG_CHUNK_TOKENS": "32"}
"""Small enough for short files to take several writes."""


@asynccontextmanager
async def open_pipeline(
    settings: Settings, wrap: Any = lambda store: store
) -> AsyncIterator[tuple[Pipeline, Store]]:
    async with open_index(settings) as store:
        yield Pipeline(settings, wrap(store), Embedder, Parser()), store  # type: ignore[arg-type]
