"""Documents that come by HTTP: the write path as the service offers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.pipeline import Pipeline, Placement
from ingest.sources import source_from_upload
from ingest.workers import ParserProcess
from rag.documents import DocumentRecord, document_id_of
from rag.errors import SourceUnreadable
from rag.service import Service

PARSE_SECONDS = 60.0


class Door:
    """Takes uploads in and documents out, beside a service that goes on answering."""

    def __init__(self, service: Service, parser: ParserProcess) -> None:
        self._store = service.store
        self._pipeline = Pipeline(service.settings, service.store, lambda: service.embedder, parser)

    async def upload(
        self, path: Path, filename: str, collection: str, groups: tuple[str, ...] | None
    ) -> tuple[DocumentRecord, str]:
        """Ingest the file at `path` under the name it came with.

        Raises:
            SourceError: it cannot be ingested; an older version, if any, goes on answering.
        """
        source = source_from_upload(filename, path, collection)
        outcome = await self._pipeline.ingest(source, Placement(collection, groups))
        record = await self._store.record(document_id_of(source.uri))
        if outcome.status == "failed" or record is None:
            raise outcome.error or SourceUnreadable(outcome.reason or "it was removed meanwhile")
        return record, outcome.status

    async def remove(self, document_id: str) -> None:
        await self._pipeline.remove(document_id)


@contextmanager
def open_door(service: Service) -> Iterator[Door]:
    """A door to the write path that shares the service's store and embedding model."""
    with ParserProcess(PARSE_SECONDS) as parser:
        yield Door(service, parser)
