"""source -> document -> chunk -> vector -> store, one document at a time, safe to interrupt anywhere.

A changed document is written whole beside its old version, then made live by one write, and only then
is the old version removed (docs/decisions.md). So a crash leaves the old version answering, and the next
run writes the same points again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from filelock import AsyncFileLock

from ingest.chunking import Chunker, longest_chunk
from ingest.contexts.material import Tag, contexts_of, tag_of
from ingest.contexts.wanted import WantedContexts
from ingest.copying import copied, workplace
from ingest.reading import OnPages, Reading
from ingest.records import failed_record, outcome_of, ready_record
from ingest.report import Outcome
from ingest.searchable import beside, embedded_texts, searchable_parts
from ingest.sources import Source, hash_file, shown
from ingest.workers import ParserProcess
from rag.documents import (
    EVERYONE,
    Chunk,
    DocumentRecord,
    IndexedChunk,
    Ocr,
    SparseVector,
    document_id_of,
)
from rag.embedding import Embedder
from rag.errors import (
    CiteboxError,
    ModelUnavailable,
    NoTextFound,
    NotFound,
    SourceError,
    StoreError,
    StoreUnavailable,
)
from rag.parsed import ParsedDocument
from rag.settings import Settings
from rag.sparse import encode_passage
from rag.store import Store
from rag.store.files import FileStore

log = logging.getLogger(__name__)

FORMAT = "3"
"""Raised when parsing, chunking or encoding changes, so that every document counts as changed."""
LOCK_STRIPES = 64
BATCHES_A_WRITE = 2
"""Of chunks that are embedded between two writes, each of which waits for the disk."""
DEFAULT_COLLECTION = "default"

OnChunks = Callable[[int, int], None]
"""Told (chunks embedded, chunks of the document) as one document goes in."""


def _untold(done: int, total: int) -> None:
    """Nobody watches."""


FindSource = Callable[[DocumentRecord], Awaitable[Source]]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a document belongs: its collection, and the groups that may read it.

    What is not said stays as it is, so that adding a file again never widens who may read it.
    """

    collection: str | None = None
    groups: tuple[str, ...] | None = None

    def after(self, old: DocumentRecord | None) -> Placed:
        """The placement of a document that was `old` before."""
        return Placed(
            collection=self.collection or (old.collection if old else DEFAULT_COLLECTION),
            groups=self.groups or (old.groups if old else (EVERYONE,)),
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """A placement with nothing left open."""

    collection: str
    groups: tuple[str, ...]


class Pipeline:
    """Takes documents in. The embedder is asked for only when there is something to embed."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        embedder: Callable[[], Embedder],
        parser: ParserProcess,
        contexts: WantedContexts | None = None,
        ocr_seconds: float = math.inf,
    ) -> None:
        self._settings = settings
        self._store = store
        self._files = FileStore(settings)
        self._embedder = embedder
        self._reading = Reading(settings, parser, self._files, ocr_seconds)
        self._contexts = contexts or WantedContexts(settings)

    async def ingest(
        self,
        source: Source,
        wanted: Placement,
        on_chunks: OnChunks = _untold,
        on_pages: OnPages = _untold,
    ) -> Outcome:
        """Bring one source into the store, or find that it is there unchanged.

        A failure is an outcome, recorded with its reason; the old version, if any, goes on answering.

        Raises:
            StoreError, ModelUnavailable: every further document would fail of it as well.
        """
        document_id = document_id_of(source.uri)
        async with self.lock(document_id):
            old = await self._store.record(document_id)
            return await self._ingest(source, document_id, wanted.after(old), old, on_chunks, on_pages)

    async def ingest_again(self, document_id: str, find: FindSource) -> Outcome:
        """As `ingest`, of a document that is in, from the source that `find` has for it.

        All under the lock: what another writer puts in, places elsewhere or removes meanwhile is not undone.

        Raises:
            NotFound: there is no such document, or not any more.
            StoreError, ModelUnavailable: as `ingest`; and whatever `find` raises.
        """
        async with self.lock(document_id):
            old = await self._store.record(document_id)
            if old is None:
                raise NotFound(f"there is no document {document_id!r}")
            placement = Placement().after(old)
            source = await find(old)
            return await self._ingest(source, document_id, placement, old, _untold, _untold)

    async def _ingest(
        self,
        source: Source,
        document_id: str,
        placement: Placed,
        old: DocumentRecord | None,
        on_chunks: OnChunks,
        on_pages: OnPages,
    ) -> Outcome:
        try:
            sha256 = await asyncio.to_thread(hash_file, source.path)
            tags = self._contexts.tags(document_id, old)
            same = old is not None and self._is_live(old, sha256, placement, *tags[:1])
            if old is not None and same and self._contexts.complete(old):
                await self._remove_others(document_id, str(old.version))
                await self._reading.forget(sha256)
                return outcome_of(source, "unchanged", old)
            record = await self._write_beside(source, old, placement, tags, on_chunks, on_pages)
        except (StoreError, ModelUnavailable):
            raise
        except Exception as error:
            failure = _as_ours(error)
            await self._store.put_record(failed_record(source, placement, old, str(failure)))
            return Outcome(shown(source.path), "failed", document_id, reason=str(failure), error=failure)
        # From here on the new version answers, and whatever fails is no fault of the document's.
        await self._store.make_live(record)
        await self._remove_others(document_id, str(record.version))
        await self._reading.forget(record.sha256)
        if old is not None and self._is_whole(old, str(record.version)):
            return outcome_of(source, "unchanged", record)
        return outcome_of(source, "changed" if old and old.version else "new", record)

    async def is_current(self, source: Source, old: DocumentRecord, wanted: Placement) -> bool:
        """Whether a document is in as it is on the disk, with the contexts that it has."""
        try:
            sha256 = await asyncio.to_thread(hash_file, source.path)
        except SourceError:
            return False
        tag = tag_of(old)
        return self._is_live(old, sha256, wanted.after(old), *([tag] if tag else []))

    def _is_live(self, old: DocumentRecord, sha256: str, placement: Placed, *contexts: Tag) -> bool:
        """Whether this content, placed like this, is what `old` has; not if it has pages for OCR to read."""
        version = self.version_of(sha256, placement, *contexts, ocr=old.ocr)
        return old.state == "ready" and old.version == version and not self._reading.has_more(old)

    def _is_whole(self, old: DocumentRecord, version: str) -> bool:
        """Whether a version is in already, with all contexts that it is to have."""
        return old.state == "ready" and old.version == version and self._contexts.complete(old)

    async def read(self, source: Source) -> tuple[ParsedDocument, list[Chunk]]:
        """What `ingest` would make of a source now, without storing anything but what OCR reads."""
        old = await self._store.record(document_id_of(source.uri))
        with workplace() as folder:
            original = folder / f"original{source.path.suffix}"
            sha256 = await asyncio.to_thread(copied, source.path, original)
            parsed, _ = await self._reading.read(original, source.name, sha256, old, _untold)
        return parsed, await asyncio.to_thread(self._chunk, parsed, document_id_of(source.uri), "")

    async def _write_beside(
        self,
        source: Source,
        old: DocumentRecord | None,
        placement: Placed,
        tags: Sequence[Tag],
        on_chunks: OnChunks,
        on_pages: OnPages,
    ) -> DocumentRecord:
        """Write a new version beside the live one; returns the record that will make it live."""
        document_id = document_id_of(source.uri)
        with workplace() as folder:
            # What is hashed, parsed and kept is one copy: the file itself may change at any moment.
            original = folder / f"original{source.path.suffix}"
            sha256 = await asyncio.to_thread(copied, source.path, original)
            parsed, ocr = await self._reading.read(original, source.name, sha256, old, on_pages)
            version = self.version_of(sha256, placement, *tags[:1], ocr=ocr)
            save = partial(
                self._files.save,
                document_id,
                version,
                original=original,
                suffix=original.suffix,
                parsed=parsed,
            )
            if old is not None and self._is_whole(old, version):
                # OCR found nothing more: the same text, with what need not be looked at again.
                await save()
                return old.model_copy(update={"ocr": ocr})
            chunks = await asyncio.to_thread(self._chunk, parsed, document_id, version)
            if not chunks:
                raise NoTextFound("there is no text in it")
            await save()
        found = await self._contexts.of(tags, parsed, chunks)
        context = {position: text for position, (text, _) in found.items()}
        contexts = contexts_of(tags, [tag for _, tag in found.values()])
        record = ready_record(source, parsed, ocr, len(chunks), version, sha256, placement, contexts)
        await self._write(record, chunks, context, on_chunks)
        return record

    async def _remove_others(self, document_id: str, live: str) -> None:
        """Remove what is not the live version: its chunks, then its files, which say that there is some."""
        others = [version for version in await self._files.versions(document_id) if version != live]
        if others:
            await self._store.remove_other_versions(document_id, live)
        for version in others:
            await self._files.remove_version(document_id, version)

    async def remove(self, document_id: str) -> None:
        """Take a document out: its record first, so that no reader meets a part of it."""
        async with self.lock(document_id):
            old = await self._store.record(document_id)
            await self._store.remove_document(document_id)
            await self._files.remove_document(document_id)
            if old is not None:
                await self._reading.forget(old.sha256)

    def version_of(self, sha256: str, placement: Placed, *contexts: Tag, ocr: Ocr | None = None) -> str:
        """The version that this content, placed like this and indexed by these settings, would have.

        The placement is part of it: a change of access groups makes a new version, so that there is no
        moment at which some chunks of a document have the new groups and some the old. By what its contexts
        are written, if it gets any, is part of it too; how many there are is not. So is what OCR read
        of it, which depends on more than the content.
        """
        parts = (
            FORMAT,
            sha256,
            self._settings.embedding_model,
            str(self._settings.chunk_tokens),
            placement.collection,
            *sorted(placement.groups),
            *map(str, contexts),
            *([ocr.digest] if ocr is not None and ocr.digest else []),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def lock(self, document_id: str) -> AsyncFileLock:
        """One writer a document among the processes of this machine (CLI and service)."""
        folder = self._settings.data_dir / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreUnavailable(
                f"the data folder {self._settings.data_dir} cannot be used: {error.strerror}",
                remedy="make it writable, or set RAG_DATA_DIR to a folder that is",
            ) from error
        stripe = int(document_id[:8], 16) % LOCK_STRIPES
        return AsyncFileLock(folder / f"{stripe:02d}.lock")

    @asynccontextmanager
    async def lock_all(self) -> AsyncIterator[None]:
        """No writer of this machine but us; waits until running ones have finished their documents."""
        async with AsyncExitStack() as stack:
            for stripe in range(LOCK_STRIPES):
                await stack.enter_async_context(self.lock(f"{stripe:08x}"))
            yield

    def _chunk(self, parsed: ParsedDocument, document_id: str, version: str) -> list[Chunk]:
        embedder = self._embedder()
        longest = longest_chunk(parsed.media_type, self._settings.chunk_tokens, embedder.longest)
        return Chunker(embedder.count_tokens, longest).chunk(parsed, document_id, version)

    async def _write(
        self, record: DocumentRecord, chunks: list[Chunk], context: Mapping[int, str], on_chunks: OnChunks
    ) -> None:
        embedder = self._embedder()
        # Texts of like length share a batch, so that little of it is padding where a model pads; the longest
        # first, so that a batch that is too large for the memory fails at once.
        ordered = sorted(chunks, key=lambda chunk: -len(chunk.text))
        on_chunks(0, len(chunks))
        batch = self._settings.embedding_batch
        size = batch * BATCHES_A_WRITE
        work = _Indexing(embedder, record.title, chunks, context, batch)
        try:
            for first in range(0, len(chunks), size):
                part = ordered[first : first + size]
                await self._store.upsert_chunks(record, await asyncio.to_thread(work.of, part))
                on_chunks(first + len(part), len(chunks))
        finally:
            work.ends.set()


class _Indexing:
    """Makes the vectors of chunks of one document, in a thread, which ends early once `ends` is set."""

    def __init__(
        self,
        embedder: Embedder,
        title: str,
        chunks: Sequence[Chunk],
        contexts: Mapping[int, str],
        batch: int,
    ) -> None:
        self.ends = threading.Event()
        self._embedder = embedder
        self._title = title
        self._chunks = chunks
        self._contexts = contexts
        self._batch = batch

    def of(self, part: Sequence[Chunk]) -> list[IndexedChunk]:
        """These chunks with their vectors; fewer of them once it is to end."""
        indexed: list[IndexedChunk] = []
        for first in range(0, len(part), self._batch):
            if self.ends.is_set():
                break
            batch = part[first : first + self._batch]
            texts = embedded_texts(self._title, batch, self._contexts, self._embedder)
            for chunk, vector in zip(batch, self._embedder.embed_passages(texts), strict=True):
                sparse = _sparse(self._title, self._chunks, chunk, self._contexts)
                indexed.append(IndexedChunk(chunk, tuple(vector.tolist()), sparse))
        return indexed


def _sparse(title: str, chunks: Sequence[Chunk], chunk: Chunk, contexts: Mapping[int, str]) -> SparseVector:
    parts = searchable_parts(title, chunk, contexts.get(chunk.position, ""))
    return encode_passage(*parts, around=beside(chunks, chunk))


def _as_ours(error: Exception) -> CiteboxError:
    """A fault of one document in words, whatever raised it; the log has the rest."""
    if isinstance(error, CiteboxError):
        return error
    log.error("a document could not be ingested", exc_info=error)
    return SourceError(f"ingesting it failed: {type(error).__name__}: {error}")
