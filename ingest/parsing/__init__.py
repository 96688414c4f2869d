"""Files to text: one module per format, each loaded when the first file of its format comes.

The text is what people see cited: paragraphs, code and lists are separated by a blank line, list items,
table rows and headings have lines of their own, and every offset points into exactly this text.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from ingest.parsing.characters import one_line
from ingest.parsing.formats import (
    DOCX,
    HTML,
    MARKDOWN,
    MEDIA_TYPES,
    PDF,
    SUPPORTED,
    TEXT,
    media_type_of,
)
from rag.documents import CODE
from rag.errors import SourceDamaged, SourceError, SourceUnreadable
from rag.parsed import ParsedDocument
from rag.scanned import ScannedPage

__all__ = ["MEDIA_TYPES", "SUPPORTED", "parse", "parse_bytes"]

_MODULES = {PDF: "pdf", MARKDOWN: "markdown", HTML: "html", DOCX: "docx", TEXT: "text", CODE: "code"}
_NAMES = {
    PDF: "PDF",
    MARKDOWN: "Markdown",
    HTML: "HTML",
    DOCX: "Word document",
    TEXT: "text",
    CODE: "source code",
}


class _Parser(Protocol):
    def parse(self, data: bytes, name: str, **more: Sequence[ScannedPage]) -> ParsedDocument: ...


def parse(path: Path, *, name: str | None = None, scanned: Sequence[ScannedPage] = ()) -> ParsedDocument:
    """Read one file into text; `name` stands for the file's own name when it was stored under another.

    `scanned` are pages of a PDF that were read by OCR.

    Raises:
        SourceUnreadable: the file cannot be opened.
        SourceError: see `parse_bytes`.
    """
    try:
        if not path.is_file():
            # Opening a pipe or a device could wait for ever.
            raise SourceUnreadable("is not a regular file" if path.exists() else "does not exist")
        data = path.read_bytes()
    except OSError as error:
        raise SourceUnreadable(f"cannot be read: {(error.strerror or 'unknown reason').lower()}") from error
    return parse_bytes(data, name or path.name, scanned)


def parse_bytes(data: bytes, name: str, scanned: Sequence[ScannedPage] = ()) -> ParsedDocument:
    """The text of a file's content; its format is told by the extension of `name` and the first bytes.

    Of a PDF that is made of pictures, and of which no page is in `scanned`, the text is empty.

    Raises:
        EmptySource: there is nothing in it.
        UnsupportedFormat: not a supported format, or named as another one.
        SourceEncrypted: a password is needed.
        SourceDamaged: it cannot be read as what it is.
    """
    media_type = media_type_of(name, data)
    parser = cast("_Parser", importlib.import_module(f"ingest.parsing.{_MODULES[media_type]}"))
    more = {"scanned": scanned} if media_type == PDF and scanned else {}
    try:
        return parser.parse(data, name, **more)
    except SourceError:
        raise
    except (Exception, RecursionError, MemoryError) as error:
        # Parsers of damaged or hostile files raise anything at all; one file must not end the run.
        reason = one_line(f"{type(error).__name__}: {error}")[:200].rstrip(": ")
        raise SourceDamaged(f"cannot be read as {_NAMES[media_type]}: {reason}") from error
