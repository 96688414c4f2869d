"""What is kept and told of one file: the record of its document, and the outcome of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ingest.report import Outcome
from ingest.sources import Source, shown
from rag.documents import Contexts, DocumentRecord, Ocr, document_id_of, utc_now
from rag.parsed import ParsedDocument

if TYPE_CHECKING:
    from ingest.pipeline import Placed


def ready_record(
    source: Source,
    parsed: ParsedDocument,
    ocr: Ocr | None,
    chunks: int,
    version: str,
    sha256: str,
    placement: Placed,
    contexts: Contexts | None,
) -> DocumentRecord:
    return DocumentRecord(
        id=document_id_of(source.uri),
        uri=source.uri,
        title=parsed.title,
        version=version,
        state="ready",
        sha256=sha256,
        media_type=parsed.media_type,
        collection=placement.collection,
        groups=placement.groups,
        pages=len(parsed.pages),
        pages_without_text=parsed.pages_without_text,
        ocr=ocr,
        chunks=chunks,
        characters=len(parsed.text),
        contexts=contexts,
        added=utc_now(),
    )


def failed_record(
    source: Source, placement: Placed, old: DocumentRecord | None, reason: str
) -> DocumentRecord:
    """The record of a failure; whatever version was live stays so, under its own rights."""
    if old is not None and old.version is not None:
        return old.model_copy(update={"state": "failed", "failure": reason})
    return DocumentRecord(
        id=document_id_of(source.uri),
        uri=source.uri,
        title=Path(source.uri).name,
        version=None,
        state="failed",
        failure=reason,
        sha256="",
        media_type="application/octet-stream",
        collection=placement.collection,
        groups=placement.groups,
        added=utc_now(),
    )


def outcome_of(source: Source, status: str, record: DocumentRecord) -> Outcome:
    return Outcome(
        path=shown(source.path),
        status=status,  # type: ignore[arg-type]
        document_id=record.id,
        title=record.title,
        chunks=record.chunks,
        pages=record.pages,
        pages_without_text=record.pages_without_text,
        ocr_pages=record.ocr.pages if record.ocr is not None else (),
        chunks_without_context=record.chunks - record.contexts.total if record.contexts else 0,
    )
