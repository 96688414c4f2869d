"""What the source view shows beside the stored text: pictures of pages, the passage on them, the original."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathValue
from fastapi.responses import Response, StreamingResponse

from rag.api.deps import PicturesDep, ReaderDep, ServiceDep
from rag.api.documents import stored_version
from rag.api.problems import responses
from rag.documents import DocumentRecord
from rag.errors import DownloadsOff, InvalidRequest
from rag.pictures.marks import Marks
from rag.pictures.pictures import NARROWEST, WIDEST

router = APIRouter(prefix="/v1/documents/{document_id}", tags=["documents"])

Version = Annotated[str | None, Query(description="The live version when left out.")]
PageNumber = Annotated[int, PathValue(ge=1, le=1_000_000)]

LONGEST_NAME = 150
HOUR = 3600
PNG_OF = 1
"""Goes up when the same page would be drawn in another way."""
PLAIN_TYPES = {
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
"""Types that may be told of an original. Whatever a browser could run or show as a page is only bytes."""
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|%;]')


@router.get("/pages/{number}/picture", responses=responses(404, 422, 429, 503), response_class=Response)
async def picture(
    request: Request,
    document_id: str,
    number: PageNumber,
    service: ServiceDep,
    reader: ReaderDep,
    pictures: PicturesDep,
    version: Version = None,
    width: Annotated[int, Query(ge=NARROWEST, le=WIDEST, description="In pixels.")] = 1000,
) -> Response:
    """A page of a PDF as PNG."""
    _, live = await stored_version(service, reader, document_id, version)
    tag = f'"{live}-{number}-{width}-{PNG_OF}"'
    headers = {
        "ETag": tag,
        "Vary": "Authorization, Cookie",
        # With its version the address names one picture for ever; without, another may come to stand there.
        "Cache-Control": f"private, max-age={HOUR}, immutable" if version else "private, no-cache",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    drawn = await pictures.picture(service.files, document_id, live, number, width=width)
    return Response(drawn, media_type="image/png", headers=headers)


@router.get("/pages/{number}/marks", responses=responses(404, 422, 429, 503))
async def marks(
    document_id: str,
    number: PageNumber,
    service: ServiceDep,
    reader: ReaderDep,
    pictures: PicturesDep,
    start: Annotated[int, Query(ge=0)],
    end: Annotated[int, Query(ge=1)],
    version: Version = None,
) -> Marks:
    """Where on the picture of a page a range of the stored text stands."""
    if start >= end:
        raise InvalidRequest("start must be before end")
    _, live = await stored_version(service, reader, document_id, version)
    return await pictures.marks(service.files, document_id, live, number, start=start, end=end)


@router.get("/original", responses=responses(403, 404, 503), response_class=Response)
async def original(
    document_id: str, service: ServiceDep, reader: ReaderDep, version: Version = None
) -> Response:
    """The file as it was taken in, to be saved and never shown in place."""
    if not service.settings.downloads:
        raise DownloadsOff("this service does not give out originals", remedy="RAG_DOWNLOADS")
    record, live = await stored_version(service, reader, document_id, version)
    blocks, size, stored_name = await service.files.original_in_blocks(document_id, live)
    known = record.media_type in PLAIN_TYPES
    return StreamingResponse(
        blocks,
        media_type=record.media_type if known else "application/octet-stream",
        headers={
            "Content-Length": str(size),
            "Content-Disposition": _attachment(_name_of(record, stored_name)),
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-store",
        },
    )


def _name_of(record: DocumentRecord, stored_name: str) -> str:
    """The last part of the uri as a file name that no system and no reader can take for anything else."""
    last = record.uri.rsplit("/", 1)[-1]
    # Marks of direction would let an ending look like another one.
    seen = "".join(one for one in last if unicodedata.category(one)[0] != "C")
    stem, dot, ending = _NOT_IN_NAMES.sub("_", seen).strip(" .").rpartition(".")
    if not dot:
        stem, ending = ending, ""
    return f"{stem[:LONGEST_NAME]}{dot}{ending[:16]}" if stem else stored_name


def _attachment(name: str) -> str:
    """RFC 6266: the name in ASCII for old programs, and as it is."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    # Once more: a full-width quotation mark, say, has become one that ends the name in the header.
    plain = _NOT_IN_NAMES.sub("_", ascii_name).strip(" .") or "document"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
