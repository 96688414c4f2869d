"""Documents that come by HTTP: the write path as the service offers it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.pipeline import Pipeline, Placement
from ingest.report import Outcome
from ingest.sources import MEGABYTE, Source, source_from_upload, source_of_record
from ingest.workers import ParserProcess
from rag.documents import DocumentRecord, document_id_of
from rag.errors import NoOriginal, NotFound, SourceUnreadable
from rag.service import Service

PARSE_SECONDS = 60.0
OCR_SECONDS = 300.0
"""Of one request; pages that are left then are read when the document is read again."""


class Door:
    """Takes uploads in and documents out, beside a service that goes on answering."""

    def __init__(self, service: Service, parser: ParserProcess) -> None:
        self._store = service.store
        self._files = service.files
        self._most_bytes = service.settings.max_file_mb * MEGABYTE
        self._pipeline = Pipeline(
            service.settings,
            service.store,
            lambda: service.embedder,
            parser,
            ocr_seconds=OCR_SECONDS,
        )

    async def upload(
        self, path: Path, filename: str, collection: str, groups: tuple[str, ...] | None
    ) -> tuple[DocumentRecord, str]:
        """Ingest the file at `path` under the name it came with.

        Raises:
            SourceError: it cannot be ingested; an older version, if any, goes on answering.
        """
        source = source_from_upload(filename, path, collection)
        outcome = await self._pipeline.ingest(source, Placement(collection, groups))
        return await self._settled(document_id_of(source.uri), outcome)

    async def _settled(self, document_id: str, outcome: Outcome) -> tuple[DocumentRecord, str]:
        record = await self._store.record(document_id)
        if outcome.status == "failed" or record is None:
            raise outcome.error or SourceUnreadable(outcome.reason or "it was removed meanwhile")
        return record, outcome.status

    async def read_again(self, document_id: str) -> tuple[DocumentRecord, str]:
        """Ingest a document once more, with its collection and groups as they are.

        From the file that it came from, where that is still there; else from the stored original, which is of
        the last version that was ready.

        Raises:
            NotFound: there is no such document, or not any more.
            NoOriginal: there is neither.
            SourceError: it cannot be ingested; the older version, if any, goes on answering.
        """
        with tempfile.TemporaryDirectory(prefix="citebox-again-") as folder:

            async def find(record: DocumentRecord) -> Source:
                source = await asyncio.to_thread(source_of_record, record.uri, self._most_bytes)
                if source is not None:
                    return source
                path = await self._stored(record, Path(folder))
                return Source(path=path, uri=record.uri, size=path.stat().st_size, name=record.name)

            return await self._settled(document_id, await self._pipeline.ingest_again(document_id, find))

    async def _stored(self, record: DocumentRecord, folder: Path) -> Path:
        try:
            if record.version is None:
                raise NotFound("no version of it was ever ready")
            body, name = await self._files.original(record.id, record.version)
        except NotFound:
            remedy = "upload it again" if record.uri.startswith("upload:") else "run `ingest add` on it again"
            raise NoOriginal(
                f"neither the file of {record.name!r} nor a stored original is there to read again",
                remedy=remedy,
            ) from None
        path = folder / name
        await asyncio.to_thread(path.write_bytes, body)
        return path

    async def remove(self, document_id: str) -> None:
        await self._pipeline.remove(document_id)


@contextmanager
def open_door(service: Service) -> Iterator[Door]:
    """A door to the write path that shares the service's store and embedding model."""
    with ParserProcess(PARSE_SECONDS) as parser:
        yield Door(service, parser)
