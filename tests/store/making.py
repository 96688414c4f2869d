"""Made-up documents: eight dimensions, one word per number."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from rag.documents import (
    EVERYONE,
    Chunk,
    DocumentRecord,
    Filters,
    Hit,
    IndexedChunk,
    Reader,
    SparseVector,
    chunk_id_of,
    document_id_of,
)
from rag.store import Store

DIMENSION = 8
MODEL = "tests/made-up"
ADDED = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANYONE = Reader()


def version_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def record_of(path: str, version: str = "one", **changes: object) -> DocumentRecord:
    uri = f"file:///made-up/{path}"
    fields: dict[str, object] = {
        "id": document_id_of(uri),
        "uri": uri,
        "title": f"Title of {path}",
        "version": version_of(version),
        "state": "ready",
        "sha256": version_of(version),
        "media_type": "text/plain",
        "added": ADDED,
        "groups": (EVERYONE,),
    }
    return DocumentRecord.model_validate(fields | changes)


def towards(angle: float) -> tuple[float, ...]:
    """A unit vector; the cosine of two of them is the cosine of the difference of their angles."""
    return (math.cos(angle), math.sin(angle), *([0.0] * (DIMENSION - 2)))


def chunk_of(
    record: DocumentRecord,
    position: int = 0,
    *,
    angle: float = 0.0,
    words: Sequence[int] = (1,),
    text: str | None = None,
) -> IndexedChunk:
    text = f"{record.title}, passage {position}" if text is None else text
    version = str(record.version)
    chunk = Chunk(
        document_id=record.id,
        version=version,
        chunk_id=chunk_id_of(record.id, version, position),
        position=position,
        start=position * 100,
        end=position * 100 + len(text),
        page=position + 1,
        headings=("Part", f"Chapter {position}"),
        text=text,
    )
    return IndexedChunk(chunk, towards(angle), SparseVector(tuple(words), tuple(1.0 for _ in words)))


async def add(store: Store, record: DocumentRecord, *chunks: IndexedChunk) -> DocumentRecord:
    await store.upsert_chunks(record, chunks or (chunk_of(record),))
    await store.make_live(record)
    return record


async def ask(
    store: Store,
    *,
    reader: Reader = ANYONE,
    filters: Filters | None = None,
    angle: float | None = 0.0,
    words: Sequence[int] | None = (1,),
    limit: int = 50,
    candidates: int = 50,
) -> list[Hit]:
    return await store.search(
        reader=reader,
        filters=filters or Filters(),
        dense=None if angle is None else towards(angle),
        sparse=None if words is None else SparseVector(tuple(words), tuple(1.0 for _ in words)),
        limit=limit,
        candidates=candidates,
    )
