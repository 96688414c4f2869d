"""The store: chunks and document records in Qdrant, written so that one whole version always answers.

A new version's chunks are written beside the old ones. Writing the document's record is the switch,
because a chunk counts only while its record names its version. Only then are the old chunks removed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from qdrant_client import models

from rag.documents import Chunk, DocumentRecord, Filters, Hit, IndexedChunk, Reader, SparseVector
from rag.fusion import LEXICAL_WEIGHT
from rag.settings import Settings
from rag.store import filters as compile_filter
from rag.store import search as searching
from rag.store.connection import Connection
from rag.store.payload import chunk_of, chunk_point, record_of, record_point, version_in
from rag.store.schema import Names, ensure

UPSERT_BATCH = 64
"""Chunks per write; a query waits for at most one of these in the embedded engine."""

UPSERTS_AT_ONCE = 4

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """What the store is, where it is (without secrets), and how much it holds."""

    kind: Literal["embedded", "server"]
    version: str
    url: str
    chunks: int
    documents: int
    collections: tuple[str, ...]


@asynccontextmanager
async def open_store(settings: Settings, *, dimension: int, model: str) -> AsyncIterator[Store]:
    """Connect to Qdrant, or to the embedded engine when no URL is set, and create what is missing there.

    Raises:
        StoreUnavailable: it cannot be reached or started.
        IndexMismatch: the index holds vectors of another embedding model.
    """
    connection = Connection(settings)
    try:
        names = Names.of(settings.index, model, dimension)
        await connection.call(lambda client: ensure(client, names, model=model, dimension=dimension))
        yield Store(connection, names)
    finally:
        await connection.close()


class Store:
    """All reads and writes. Every write is durable when it returns, and safe to repeat."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection = connection
        self._names = names

    # ------------------------------------------------------------ writing a version

    async def upsert_chunks(self, record: DocumentRecord, chunks: Sequence[IndexedChunk]) -> None:
        """Write chunks of the version they name; nobody sees them before `make_live`."""
        points = [chunk_point(record, chunk) for chunk in chunks]
        batches = [points[start : start + UPSERT_BATCH] for start in range(0, len(points), UPSERT_BATCH)]
        for start in range(0, len(batches), UPSERTS_AT_ONCE):
            # Together, because writes that arrive together share the cost of being made durable.
            done = await asyncio.gather(
                *(self._upsert(self._names.chunks, b) for b in batches[start : start + UPSERTS_AT_ONCE]),
                return_exceptions=True,
            )
            for error in done:
                if error is not None:
                    raise error

    async def make_live(self, record: DocumentRecord) -> None:
        """Switch the document to `record.version`, in one write; all its chunks must have been written."""
        await self.put_record(record)

    async def put_record(self, record: DocumentRecord) -> None:
        """Write what is known of a document, such as why it failed, replacing what was known."""
        await self._upsert(self._names.documents, [record_point(record)])

    # ------------------------------------------------------------ removing

    async def remove_other_versions(self, document_id: str, keep: str) -> None:
        """Delete this document's chunks of every version but `keep`."""
        await self._delete_chunks(compile_filter.other_versions(document_id, keep))

    async def remove_document(self, document_id: str) -> None:
        """Delete a document; its record first, so that a crash leaves orphans and never an empty document."""
        points = models.PointIdsList(points=[document_id])
        await self._connection.call(lambda c: c.delete(self._names.documents, points, wait=True))
        await self._delete_chunks(compile_filter.of_document(document_id))

    async def remove_orphans(self) -> int:
        """Delete the chunks that no record names as live; returns how many.

        Only for the one that holds the ingest lock: a version that is being written looks like an orphan.
        """
        live = {record.id: record.version for record in await self.records()}
        removed = 0
        for document_id, versions in (await self.stored_versions()).items():
            for version, count in versions.items():
                if live.get(document_id) != version:
                    await self._delete_chunks(compile_filter.version_of(document_id, version))
                    removed += count
        return removed

    # ------------------------------------------------------------ records

    async def record(self, document_id: str) -> DocumentRecord | None:
        """The record of a document, for the write path; None when it is not known."""
        found = await searching.live_records(self._connection, self._names, {document_id})
        return found.get(document_id)

    async def titles(self, document_ids: set[str]) -> dict[str, str]:
        """The titles of those of these documents that there are, for whoever may know of all."""
        found = await searching.live_records(self._connection, self._names, document_ids)
        return {record.id: record.title for record in found.values()}

    async def records(self) -> list[DocumentRecord]:
        """All records, for the write path, sorted by uri."""
        points = await self._scroll(self._names.documents, None)
        return sorted((record_of(point.payload) for point in points), key=lambda record: record.uri)

    async def visible_record(self, document_id: str, reader: Reader) -> DocumentRecord | None:
        """The record of a document that `reader` may read; None also when there is one they may not."""
        record = await self.record(document_id)
        return record if record is not None and searching.may_read(record, reader) else None

    async def visible_records(self, reader: Reader, filters: Filters | None = None) -> list[DocumentRecord]:
        """The records of the documents that `reader` may read, narrowed by `filters`, sorted by uri."""
        chosen = compile_filter.readable(reader, filters)
        if chosen is None:
            return []
        points = await self._scroll(self._names.documents, chosen)
        return sorted((record_of(point.payload) for point in points), key=lambda record: record.uri)

    async def stored_versions(self) -> dict[str, dict[str, int]]:
        """How many chunks are stored, by document and version, live or not."""
        counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for point in await self._scroll(self._names.chunks, None, payload=["document_id", "version"]):
            document_id, version = version_in(point.payload)
            counts[document_id][version] += 1
        return {document_id: dict(versions) for document_id, versions in counts.items()}

    # ------------------------------------------------------------ reading

    async def search(
        self,
        *,
        reader: Reader,
        filters: Filters,
        dense: Sequence[float] | None,
        adapted: Sequence[float] | None = None,
        sparse: SparseVector | None,
        lexical_weight: float = LEXICAL_WEIGHT,
        limit: int,
        candidates: int,
    ) -> list[Hit]:
        """The best chunks for a question, best first: the live version of each document, and no other.

        Args:
            reader: who asks; binds everything.
            filters: narrows.
            dense: the question's embedding, of the index's dimension; None searches by words only.
            adapted: a vector to find and order chunks by in its place; `dense` then says how alike they are.
            sparse: the question's terms; None, or without terms, searches by meaning only.
            lexical_weight: the share of the words in the fused score.
            limit: most hits returned.
            candidates: most chunks that each of the two searches hands to the fusion.

        Source: https://qdrant.tech/documentation/concepts/hybrid-queries/
        """
        allowed = compile_filter.readable(reader, filters)
        if allowed is None or limit < 1:
            return []
        return await searching.search(
            self._connection,
            self._names,
            reader=reader,
            allowed=allowed,
            dense=dense,
            adapted=adapted,
            sparse=sparse,
            lexical_weight=lexical_weight,
            limit=limit,
            candidates=max(candidates, limit),
        )

    async def chunks(
        self, document_id: str, version: str, first: int, last: int, *, reader: Reader | None = None
    ) -> list[Chunk]:
        """The chunks of a version from position `first` to `last`, inclusive, in order.

        Without a reader, the caller has checked that the document may be read.
        """
        return await self._chunks(compile_filter.passages_of(document_id, version, reader, first, last))

    async def chunks_by_id(self, chunk_ids: Sequence[str]) -> list[Chunk]:
        """Those of these chunks that there are, in no order; the caller has checked the right to them."""
        if not chunk_ids:
            return []
        points = await self._connection.call(
            lambda c: c.retrieve(self._names.chunks, list(chunk_ids), with_payload=True)
        )
        return [chunk_of(point) for point in points]

    async def document_chunks(
        self, document_id: str, version: str, *, reader: Reader | None = None
    ) -> list[Chunk]:
        """All chunks of a version, in order; `reader` as in `chunks`."""
        return await self._chunks(compile_filter.passages_of(document_id, version, reader))

    async def health(self) -> StoreHealth:
        """What the store is and holds; counts are exact.

        Raises:
            StoreUnavailable: it cannot be reached.
        """
        names = self._names
        about = await self._connection.call(lambda c: c.info())
        chunks = await self._connection.call(lambda c: c.count(names.chunks, exact=True))
        documents = await self._connection.call(lambda c: c.count(names.documents, exact=True))
        return StoreHealth(
            kind=self._connection.kind,
            version=about.version,
            url=self._connection.url,
            chunks=chunks.count,
            documents=documents.count,
            collections=(names.physical, names.documents),
        )

    # ------------------------------------------------------------ Qdrant calls

    async def _upsert(self, collection: str, points: list[models.PointStruct]) -> None:
        await self._connection.call(lambda c: c.upsert(collection, points, wait=True))

    async def _delete_chunks(self, chosen: models.Filter) -> None:
        selector = models.FilterSelector(filter=chosen)
        await self._connection.call(lambda c: c.delete(self._names.chunks, selector, wait=True))

    async def _chunks(self, chosen: models.Filter | None) -> list[Chunk]:
        if chosen is None:
            return []
        points = await self._scroll(self._names.chunks, chosen)
        return sorted((chunk_of(point) for point in points), key=lambda chunk: chunk.position)

    async def _scroll(
        self, collection: str, chosen: models.Filter | None, payload: bool | list[str] = True
    ) -> list[models.Record]:
        found: list[models.Record] = []
        offset: models.ExtendedPointId | None = None
        while True:
            page, offset = await self._connection.call(
                lambda c, start=offset: c.scroll(  # type: ignore[misc]
                    collection,
                    scroll_filter=chosen,
                    limit=_PAGE,
                    offset=start,
                    with_payload=payload,
                    with_vectors=False,
                )
            )
            found += page
            if offset is None:
                return found
