"""Records and chunks to Qdrant points and back; no other module knows the names of payload fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from qdrant_client import models

from rag.documents import Chunk, DocumentRecord, Hit, IndexedChunk
from rag.errors import StoreError

DENSE = "dense"
BM25 = "bm25"


def chunk_point(record: DocumentRecord, indexed: IndexedChunk) -> models.PointStruct:
    """A chunk as a point: what it is found by, what it is filtered by, and its text once."""
    chunk = indexed.chunk
    if chunk.document_id != record.id:
        raise ValueError(f"chunk {chunk.chunk_id} is not of document {record.id}")
    vectors: dict[str, Any] = {DENSE: list(indexed.dense)}
    if indexed.sparse.indices:
        vectors[BM25] = models.SparseVector(
            indices=list(indexed.sparse.indices), values=list(indexed.sparse.values)
        )
    return models.PointStruct(
        id=chunk.chunk_id,
        vector=vectors,
        payload={
            "document_id": chunk.document_id,
            "version": chunk.version,
            "position": chunk.position,
            "start": chunk.start,
            "end": chunk.end,
            "page": chunk.page,
            "headings": list(chunk.headings),
            "text": chunk.text,
            "collection": record.collection,
            "groups": list(record.groups),
            "uri": record.uri,
            "title": record.title,
            "sha256": record.sha256,
            "added": record.added.isoformat(),
        },
    )


def record_point(record: DocumentRecord) -> models.PointStruct:
    payload = record.model_dump(mode="json")
    return models.PointStruct(id=record.id, vector={}, payload=payload | {"document_id": record.id})


def record_of(payload: Mapping[str, Any] | None) -> DocumentRecord:
    """Raises StoreError when the stored record is not one of ours."""
    fields = {name: value for name, value in (payload or {}).items() if name != "document_id"}
    try:
        return DocumentRecord.model_validate(fields)
    except ValidationError as error:
        raise StoreError(f"a stored document record is malformed: {error}") from None


def chunk_of(point: models.Record) -> Chunk:
    return Chunk(chunk_id=str(point.id), **_chunk_fields(point.payload))


def hit_of(point: models.ScoredPoint, score: float, similarity: float | None) -> Hit:
    payload = point.payload or {}
    fields = _chunk_fields(payload)
    return Hit(
        chunk_id=str(point.id),
        uri=_field(payload, "uri"),
        title=_field(payload, "title"),
        score=score,
        similarity=similarity,
        **fields,
    )


def version_in(payload: Mapping[str, Any] | None) -> tuple[str, str]:
    """The (document, version) that a chunk's payload names."""
    return _field(payload, "document_id"), _field(payload, "version")


def place_in(payload: Mapping[str, Any] | None) -> tuple[str, int]:
    """The (document, position) that a chunk's payload names."""
    return _field(payload, "document_id"), _field(payload, "position")


def _chunk_fields(payload: Mapping[str, Any] | None) -> dict[str, Any]:
    names = ("document_id", "version", "position", "start", "end", "page", "headings", "text")
    return {name: _field(payload, name) for name in names}


def _field(payload: Mapping[str, Any] | None, name: str) -> Any:
    if payload is None or name not in payload:
        raise StoreError(
            f"a stored chunk has no {name!r}",
            remedy="another program may have written to this index; set RAG_INDEX to a name of its own",
        )
    return payload[name]
