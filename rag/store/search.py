"""The hybrid query: dense and BM25 fused in Qdrant, only live versions, only what the reader may see."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from qdrant_client import AsyncQdrantClient, models

from rag.documents import DocumentRecord, Hit, Reader, SparseVector, is_document_id
from rag.store.connection import Connection
from rag.store.filters import pinned
from rag.store.payload import BM25, DENSE, hit_of, record_of, version_in
from rag.store.schema import Names

RRF_K = 60
"""The constant of reciprocal rank fusion, as in Cormack, Clarke and Buettcher, SIGIR 2009."""

REPEATS = 8
"""How often a query is repeated because a version that it met was not the live one. Once is the rule while a
document is being replaced; more is needed only where its versions follow one another within milliseconds.
"""


async def search(
    connection: Connection,
    names: Names,
    *,
    reader: Reader,
    allowed: models.Filter,
    dense: Sequence[float] | None,
    sparse: SparseVector | None,
    limit: int,
    candidates: int,
) -> list[Hit]:
    """The best `limit` live chunks that pass `allowed`, best first, ties by document and position.

    All candidates are fetched, not only `limit` of them: a dead version must not take the place of a live
    chunk among the candidates either, and equal scores come from Qdrant in any order.
    """
    stages = _stages(dense, sparse, candidates)
    if not stages:
        return []
    pins: dict[str, str | None] = {}
    for _ in range(REPEATS + 1):
        request = _request(stages, pinned(allowed, pins))
        found = (await connection.call(lambda c, r=request: _query(c, names, r))).points  # type: ignore[misc]
        met = {version_in(point.payload) for point in found}
        records, similarities = await asyncio.gather(
            live_records(connection, names, {document_id for document_id, _ in met} | pins.keys()),
            _similarities(connection, names, found, dense, fused=len(stages) > 1),
        )
        # The records are read after the query, so a version that they name had been written before, and a
        # query that is pinned to it finds it whole. A pin may be out of date by now: it is judged as well.
        wrong = {pair for pair in met | set(pins.items()) if pair[1] != _live(records.get(pair[0]), reader)}
        if not wrong:
            break
        pins |= {document_id: _live(records.get(document_id), reader) for document_id, _ in wrong}
    living = [point for point in found if version_in(point.payload) not in wrong]
    hits = [hit_of(point, similarities.get(str(point.id))) for point in living]
    hits.sort(key=lambda hit: (-hit.score, hit.document_id, hit.position))
    return hits[:limit]


async def live_records(
    connection: Connection, names: Names, document_ids: set[str]
) -> dict[str, DocumentRecord]:
    """The records of these documents, those that exist, in one call; what is no id of ours has none."""
    ids: list[models.ExtendedPointId] = [*sorted(each for each in document_ids if is_document_id(each))]
    if not ids:
        return {}
    points = await connection.call(lambda c: c.retrieve(names.documents, ids, with_payload=True))
    return {str(point.id): record_of(point.payload) for point in points}


def may_read(record: DocumentRecord, reader: Reader) -> bool:
    """The same rule as `filters.readable`, for a record at hand."""
    return not reader.groups.isdisjoint(record.groups)


def _live(record: DocumentRecord | None, reader: Reader) -> str | None:
    """The version of a document that may answer this reader."""
    return record.version if record is not None and may_read(record, reader) else None


def _stages(
    dense: Sequence[float] | None, sparse: SparseVector | None, candidates: int
) -> list[models.Prefetch]:
    stages = []
    if dense is not None:
        stages.append(models.Prefetch(query=list(dense), using=DENSE, limit=candidates))
    if sparse is not None and sparse.indices:
        words = models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
        stages.append(models.Prefetch(query=words, using=BM25, limit=candidates))
    return stages


def _request(stages: list[models.Prefetch], allowed: models.Filter) -> models.QueryRequest:
    if len(stages) == 1:
        stage = stages[0]
        return models.QueryRequest(
            query=stage.query, using=stage.using, filter=allowed, limit=stage.limit, with_payload=True
        )
    return models.QueryRequest(
        prefetch=[stage.model_copy(update={"filter": allowed}) for stage in stages],
        query=models.RrfQuery(rrf=models.Rrf(k=RRF_K)),
        limit=sum(stage.limit or 0 for stage in stages),
        with_payload=True,
    )


async def _query(
    client: AsyncQdrantClient, names: Names, request: models.QueryRequest
) -> models.QueryResponse:
    return (await client.query_batch_points(names.chunks, [request]))[0]


async def _similarities(
    connection: Connection,
    names: Names,
    found: list[models.ScoredPoint],
    dense: Sequence[float] | None,
    *,
    fused: bool,
) -> dict[str, float]:
    """The cosine of the question and each of these points, by id, also for those found by words alone."""
    if dense is None or not found:
        return {}
    if not fused:
        return {str(point.id): point.score for point in found}
    ids: list[models.ExtendedPointId] = [point.id for point in found]
    request = models.QueryRequest(
        query=list(dense),
        using=DENSE,
        filter=models.Filter(must=[models.HasIdCondition(has_id=ids)]),
        params=models.SearchParams(exact=True),
        limit=len(ids),
        with_payload=False,
    )
    scored = (await connection.call(lambda c: _query(c, names, request))).points
    return {str(point.id): point.score for point in scored}
