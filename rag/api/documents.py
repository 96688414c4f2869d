"""/v1/documents: list, add, remove, and the stored text with the place of a citation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from rag.api.deps import DoorDep, MayWrite, ReaderDep, ServiceDep
from rag.api.problems import responses
from rag.documents import DocumentRecord, Reader
from rag.errors import InvalidRequest, NotFound, SourceTooLarge
from rag.service import Service

router = APIRouter(prefix="/v1/documents", tags=["documents"])

BLOCK = 1 << 20


class DocumentList(BaseModel):
    documents: list[DocumentRecord]


class Added(BaseModel):
    """The document as it is now, and what the upload did."""

    document: DocumentRecord
    status: Literal["new", "changed", "unchanged"]


class PageRange(BaseModel):
    number: int
    start: int
    end: int


class HeadingPlace(BaseModel):
    level: int
    title: str
    start: int


class Highlight(BaseModel):
    """A range of the text, with where it stands; `text` is what lies in it."""

    start: int
    end: int
    text: str
    page: int | None
    headings: tuple[str, ...]


class Source(BaseModel):
    """The stored text that every offset refers to. Offsets count Unicode code points, end exclusive."""

    document_id: str
    version: str
    uri: str
    title: str
    media_type: str
    text: str
    pages: list[PageRange]
    headings: list[HeadingPlace]
    highlight: Highlight | None


@router.get("", responses=responses(503))
async def list_documents(service: ServiceDep, reader: ReaderDep) -> DocumentList:
    """Every document the reader may see, failed ones included, by URI."""
    return DocumentList(documents=await service.store.visible_records(reader))


@router.post("", status_code=201, dependencies=[MayWrite], responses=responses(403, 413, 422, 503))
async def add_document(
    request: Request,
    service: ServiceDep,
    door: DoorDep,
    file: Annotated[UploadFile, File(description="PDF, Markdown, HTML, DOCX, text or source code.")],
    collection: Annotated[str, Form(min_length=1, max_length=100)] = "default",
    groups: Annotated[
        str | None,
        Form(description="Who may read it, comma-separated. Left out: as before, and everyone at first."),
    ] = None,
) -> Response:
    """Add a document, or replace the one of the same name in the same collection."""
    readers = tuple(dict.fromkeys(part.strip() for part in (groups or "").split(",") if part.strip()))
    if groups is not None and not readers:
        raise InvalidRequest("groups: name at least one access group, or leave it out for everyone")
    sent = (await request.form()).multi_items()
    if sum(not isinstance(value, str) for _, value in sent) > 1:
        raise InvalidRequest("one file goes in with each request", remedy="send a request for each file")
    name = file.filename or ""
    limit = service.settings.max_file_mb * 1_000_000
    with tempfile.TemporaryDirectory(prefix="citebox-upload-") as folder:
        # The name that came with the file is not trusted: only its ending is used, and only to parse.
        path = Path(folder) / ("upload" + _ending(name))
        await _save(file, path, limit)
        document, status = await door.upload(path, name, collection, readers or None)
    added = Added(document=document, status=status)
    return JSONResponse(added.model_dump(mode="json"), 201 if status == "new" else 200)


@router.get("/{document_id}", responses=responses(404, 503))
async def show_document(document_id: str, service: ServiceDep, reader: ReaderDep) -> DocumentRecord:
    """One document."""
    return await _visible(service, reader, document_id)


@router.delete("/{document_id}", status_code=204, dependencies=[MayWrite], responses=responses(403, 404, 503))
async def remove_document(document_id: str, service: ServiceDep, reader: ReaderDep, door: DoorDep) -> None:
    """Take a document out of the index; the file it came from is not touched."""
    await _visible(service, reader, document_id)
    await door.remove(document_id)


@router.get("/{document_id}/source", responses=responses(404, 422, 503))
async def source(
    document_id: str,
    service: ServiceDep,
    reader: ReaderDep,
    version: Annotated[str | None, Query(description="The live version when left out.")] = None,
    start: Annotated[int | None, Query(ge=0)] = None,
    end: Annotated[int | None, Query(ge=1)] = None,
) -> Source:
    """The stored text of a document, with a range to highlight."""
    record, live = await stored_version(service, reader, document_id, version)
    parsed = await service.files.parsed(document_id, live)
    highlight = None
    if start is not None or end is not None:
        if start is None or end is None or not start < end <= len(parsed.text):
            raise InvalidRequest(f"start and end must mark a range within 0 and {len(parsed.text)}")
        highlight = Highlight(
            start=start,
            end=end,
            text=parsed.text[start:end],
            page=parsed.page_at(start),
            headings=parsed.heading_path_at(start),
        )
    return Source(
        document_id=document_id,
        version=live,
        uri=record.uri,
        title=record.title,
        media_type=parsed.media_type,
        text=parsed.text,
        pages=[PageRange(number=p.number, start=p.start, end=p.end) for p in parsed.pages],
        headings=[HeadingPlace(level=h.level, title=h.title, start=h.start) for h in parsed.headings],
        highlight=highlight,
    )


async def stored_version(
    service: Service, reader: Reader, document_id: str, version: str | None
) -> tuple[DocumentRecord, str]:
    """The record and its stored version, when this reader may see it and it is the wished one.

    Raises:
        NotFound: there is no such document for this reader, or that version of it is gone.
    """
    record = await _visible(service, reader, document_id)
    if record.version is None or (version is not None and version != record.version):
        raise NotFound(
            "that version of the document is not stored any more", remedy="ask again to cite the live version"
        )
    return record, record.version


async def _visible(service: Service, reader: Reader, document_id: str) -> DocumentRecord:
    """The record, when this reader may see it; a document of others does not exist for them."""
    record = await service.store.visible_record(document_id, reader)
    if record is None:
        raise NotFound(f"there is no document {document_id!r}", remedy="GET /v1/documents lists them")
    return record


async def _save(file: UploadFile, path: Path, limit: int) -> None:
    size = 0
    with path.open("wb") as sink:
        while block := await file.read(BLOCK):
            size += len(block)
            if size > limit:
                raise SourceTooLarge(
                    f"the file is larger than {limit // 1_000_000} MB", remedy="set RAG_MAX_FILE_MB"
                )
            sink.write(block)


def _ending(name: str) -> str:
    ending = Path(name.replace("\\", "/")).suffix.lower()
    return ending if ending[1:].isalnum() and len(ending) <= 10 else ""
