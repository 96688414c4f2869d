"""Builds the text of a document block by block, so that every offset is exact by construction."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsing.characters import clean, one_line, usable_title
from rag.errors import EmptySource
from rag.parsed import Heading, Page, ParsedDocument

PARAGRAPH = "\n\n"
LINE = "\n"


class TextBuilder:
    """Joins blocks by a blank line (or a line end), and records where headings and pages lie."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._pages: list[Page] = []
        self._page_start: int | None = None
        self._page_number = 0

    def block(self, text: str, *, separator: str = PARAGRAPH) -> None:
        """Add a paragraph, list item, row or code block; `separator` stands between it and the last one."""
        text = clean(text).strip("\n").rstrip()
        if text.strip():
            self._append(text, separator)

    def rows(self, lines: Sequence[str]) -> None:
        """Add lines that belong together, such as a table: a blank line around, none between."""
        self.block("\n".join(line for line in lines if line.strip()))

    def heading(self, level: int, title: str) -> None:
        """Add a heading on a line of its own; an empty one is left out."""
        title = one_line(title)
        if title:
            start = self._append(title, PARAGRAPH)
            self._headings.append(Heading(level=min(max(level, 1), 9), title=title, start=start))

    def start_page(self, number: int) -> None:
        """Blocks from here on are on page `number`."""
        self._page_start, self._page_number = None, number

    def end_page(self) -> None:
        """Close the page; one without any block becomes a page with `start == end`."""
        start = self._length if self._page_start is None else self._page_start
        self._pages.append(Page(number=self._page_number, start=start, end=self._length))

    def finish(self, *, media_type: str, name: str, title: object = None) -> ParsedDocument:
        """The document; its title is `title` when usable, else the first heading, else the file's name.

        Raises:
            EmptySource: no block was added.
        """
        if not self._length:
            raise EmptySource("has no text in it")
        first = next((found for h in self._headings[:3] if (found := usable_title(h.title))), None)
        return ParsedDocument(
            title=usable_title(title) or first or one_line(name.rsplit(".", 1)[0]) or "untitled",
            text="".join(self._parts),
            media_type=media_type,
            pages=tuple(self._pages),
            headings=tuple(self._headings),
        )

    def _append(self, text: str, separator: str) -> int:
        if self._length:
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        if self._page_start is None:
            self._page_start = start
        self._parts.append(text)
        self._length += len(text)
        return start
