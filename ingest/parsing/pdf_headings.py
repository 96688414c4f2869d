"""Headings of a PDF: its bookmarks found again on their pages, else lines that stand out by their font."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from ingest.parsing.pdf_lines import Line

_LONGEST = 150
_MAX_LINES = 4
_NUMBERING = re.compile(
    r"^(?:(?:chapter|appendix|part|section|annex|kapitel|anhang|chapitre)\s+)?"
    r"(?:\d{1,3}|[ivxlc]{1,6}|[a-z])?(?:\.\d{1,3}){0,6}[.:)]?\s+"
)
_NUMBERED = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,5}\.?\s")
_NOT_WORD = re.compile(r"[\W_]+")
_SENTENCE_END = re.compile(r"[.,;:!]$")
_LEADERS = re.compile(r"(?:\.\s?){4,}|…")
_LETTERS = re.compile(r"[^\W\d_]{2}")


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A bookmark: its title, the page it leads to (from 0), its nesting (from 1)."""

    title: str
    page: int
    level: int


def mark_headings(pages: list[list[Line]], outline: list[OutlineEntry]) -> None:
    """Set `heading` and `level` on the lines that are headings, in place.

    Bookmarks are the author's own word. Fonts are a guess, made only where bookmarks say next to nothing.
    """
    found = _mark_outline(pages, outline)
    if found < 3 and found * 2 <= len(outline):
        _mark_by_font(pages, first_number=found)


def title_by_font(pages: list[list[Line]]) -> str | None:
    """The largest words on the first page that has text, when they stand out from the body."""
    first = next((lines for lines in pages if lines), [])
    sizes = Counter[float]()
    for line in (line for lines in pages for line in lines):
        sizes[line.size] += len(line.text)
    if not first or not sizes:
        return None
    largest = max(line.size for line in first)
    start = next(index for index, line in enumerate(first) if line.size == largest)
    lines = [first[start]]
    for line in first[start + 1 :]:
        if not _continues(lines[-1], line):
            break
        lines.append(line)
    title = " ".join(line.text for line in lines)
    body = sizes.most_common(1)[0][0]
    stands_out = largest >= 1.3 * body and len(lines) <= _MAX_LINES and len(title) <= _LONGEST
    return title if stands_out and _LETTERS.search(title) else None


def _mark_outline(pages: list[list[Line]], outline: list[OutlineEntry]) -> int:
    number = 0
    keys: dict[int, list[str]] = {}
    for entry in outline:
        if entry.page >= len(pages):
            continue
        lines = pages[entry.page]
        if entry.page not in keys:
            keys[entry.page] = [_key(line.text) for line in lines]
        window = _find(lines, keys[entry.page], entry.title)
        if window is None:
            continue
        for line in lines[window[0] : window[1]]:
            line.heading, line.level = number, entry.level
        number += 1
    return number


def _key(text: str) -> str:
    return _NOT_WORD.sub("", text.casefold())


def _bare(text: str) -> str:
    return _key(_NUMBERING.sub("", text.casefold(), count=1))


def _find(lines: list[Line], keys: list[str], title: str) -> tuple[int, int] | None:
    """The lines that say exactly the title, not yet taken; else the same but for the numbering."""
    whole, bare = _key(title), _bare(title)
    if not whole:
        return None
    near: tuple[int, int] | None = None
    for start in range(len(lines)):
        joined = ""
        for end in range(start, min(start + _MAX_LINES, len(lines))):
            if lines[end].heading is not None:
                break
            joined += keys[end]
            if joined == whole:
                return start, end + 1
            if len(joined) > len(whole) + 20:
                break
            if near is None and bare and joined.endswith(bare):
                window = " ".join(line.text for line in lines[start : end + 1])
                if _bare(window) == bare:
                    near = start, end + 1
    return near


def _mark_by_font(pages: list[list[Line]], first_number: int) -> None:
    sizes: Counter[float] = Counter()
    bold_letters = letters = 0
    for lines in pages:
        for line in lines:
            count = len(line.text)
            letters += count
            bold_letters += count if line.bold else 0
            if not line.mono:
                sizes[line.size] += count
    if not sizes:
        return
    body = sizes.most_common(1)[0][0]
    larger = _larger_sizes(sizes, body, letters)
    # Where much is bold, bold does not mean a heading.
    bold_counts = bold_letters * 5 < letters
    levels = {size: min(level, 5) for level, size in enumerate(sorted(larger, reverse=True), start=1)}
    number = first_number
    for lines in pages:
        previous: Line | None = None
        for index, line in enumerate(lines):
            level = _level(lines, index, body, levels, bold_counts=bold_counts)
            if level is None or line.heading is not None:
                previous = None
                continue
            if previous is None or previous.level != level or not _continues(previous, line):
                number += 1
            line.heading, line.level = number, level
            previous = line


def _continues(above: Line, line: Line) -> bool:
    """Whether two large lines are one heading: close together, and no number begins the second."""
    close = 0 < above.y - line.y < 1.5 * line.size
    return above.size == line.size and close and not _NUMBERED.match(line.text)


def _larger_sizes(sizes: Counter[float], body: float, letters: int) -> set[float]:
    """The font sizes of headings: clearly larger than the body, and together a small part of the text."""
    larger = {size for size in sizes if size >= body * 1.15}
    return larger if sum(sizes[size] for size in larger) * 5 < letters else set()


def _level(
    lines: list[Line], index: int, body: float, levels: dict[float, int], *, bold_counts: bool
) -> int | None:
    line = lines[index]
    text = line.text
    if (
        line.mono
        or len(line.cells) > 2
        or len(text) > _LONGEST
        or not _LETTERS.search(text)
        or _LEADERS.search(text)
    ):
        return None
    if line.size in levels:
        return levels[line.size]
    if not (bold_counts and line.bold and line.size >= body * 0.95):
        return None
    if len(text) > 80 or _SENTENCE_END.search(text) or not (text[0].isupper() or text[0].isdigit()):
        return None
    # A bold line is a heading when it stands off from the line above and ordinary text follows below.
    above = lines[index - 1] if index else None
    below = lines[index + 1] if index + 1 < len(lines) else None
    if above is not None and 0 < above.y - line.y < 1.5 * line.size:
        return None
    if below is None or below.bold or not 0 < line.y - below.y < 5 * line.size:
        return None
    return len(levels) + 1
