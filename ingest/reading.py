"""source -> document: parsed, and where pages of a PDF are pictures, read by OCR, which takes seconds a page.

What OCR read is kept as it comes, so that an interrupted run goes on where it stopped:

    <data_dir>/ocr/<sha256 of the file>.jsonl     a page a line; removed once the document is in

From then on the document's own version has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ingest.parsing.formats import PDF
from ingest.workers import ParserProcess
from rag.documents import DocumentRecord, Ocr
from rag.errors import CiteboxError, NoTextFound, SourceDamaged, StoreUnavailable
from rag.parsed import ParsedDocument
from rag.scanned import ScannedPage, scanned_page_of
from rag.settings import Settings
from rag.store.files import FileStore

log = logging.getLogger(__name__)

OCR = "ocr1"
"""Raised when OCR changes, so that scanned pages are read anew."""
FEW = 100
"""Characters of a page below which its letters may be a stamp or a number on a picture of the real text."""
GIVEN_UP = 3
"""Pages that OCR fails on before it is not tried on the rest."""

OnPages = Callable[[int, int], None]
"""Told (pages that OCR looked at, pages that it is to look at) of one document."""


def kept_in(settings: Settings) -> Path:
    """Where the pages are that OCR read of files that are not in yet."""
    return settings.data_dir / "ocr"


class Reading:
    """Reads files into text in the parser's process; `ocr_seconds` is what OCR has for a document."""

    def __init__(
        self, settings: Settings, parser: ParserProcess, files: FileStore, ocr_seconds: float = math.inf
    ) -> None:
        self._parser = parser
        self._files = files
        self._most = settings.ocr_max_pages
        self._folder = kept_in(settings)
        self._seconds = ocr_seconds

    async def read(
        self, path: Path, name: str, sha256: str, old: DocumentRecord | None, on_pages: OnPages
    ) -> tuple[ParsedDocument, Ocr | None]:
        """The document at `path`, whose content has that hash and was `old` before, and how OCR read it.

        A page that OCR failed on stays without text, and the rest goes on. What was read before counts also
        when OCR is turned off now.

        Raises:
            NoTextFound: nothing is written on any page, or nothing that was read.
            SourceError: as the parser has it.
        """
        parsed = await self._parser.parse(path, name)
        if parsed.media_type != PDF:
            return parsed, None
        short = {page.number: page.end > page.start for page in parsed.pages if page.end - page.start < FEW}
        scans = await self._earlier(sha256, old, short) if short else {}
        failed: dict[int, str] = {}
        before = old.ocr.failed if old is not None and old.ocr is not None else ()
        # What failed before comes last, or it would be given up again before others are looked at.
        short = dict(sorted(short.items(), key=lambda page: page[0] in before))
        limit = await self._scan(path, name, sha256, short, scans, failed, on_pages) if self._most else 0
        scanned = [scans[number] for number in sorted(short) if number in scans]
        if any(page.lines for page in scanned):
            parsed = await self._parser.parse(path, name, scanned)
        else:
            parsed = replace(parsed, scanned=tuple(scanned))
        if not parsed.text:
            raise self._no_text(len(parsed.pages), next(iter(failed.values()), None))
        ocr = Ocr(
            by=OCR,
            pages=tuple(page.number for page in parsed.scanned if page.lines),
            failed=tuple(sorted(failed)),
            beyond=tuple(number for number in sorted(short) if number not in scans and number not in failed),
            limit=limit,
            digest=_digest(parsed.scanned),
        )
        return parsed, ocr if self._most or scanned else None

    def has_more(self, old: DocumentRecord) -> bool:
        """Whether there are pages of a document that OCR has not looked at, and may, or that it failed on."""
        if old.media_type != PDF or not self._most:
            return False
        if old.ocr is None or old.ocr.by != OCR:
            return True
        return bool(old.ocr.failed) or (bool(old.ocr.beyond) and self._most > old.ocr.limit)

    async def forget(self, sha256: str) -> None:
        """The document is in, and has with it what OCR read; or it is out."""
        if sha256:
            with contextlib.suppress(OSError):  # kept to save time only
                await asyncio.to_thread(self._kept(sha256).unlink, missing_ok=True)

    async def _earlier(
        self, sha256: str, old: DocumentRecord | None, short: Container[int]
    ) -> dict[int, ScannedPage]:
        """The pages that were read as the same file went in with other settings, or in a halted run."""
        pages: dict[int, ScannedPage] = {}
        same = old is not None and old.sha256 == sha256 and old.ocr is not None and old.ocr.by == OCR
        if old is not None and old.version is not None and same:
            try:
                parsed = await self._files.parsed(old.id, old.version)
                pages.update({page.number: page for page in parsed.scanned})
            except StoreUnavailable:
                raise  # or a version without these pages would take its place
            except CiteboxError as error:
                log.warning("what OCR read before of %s cannot be used: %s", old.name, error)
        pages |= await asyncio.to_thread(_lines, self._kept(sha256))
        return {number: page for number, page in pages.items() if number in short}

    async def _scan(
        self,
        path: Path,
        name: str,
        sha256: str,
        short: Mapping[int, bool],
        scans: dict[int, ScannedPage],
        failed: dict[int, str],
        on_pages: OnPages,
    ) -> int:
        """Look at the pages that are not among `scans` yet; returns how many it was allowed to look at."""
        until = time.monotonic() + self._seconds
        waiting = [number for number in short if number not in scans]
        waiting = waiting[: max(self._most - len(scans), 0)]
        total = len(scans) + len(waiting)
        for number in waiting:
            if len(failed) == GIVEN_UP:
                break
            if time.monotonic() > until:
                return len(scans)
            on_pages(len(scans) + len(failed), total)
            try:
                scans[number] = await self._parser.read_scan(path, number, has_letters=short[number])
            except SourceDamaged as error:
                log.warning("OCR failed on page %d of %s: %s", number, name, error)
                failed[number] = error.detail
            else:
                await asyncio.to_thread(_append, self._kept(sha256), scans[number])
        if waiting:
            on_pages(len(scans) + len(failed), total)
        return self._most

    def _kept(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.jsonl"

    def _no_text(self, count: int, failure: str | None) -> NoTextFound:
        where = "its only page" if count == 1 else f"any of its {count} pages"
        if failure is not None:
            return NoTextFound(f"no text on {where}; OCR failed: {failure}")
        if self._most:
            return NoTextFound(f"no text on {where}, and none that OCR could read")
        return NoTextFound(
            f"no text on {where}; it looks scanned",
            remedy="set RAG_OCR_MAX_PAGES above 0 to have it read by OCR",
        )


def _digest(scanned: Sequence[ScannedPage]) -> str:
    """What a version knows OCR's share of its text by; empty when there is none."""
    read = [asdict(page) for page in scanned if page.lines]
    return hashlib.sha256(json.dumps(read).encode()).hexdigest()[:16] if read else ""


def _lines(kept: Path) -> dict[int, ScannedPage]:
    """The pages of a kept file; lines that a kill cut off, or of another OCR, count for nothing."""
    pages: dict[int, ScannedPage] = {}
    with contextlib.suppress(OSError):
        for line in kept.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError, LookupError, TypeError):
                stored = json.loads(line)
                if stored["by"] == OCR:
                    page = scanned_page_of(stored["page"])
                    pages[page.number] = page
    return pages


def _append(kept: Path, page: ScannedPage) -> None:
    """A line more; whoever may read the disk must not read what the access groups keep from them."""
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = json.dumps({"by": OCR, "page": asdict(page)}).encode()
    descriptor = os.open(kept, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, b"\n" + line + b"\n")  # a line of its own, also after one that was cut off
    finally:
        os.close(descriptor)


def unfinished(folder: Path, *, older_than: float = 0.0) -> list[Path]:
    """The kept pages of files that are not in (yet), of runs that ended at least so many seconds ago."""
    until = time.time() - older_than
    found = []
    for path in folder.glob("*.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime <= until:
                found.append(path)
    return found
