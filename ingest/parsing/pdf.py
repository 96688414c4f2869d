"""PDF by pypdf: pages to lines, lines to paragraphs; bounded in time, since the file may be hostile."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pypdf import PasswordType, PdfReader, apply_configuration
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from ingest.parsing.builder import PARAGRAPH, TextBuilder
from ingest.parsing.characters import one_line, usable_title
from ingest.parsing.formats import PDF
from ingest.parsing.pdf_fonts import forget_false_spaces
from ingest.parsing.pdf_furniture import remove_furniture
from ingest.parsing.pdf_headings import OutlineEntry, mark_headings, title_by_font
from ingest.parsing.pdf_lines import Line, LineCollector
from ingest.parsing.pdf_reflow import Block, blocks_of_pages
from ingest.parsing.pdf_scans import lines_of
from rag.errors import SourceDamaged, SourceEncrypted
from rag.parsed import Page, ParsedDocument
from rag.scanned import ScannedPage

PAGE_SECONDS = 10.0
DOCUMENT_SECONDS = 60.0  # and half a second for each page
MAX_OUTLINE = 5_000
MORE = 2
"""Times as much as a page has in letters OCR must have read on it to be taken instead."""
# Far above any page of text. pypdf's own limits (75 MB) let one stream cost half a minute.
_LIMITS: dict[str, Any] = {
    "zlib_maximum_output_length": 20_000_000,
    "lzw_maximum_output_length": 20_000_000,
    "run_length_maximum_output_length": 20_000_000,
    "array_based_stream_maximum_output_length": 20_000_000,
    "page_tree_maximum_entries": 50_000,
}

# What pypdf reports to its log is the state of the file, page by page; one line per file is ours to give.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


_QUOTED_BYTES = re.compile(r"\s*(?:starting with )?b['\"].*$|\s*<[\w.]+ object at.*$")


class _PageTookTooLong(Exception):
    """Raised from inside pypdf's walk over a page, which is the only place that can stop it."""


def parse(data: bytes, name: str, scanned: Sequence[ScannedPage] = ()) -> ParsedDocument:
    """The text of all pages; a page that cannot be read counts as one without text, and so does a picture.

    What OCR read on pages that are pictures stands in `scanned`.

    Raises:
        SourceEncrypted: a password is needed.
        SourceDamaged: no page can be read.
    """
    with apply_configuration(**_LIMITS):
        reader = _open(data)
        pages = _read_pages(reader)
        scanned = [_taken(scan, pages) for scan in scanned]
        remove_furniture(pages)
        mark_headings(pages, _outline(reader))
        title = _guarded(lambda: reader.metadata.title if reader.metadata else None)
    title = usable_title(title) or title_by_font(pages)
    if not any(pages):
        blank = tuple(Page(number, 0, 0) for number in range(1, len(pages) + 1))
        return ParsedDocument(
            title=title or one_line(name.rsplit(".", 1)[0]), text="", media_type=PDF, pages=blank
        )
    builder = TextBuilder()
    for number, blocks in enumerate(blocks_of_pages(pages), start=1):
        builder.start_page(number)
        for block in blocks:
            _add(builder, block)
        builder.end_page()
    return replace(builder.finish(media_type=PDF, name=name, title=title), scanned=tuple(scanned))


def _taken(scan: ScannedPage, pages: list[list[Line]]) -> ScannedPage:
    """The scan, put in the place of a page's own lines; without its lines where it does not say much more.

    A few letters of a page's own may be a stamp, or all there is on a slide with a picture behind it: then
    they are right, while OCR may err.
    """
    own, read = pages[scan.number - 1], lines_of(scan)
    if _letters(read) < MORE * _letters(own) + 1:
        return replace(scan, lines=())
    pages[scan.number - 1] = read
    return scan


def _letters(lines: list[Line]) -> int:
    return sum(len(line.text) for line in lines)


def _add(builder: TextBuilder, block: Block) -> None:
    if block.level is not None:
        builder.heading(block.level, block.text)
    else:
        builder.block(block.text, separator=block.separator or PARAGRAPH)


def _open(data: bytes) -> PdfReader:
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise _encrypted()
        if not len(reader.pages):
            raise SourceDamaged("has no pages", remedy="export or download it again")
    except FileNotDecryptedError as error:
        raise _encrypted() from error
    except (DependencyError, NotImplementedError) as error:
        raise SourceEncrypted(
            f"uses an encryption that cannot be opened: {_reason(error)}", remedy="save it without encryption"
        ) from error
    except (SourceDamaged, SourceEncrypted):
        raise
    except Exception as error:
        # pypdf says itself that broken files raise any exception.
        raise SourceDamaged(
            f"is a damaged or cut-off PDF: {_reason(error)}", remedy="export or download it again"
        ) from error
    return reader


def _encrypted() -> SourceEncrypted:
    return SourceEncrypted(
        "is protected by a password", remedy="save a copy without one, e.g. with qpdf --decrypt --password=…"
    )


def _read_pages(reader: PdfReader) -> list[list[Line]]:
    """The lines of each page.

    Raises:
        SourceDamaged: no page can be read, or reading takes too long.
    """
    count = len(reader.pages)
    deadline = time.monotonic() + DOCUMENT_SECONDS + count * 0.5
    pages: list[list[Line]] = []
    failures: list[str] = []
    for index in range(count):
        if time.monotonic() > deadline:
            raise SourceDamaged(f"takes too long to read: {index} of {count} pages in the time there is")
        try:
            pages.append(_read_page(reader, index))
        except Exception as error:
            pages.append([])
            failures.append(_reason(error))
    if len(failures) == count:
        which = "its only page cannot" if count == 1 else f"none of its {count} pages can"
        raise SourceDamaged(f"{which} be read: {failures[0]}", remedy="export or download it again")
    return pages


def _read_page(reader: PdfReader, index: int) -> list[Line]:
    stop = time.monotonic() + PAGE_SECONDS
    collector = LineCollector()

    def check_time(*_: Any) -> None:
        if time.monotonic() > stop:
            raise _PageTookTooLong(f"page {index + 1} takes too long to read")

    page = reader.pages[index]
    forget_false_spaces(page)
    page.extract_text(visitor_text=collector.take, visitor_operand_before=check_time)
    return collector.lines()


def _outline(reader: PdfReader) -> list[OutlineEntry]:
    """The bookmarks that lead to a page, in order, with their nesting as level."""
    entries: list[OutlineEntry] = []
    stack: list[tuple[Any, int]] = [(_guarded(lambda: reader.outline) or [], 0)]
    while stack and len(entries) < MAX_OUTLINE:
        item, level = stack.pop()
        if isinstance(item, list):
            stack.extend((child, level + 1) for child in reversed(item))
            continue
        page = _guarded(partial(reader.get_destination_page_number, item))
        title = one_line(str(item.title or ""))
        if isinstance(page, int) and page >= 0 and title:
            entries.append(OutlineEntry(title=title, page=page, level=level))
    return entries


def _guarded(read: Callable[[], Any]) -> Any:
    """The value, or None where the file is damaged at a place that the text does not need."""
    try:
        return read()
    except Exception:
        return None


def _reason(error: Exception) -> str:
    """What pypdf says of the damage, without the bytes it quotes; else only the kind of the error."""
    text = _QUOTED_BYTES.sub("", one_line(str(error)))[:100].rstrip(".: ")
    return text if text and isinstance(error, PyPdfError | _PageTookTooLong) else type(error).__name__
