"""source -> document: parsed, and where pages of a PDF are pictures, read by OCR, which takes seconds a page.

What OCR read is kept as it comes, so that an interrupted run goes on where it stopped:

    <data_dir>/ocr/<sha256 of the file>.jsonl     a page a line; removed once the document is in

From then on the document's own version has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ingest.parsing.formats import PDF
from ingest.workers import ParserProcess
from rag.documents import DocumentRecord
from rag.errors import CiteboxError, NoTextFound, SourceDamaged
from rag.parsed import ParsedDocument
from rag.scanned import ScannedPage, scanned_page_of
from rag.settings import Settings
from rag.store.files import FileStore

log = logging.getLogger(__name__)

FEW = 100
"""Characters of a page below which its letters may be a stamp or a number on a picture of the real text."""
GIVEN_UP = 3
"""Pages in a row that OCR fails on before it is not tried on the rest."""

OnPages = Callable[[int, int], None]
"""Told (pages read by OCR, pages to be read) of one document."""


def kept_in(settings: Settings) -> Path:
    """Where the pages are that OCR read of files that are not in yet."""
    return settings.data_dir / "ocr"


class Reading:
    """Reads files into text in the parser's process."""

    def __init__(self, settings: Settings, parser: ParserProcess, files: FileStore) -> None:
        self._parser = parser
        self._files = files
        self._most = settings.ocr_max_pages
        self._folder = kept_in(settings)

    async def read(
        self, path: Path, name: str, sha256: str, old: DocumentRecord | None, on_pages: OnPages
    ) -> ParsedDocument:
        """The document at `path`, whose content has that hash and was `old` before, with its scanned pages.

        A page that OCR cannot read stays without text, which the document's record tells; the rest goes on.

        Raises:
            NoTextFound: nothing is written on any page, or nothing that was read.
            SourceError: as the parser has it.
        """
        parsed = await self._parser.parse(path, name)
        wanted = [page for page in parsed.pages if page.end - page.start < FEW]
        if parsed.media_type == PDF and wanted and self._most:
            earlier = await self._earlier(sha256, old)
            has_letters = {page.number: page.end > page.start for page in wanted[: self._most]}
            scanned = await self._scan(path, sha256, has_letters, earlier, on_pages)
            if scanned:
                parsed = await self._parser.parse(path, name, scanned)
        if not parsed.text:
            raise self._no_text(len(parsed.pages))
        return parsed

    async def forget(self, sha256: str) -> None:
        """The document is in, and has with it what OCR read."""
        await asyncio.to_thread(self._kept(sha256).unlink, missing_ok=True)

    async def _earlier(self, sha256: str, old: DocumentRecord | None) -> dict[int, ScannedPage | None]:
        """The pages that were read as the same file went in with other settings, or in a halted run."""
        pages: dict[int, ScannedPage | None] = {}
        if old is not None and old.version is not None and old.sha256 == sha256 and old.ocr_pages:
            with contextlib.suppress(CiteboxError):
                parsed = await self._files.parsed(old.id, old.version)
                pages.update({page.number: page for page in parsed.scanned})
        return pages | await asyncio.to_thread(_lines, self._kept(sha256))

    async def _scan(
        self,
        path: Path,
        sha256: str,
        has_letters: dict[int, bool],
        pages: dict[int, ScannedPage | None],
        on_pages: OnPages,
    ) -> list[ScannedPage]:
        failures = 0
        for done, (number, letters) in enumerate(has_letters.items()):
            if number in pages:
                continue
            on_pages(done, len(has_letters))
            try:
                pages[number] = await self._parser.read_scan(path, number, has_letters=letters)
                failures = 0
            except SourceDamaged as error:
                log.warning("OCR failed on page %d: %s", number, error)
                failures += 1
                if failures == GIVEN_UP:
                    break
            else:
                await asyncio.to_thread(_append, self._kept(sha256), number, pages[number])
        on_pages(len(has_letters), len(has_letters))
        return [page for number in has_letters if (page := pages.get(number)) is not None]

    def _kept(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.jsonl"

    def _no_text(self, count: int) -> NoTextFound:
        where = "its only page" if count == 1 else f"any of its {count} pages"
        if self._most:
            return NoTextFound(f"no text on {where}, and none that OCR could read")
        return NoTextFound(
            f"no text on {where}; it looks scanned",
            remedy="set RAG_OCR_MAX_PAGES above 0 to have it read by OCR",
        )


def _lines(kept: Path) -> dict[int, ScannedPage | None]:
    pages: dict[int, ScannedPage | None] = {}
    with contextlib.suppress(OSError):
        for line in kept.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(
                ValueError, LookupError, TypeError
            ):  # the last line of a run that was killed
                stored = json.loads(line)
                pages[int(stored["number"])] = scanned_page_of(stored["page"]) if stored["page"] else None
    return pages


def _append(kept: Path, number: int, page: ScannedPage | None) -> None:
    """A line more; whoever may read the disk must not read what the access groups keep from them."""
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stored = {"number": number, "page": asdict(page) if page is not None else None}
    with os.fdopen(
        os.open(kept, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8"
    ) as file:
        file.write(json.dumps(stored, ensure_ascii=False) + "\n")


def unfinished(folder: Path, *, older_than: float = 0.0) -> list[Path]:
    """The kept pages of files that are not in (yet), of runs that ended at least so many seconds ago."""
    until = time.time() - older_than
    found = []
    for path in folder.glob("*.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            found += [path] if path.stat().st_mtime <= until else []
    return found
