"""The local models, shared by many questions at once.

Questions that come while the embedding model is busy share its next batch: 8 cost little more than one. The
cross-encoder gains nothing from larger batches on a CPU (docs/decisions.md), so its questions are served in
the order they come, each on up to SLICE processors.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from rag.embedding import Vectors
from rag.rationing import SLICE

T = TypeVar("T")

MOST_AT_ONCE = 16
"""Questions of one batch."""


class QueryEmbedder(Protocol):
    def embed_queries(self, texts: Sequence[str]) -> Vectors: ...


class EmbeddingQueue:
    """Embeds questions of one event loop, those that wait together in one batch."""

    def __init__(self, embedder: QueryEmbedder) -> None:
        self._embedder = embedder
        self._thread = ThreadPoolExecutor(1, "embedding")
        self._waiting: list[tuple[str, asyncio.Future[list[float]]]] = []
        self._working: asyncio.Task[None] | None = None

    async def embed(self, text: str) -> list[float]:
        """The unit vector of a question; raises what the model raises for it."""
        future: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, future))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._embed([(text, future) for text, future in batch if not future.done()])
        finally:
            self._working = None

    async def _embed(self, batch: list[tuple[str, asyncio.Future[list[float]]]]) -> None:
        if not batch:
            return
        loop = asyncio.get_running_loop()
        try:
            texts = [text for text, _ in batch]
            vectors = await loop.run_in_executor(self._thread, self._embedder.embed_queries, texts)
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0][1], error)
                return
            for one in batch:  # a question that the model fails on must not fail its neighbours
                await self._embed([one])
            return
        for (_, future), vector in zip(batch, vectors.tolist(), strict=True):
            _settle(future, vector)


class ReadingQueue:
    """Runs work of the cross-encoder, as many questions at once as it keeps the processors busy with."""

    def __init__(self) -> None:
        at_once = max(1, len(os.sched_getaffinity(0)) // SLICE)
        self._threads = ThreadPoolExecutor(at_once, "reranking")

    async def run(self, work: Callable[[float], T]) -> T:
        """The result of `work`, which is given the milliseconds that it had to wait for its turn."""
        asked = time.perf_counter()

        def timed() -> T:
            return work((time.perf_counter() - asked) * 1000)

        return await asyncio.get_running_loop().run_in_executor(self._threads, timed)


def _settle(future: asyncio.Future[list[float]], result: list[float] | Exception) -> None:
    if future.done():  # whoever asked has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
