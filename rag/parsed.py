"""What a parser gives: the text of one file, with its pages, its headings and what OCR read.

All character positions are Python string offsets (Unicode code points) into that text, end exclusive. All
pages are 1-based.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from rag.scanned import ScannedPage


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a paginated document; `start == end` when no text was found on it."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading and where its line starts in the text; level 1 is the outermost."""

    level: int
    title: str
    start: int


@dataclass(frozen=True)
class ParsedDocument:
    """The text of one file, with its pages and headings; `text` is what every offset refers to.

    `scanned` has what OCR read on those pages that are pictures.
    """

    title: str
    text: str
    media_type: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    scanned: tuple[ScannedPage, ...] = ()

    @property
    def pages_without_text(self) -> tuple[int, ...]:
        return tuple(p.number for p in self.pages if not self.text[p.start : p.end].strip())

    def page_at(self, offset: int) -> int | None:
        """The page that holds the character at `offset`; None when the format has no pages."""
        index = bisect_right(self._page_starts, offset)
        return self.pages[index - 1].number if index else None

    def heading_path_at(self, offset: int) -> tuple[str, ...]:
        """The titles of the headings that enclose `offset`, outermost first."""
        index = bisect_right(self._heading_starts, offset)
        return self._heading_paths[index - 1] if index else ()

    @cached_property
    def _page_starts(self) -> list[int]:
        return [page.start for page in self.pages]

    @cached_property
    def _heading_starts(self) -> list[int]:
        return [heading.start for heading in self.headings]

    @cached_property
    def _heading_paths(self) -> list[tuple[str, ...]]:
        paths: list[tuple[str, ...]] = []
        open_headings: list[Heading] = []
        for heading in self.headings:
            while open_headings and open_headings[-1].level >= heading.level:
                open_headings.pop()
            open_headings.append(heading)
            paths.append(tuple(one.title for one in open_headings))
        return paths
