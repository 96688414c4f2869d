"""The hybrid query: dense and BM25, fused by score; only live versions, only what the reader may see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from rag.documents import DocumentRecord, Hit, Reader, SparseVector, is_document_id
from rag.fusion import fuse
from rag.store.connection import Connection
from rag.store.filters import pinned
from rag.store.payload import BM25, DENSE, hit_of, place_in, record_of, version_in
from rag.store.schema import Names

REPEATS = 8
"""How often a query is repeated because a version that it met was not the live one. Once is the rule while a
document is being replaced; more is needed only where its versions follow one another within milliseconds.
"""

ADAPTED = "adapted"
"""The stage that searches the dense vectors by another vector than the question's own."""
RESCORED = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0))
"""For a server whose administrator has the vectors quantised: candidates are chosen among twice as many, and
scored by the vectors themselves, as scores are what is fused. Without quantisation it changes nothing.
"""

Scores = Mapping[str, float]
"""By the id of the chunk."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """One way to search: by which vector, and for what; or only to score what the others find."""

    name: str
    using: str
    query: Any
    finds: bool = True


async def search(
    connection: Connection,
    names: Names,
    *,
    reader: Reader,
    allowed: models.Filter,
    dense: Sequence[float] | None,
    adapted: Sequence[float] | None,
    sparse: SparseVector | None,
    lexical_weight: float,
    limit: int,
    candidates: int,
) -> list[Hit]:
    """The best `limit` live chunks that pass `allowed`, best first, ties by document and position.

    Each stage finds its own `candidates`; then all of them get the scores of both stages, which are fused.
    All are fetched, not only `limit` of them: a dead version must not take the place of a live chunk among
    the candidates either, and equal scores come from Qdrant in any order. With an `adapted` vector chunks are
    found and ordered by that one, and `dense` only says how alike they are.
    """
    stages = _stages(dense, adapted, sparse)
    if not stages:
        return []
    pins: dict[str, str | None] = {}
    for _ in range(REPEATS + 1):
        finding = [stage for stage in stages if stage.finds]
        requests = [_request(stage, pinned(allowed, pins), candidates) for stage in finding]
        replies = await connection.call(lambda c, r=requests: _query(c, names, r))  # type: ignore[misc]
        scored = {stage.name: reply for stage, reply in zip(finding, replies, strict=True)}
        found = {str(point.id): point for reply in replies for point in reply}
        met = {version_in(point.payload) for point in found.values()}
        records, scores = await asyncio.gather(
            live_records(connection, names, {document_id for document_id, _ in met} | pins.keys()),
            _completed(connection, names, stages, scored),
        )
        # The records are read after the query, so a version that they name had been written before, and a
        # query that is pinned to it finds it whole. A pin may be out of date by now: it is judged as well.
        wrong = {pair for pair in met | set(pins.items()) if pair[1] != _live(records.get(pair[0]), reader)}
        if not wrong:
            break
        pins |= {document_id: _live(records.get(document_id), reader) for document_id, _ in wrong}
    living = {id: point for id, point in found.items() if version_in(point.payload) not in wrong}
    return _hits(living, scores, lexical_weight, limit)


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
    dense: Sequence[float] | None, adapted: Sequence[float] | None, sparse: SparseVector | None
) -> list[_Stage]:
    stages = []
    if dense is not None:
        stages.append(_Stage(DENSE, DENSE, list(dense), finds=adapted is None))
    if adapted is not None:
        stages.append(_Stage(ADAPTED, DENSE, list(adapted)))
    if sparse is not None and sparse.indices:
        words = models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
        stages.append(_Stage(BM25, BM25, words))
    return stages


def _request(stage: _Stage, allowed: models.Filter, limit: int) -> models.QueryRequest:
    return models.QueryRequest(
        query=stage.query,
        using=stage.using,
        filter=allowed,
        limit=limit,
        params=RESCORED if stage.using == DENSE else None,
        with_payload=True,
    )


async def _query(
    client: AsyncQdrantClient, names: Names, requests: list[models.QueryRequest]
) -> list[list[models.ScoredPoint]]:
    # One level below `client.query_batch_points`, which copies every number and looks for texts to embed.
    batch = models.QueryRequestBatch(searches=requests)
    replies = await client.http.search_api.query_batch_points(names.chunks, query_request_batch=batch)
    return [reply.points for reply in replies.result or []]


async def _completed(
    connection: Connection,
    names: Names,
    stages: Sequence[_Stage],
    scored: Mapping[str, Sequence[models.ScoredPoint]],
) -> dict[str, Scores]:
    """By stage, the score of every chunk found, also of those that only another stage found.

    A chunk that shares no word with the question has no BM25 score.
    """
    scores = {
        stage.name: {str(point.id): point.score for point in scored.get(stage.name, ())} for stage in stages
    }
    everything = {id for known in scores.values() for id in known}
    lacking = [(stage, sorted(everything - scores[stage.name].keys())) for stage in stages]
    lacking = [(stage, ids) for stage, ids in lacking if ids]
    if lacking:
        requests = [_exactly(stage, ids) for stage, ids in lacking]
        for (stage, _), reply in zip(
            lacking, await connection.call(lambda c: _query(c, names, requests)), strict=True
        ):
            scores[stage.name] |= {str(point.id): point.score for point in reply}
    return dict(scores)


def _exactly(stage: _Stage, ids: Sequence[str]) -> models.QueryRequest:
    """The scores of these chunks alone."""
    return models.QueryRequest(
        query=stage.query,
        using=stage.using,
        filter=models.Filter(must=[models.HasIdCondition(has_id=[*ids])]),
        params=models.SearchParams(exact=True) if stage.using == DENSE else None,
        limit=len(ids),
        with_payload=False,
    )


def _hits(
    living: Mapping[str, models.ScoredPoint], scores: Mapping[str, Scores], lexical_weight: float, limit: int
) -> list[Hit]:
    """The best chunks with their scores: fused, or as they are where there is one stage alone."""
    kept = {name: {id: known[id] for id in living if id in known} for name, known in scores.items()}
    cosines = kept.get(DENSE, {})
    meaning, words = kept.get(ADAPTED, cosines), kept.get(BM25)
    final = fuse(meaning, words, lexical_weight) if meaning and words is not None else meaning or words or {}
    best = sorted(living, key=lambda id: (-final[id], *place_in(living[id].payload)))
    return [hit_of(living[id], final[id], cosines.get(id)) for id in best[:limit]]
