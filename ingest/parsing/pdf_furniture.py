"""Running heads, footers and page numbers: what repeats at the same place is not part of the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ingest.parsing.pdf_lines import Line

MIN_PAGES = 4
SHARE = 0.6
_DEPTH = 3  # how many lines from the top and from the bottom may be furniture

_DIGITS = re.compile(r"\d+")
_ROMAN = re.compile(r"\b[ivxlc]{1,7}\b")
_EDGE_NUMBER = re.compile(r"^\W{0,3}(\d{1,5})(?:\s|\W*$)|(?:^|\s)(\d{1,5})\W{0,3}$")

_Key = tuple[str, int, str]


def remove_furniture(pages: list[list[Line]]) -> None:
    """Take running lines out of `pages`, in place.

    A line goes when the same words (numbers aside) stand at the same height on 60 % of the pages, or of the
    even or the odd ones, or when a number at its end counts the pages: never on fewer than four pages.
    """
    with_text = [index for index, lines in enumerate(pages) if lines]
    if len(with_text) < MIN_PAGES:
        return
    running = _frequent(pages, with_text)
    for parity in (0, 1):
        running |= _frequent(pages, [index for index in with_text if index % 2 == parity])
    for index in with_text:
        edges = {id(line): keys for line, keys in _edge_keys(pages[index], index)}
        kept = [line for line in pages[index] if not running.intersection(edges.get(id(line), ()))]
        # A page that holds nothing else keeps its lines: a title page of a few words is text.
        if kept or all(_DIGITS.sub("", line.text).strip(" .-–—") == "" for line in pages[index]):
            pages[index][:] = kept


def _frequent(pages: list[list[Line]], indices: list[int]) -> set[_Key]:
    counts: Counter[_Key] = Counter()
    for index in indices:
        counts.update({key for _, keys in _edge_keys(pages[index], index) for key in keys})
    needed = max(MIN_PAGES, SHARE * len(indices))
    return {key for key, count in counts.items() if count >= needed}


def _edge_keys(lines: list[Line], index: int) -> Iterable[tuple[Line, set[_Key]]]:
    """The lines at the top and the bottom of a page, with what they would have to repeat."""
    by_height = sorted(lines, key=lambda line: -line.y)
    edge = {id(line): line for line in by_height[:_DEPTH] + by_height[-_DEPTH:]}
    for line in edge.values():
        text = line.text.casefold()
        if len(text) > 150:
            continue
        words = _ROMAN.sub("#", _DIGITS.sub("#", text))
        number = _EDGE_NUMBER.search(text)
        # Heights differ by a hair between pages, so each line counts for two overlapping bands.
        keys: set[_Key] = set()
        for band in (int(line.y // 6), int((line.y + 3) // 6) + 100_000):
            keys.add(("words", band, words))
            if number:
                keys.add(("counts", band, str(int(number[1] or number[2]) - index)))
        yield line, keys
