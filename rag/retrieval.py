"""Question -> a small set of passages: dense + BM25, fused, reranked, neighbours joined."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from rag.code_order import all_are_code, are_code, names_asked_for, order_code
from rag.documents import Chunk, Evidence, Filters, Hit, Reader, SearchResult, chunk_id_of
from rag.embedding import Embedder
from rag.errors import NotFound
from rag.fusion import lexical_weight
from rag.query_adapter import adapted_to_code
from rag.queues import EmbeddingQueue, ReadingQueue
from rag.rationing import Reranked, rerank
from rag.reranking import Reranker
from rag.settings import Settings
from rag.sparse import encode_query
from rag.store import Store
from rag.store.files import FileStore

COPIES = 8
"""Hits beyond those wanted, in place of the copies of passages that are left out."""
NAMED = 50
"""Hits among which the definition of a name is looked for that a question asks for."""


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds by stage."""

    stages_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, waited_ms: float = 0.0) -> Iterator[None]:
        """Time what is done within; `waited_ms`, spent before on the same, counts too."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = waited_ms + (time.perf_counter() - started) * 1000
            self.stages_ms[name] = round(self.stages_ms.get(name, 0.0) + spent, 1)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the fused search found for a query, best first; `vector` is the query's embedding."""

    query: str
    vector: list[float] | None
    hits: tuple[Hit, ...]


class Retriever:
    """Finds passages for a reader. Every stage can be switched off in the settings.

    `reading` is where the cross-encoder works; whoever else has something for it to read waits there too.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        files: FileStore,
        embedder: Embedder,
        reranker: Reranker | None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._files = files
        self._embedding = EmbeddingQueue(embedder)
        self._model = embedder.name
        self._reranker = reranker
        self.reading = ReadingQueue()

    async def search(
        self, query: str, reader: Reader, filters: Filters, limit: int, watch: Stopwatch | None = None
    ) -> SearchResult:
        """The best chunks for `query` that `reader` may see, best first, at most `limit`."""
        watch = watch or Stopwatch()
        found = await self.candidates(query, reader, filters, limit, watch)
        ranked = await self.rank(found, limit, watch)
        return SearchResult(hits=ranked.hits, stages_ms=watch.stages_ms, notice=ranked.notice)

    async def glance(self, query: str, reader: Reader, filters: Filters, limit: int) -> SearchResult:
        """As `search` without the cross-encoder: soon enough to be shown while the query is typed."""
        watch = Stopwatch()
        found = await self.candidates(query, reader, filters, limit, watch)
        return SearchResult(hits=_distinct(found.hits)[:limit], stages_ms=watch.stages_ms)

    async def candidates(
        self, query: str, reader: Reader, filters: Filters, limit: int, watch: Stopwatch
    ) -> Candidates:
        """What the fused search finds, before the costly part; `limit` as it will be for `rank`."""
        settings = self._settings
        with watch.stage("embed"):
            dense = await self._embedding.embed(query) if settings.dense else None
            sparse = encode_query(query) if settings.sparse else None
        if dense is None and sparse is not None and not sparse.indices:
            return Candidates(query, None, ())
        named = names_asked_for(query)
        find = partial(
            self._store.search,
            reader=reader,
            filters=filters,
            dense=dense,
            sparse=sparse if sparse and sparse.indices else None,
            lexical_weight=lexical_weight(query),
            limit=max(limit, settings.rerank_candidates, NAMED if named else 0) + COPIES,
            candidates=max(settings.candidates, limit),
        )
        with watch.stage("search"):
            hits = await find()
            if are_code(hits):
                if dense is not None and not named and all_are_code(hits):
                    adapted = adapted_to_code(dense, self._model)
                    hits = hits if adapted is None else await find(adapted=adapted)
                hits = await asyncio.to_thread(order_code, query, hits)
        return Candidates(query, dense, tuple(hits))

    async def rank(self, found: Candidates, limit: int, watch: Stopwatch) -> Reranked:
        """The candidates reranked, at most `limit`."""
        if not self._reranker or not found.hits:
            return Reranked(_distinct(found.hits)[:limit])
        with watch.stage("rerank"):
            ranked = await self.reading.run(partial(self._rerank, self._reranker, found))
        return Reranked(_distinct(ranked.hits)[:limit], ranked.notice)

    def _rerank(self, reranker: Reranker, found: Candidates, waited_ms: float) -> Reranked:
        settings = self._settings
        budget = settings.rerank_budget_ms
        if budget is not None:
            budget -= waited_ms  # a question that had to wait for others is read less of
        return rerank(reranker, found.query, found.hits, settings.rerank_candidates, budget)

    async def evidence(self, hits: Sequence[Hit], watch: Stopwatch) -> list[Evidence]:
        """The hits with their neighbours joined, ranges that meet made one, in the order of the hits."""
        with watch.stage("neighbours"):
            groups = await self._with_neighbours(hits) if self._settings.neighbours else _alone(hits)
            evidence = []
            for hit, chunks in groups:
                try:
                    parsed = await self._files.parsed(hit.document_id, hit.version)
                except NotFound:  # replaced between the search and now; its new version is found next time
                    continue
                evidence.append(Evidence(hit.uri, hit.title, tuple(chunks), parsed))
        return evidence

    async def _with_neighbours(self, hits: Sequence[Hit]) -> list[tuple[Hit, list[Chunk]]]:
        wanted: dict[tuple[str, str], set[int]] = {}
        for hit in hits:
            around = {hit.position - 1, hit.position, hit.position + 1} - {-1}
            wanted.setdefault((hit.document_id, hit.version), set()).update(around)
        places = [(*version, position) for version, positions in wanted.items() for position in positions]
        # The hits themselves are read again too: one that is gone by now is missed, and searched for anew.
        found = await self._store.chunks_by_id([chunk_id_of(*place) for place in places])
        by_version: dict[tuple[str, str], list[Chunk]] = {version: [] for version in wanted}
        for chunk in found:
            by_version[chunk.document_id, chunk.version].append(chunk)
        runs = {version: _adjoining(chunks) for version, chunks in by_version.items()}
        groups: list[tuple[Hit, list[Chunk]]] = []
        taken: set[str] = set()
        for hit in hits:
            for run in runs[hit.document_id, hit.version]:
                ids = {chunk.chunk_id for chunk in run}
                if hit.chunk_id in ids and hit.chunk_id not in taken:
                    taken |= ids
                    groups.append((hit, run))
        return groups


def _distinct(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Without those that say, word for word, what a better one says: a copy is no further evidence."""
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(" ".join(hit.text.split()), hit)
    return tuple(first.values())


def _alone(hits: Sequence[Hit]) -> list[tuple[Hit, list[Chunk]]]:
    fields = set(Chunk.model_fields)
    return [(hit, [Chunk(**hit.model_dump(include=fields))]) for hit in hits]


def _adjoining(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    runs: list[list[Chunk]] = []
    for chunk in sorted(chunks, key=lambda c: c.position):
        if runs and runs[-1][-1].position + 1 == chunk.position:
            runs[-1].append(chunk)
        else:
            runs.append([chunk])
    return runs
