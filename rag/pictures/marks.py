"""Where a passage of the stored text stands on the picture of its page.

The stored text is pypdf's, put in order by our parser; PDFium reads the same page in its own way: other
spaces, other hyphens, other ligatures, sometimes another order. What both agree on are letters and digits, so
these alone are compared: as one run, and where that is not found, piece by piece.
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel

MOST_PLACES = 500
"""Of one passage on a page; more of them say nothing about which is meant."""
MOST_SEEDS = 50
SEED = 8
"""Letters that must agree before two texts are taken to say the same."""
LONG = 24
"""Letters in a row that say the same wherever they stand; shorter runs count near the longest only."""
ENOUGH = 0.5
"""Part of the passage's letters that must be found before anything is marked."""
CLOSE_GAP = 24
"""Letters between two runs that are marked with them: what the two readers see differently."""


class Rectangle(BaseModel):
    """A part of the page, in fractions of its width and height from the top left."""

    left: float
    top: float
    width: float
    height: float


class Marks(BaseModel):
    """The passage on one page: a rectangle for each line. `exact` is false when it was found in part."""

    page: int
    width: float
    height: float
    rectangles: list[Rectangle]
    exact: bool


@dataclass(frozen=True, slots=True)
class Letters:
    """A page as PDFium or OCR reads it: codes, and for each left, top, right, bottom as fractions."""

    width: float
    height: float
    codes: array[int]
    boxes: array[float]


def find_marks(letters: Letters, number: int, text: str, start: int, end: int) -> Marks:
    """The rectangles of `text[start:end]` on page `number`, whose whole stored text is `text`."""
    page = [_letter(code) for code in letters.codes]
    ranges, exact = _found(page, text, start, end) if start < end else ([], False)
    rectangles = [one for first, last in ranges for one in _lines(letters, first, last)]
    return Marks(
        page=number,
        width=letters.width,
        height=letters.height,
        rectangles=rectangles,
        exact=exact and bool(rectangles),
    )


# ---------------------------------------------------------------- finding the letters

Ranges = list[tuple[int, int]]
"""Letters of the page, by number, end exclusive."""


def _found(page: list[str], text: str, start: int, end: int) -> tuple[Ranges, bool]:
    shown, shown_at = _compared(page)
    stored, stored_at = _compared(text)
    first, last = bisect_left(stored_at, start), bisect_left(stored_at, end)
    wanted = stored[first:last]
    if not wanted:
        return [], False
    place = _place(shown, stored, wanted, first)
    if place is None:
        runs = _in_pieces(shown, wanted, first / len(stored))
        return [(shown_at[begin], shown_at[after - 1] + 1) for begin, after in runs], False
    begin, after = shown_at[place], shown_at[place + len(wanted) - 1] + 1
    before, behind = text[start : stored_at[first]], text[stored_at[last - 1] + 1 : end]
    return [_with_signs(page, begin, after, before, behind)], True


def _compared(text: Iterable[str]) -> tuple[str, list[int]]:
    """The letters and digits alone, in their plainest form, and which character each comes from."""
    kept: list[str] = []
    origin: list[int] = []
    for at, character in enumerate(text):
        plain = _plain(character)
        kept.append(plain)
        origin.extend([at] * len(plain))
    return "".join(kept), origin


@lru_cache(maxsize=10_000)
def _plain(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    return "".join(one for one in decomposed if one.isalnum())


def _letter(code: int) -> str:
    return chr(code) if code < 0x110000 else "\ufffd"


def _place(shown: str, stored: str, wanted: str, first: int) -> int | None:
    """Where the wanted letters begin; of several places, the one in the same turn, or the nearest."""
    places = _places(shown, wanted)
    if len(places) < 2:
        return places[0] if places else None
    turns = _places(stored, wanted)
    if len(turns) == len(places) and first in turns:
        return places[turns.index(first)]
    return min(places, key=lambda place: abs(place / len(shown) - first / len(stored)))


def _places(text: str, wanted: str) -> list[int]:
    places: list[int] = []
    at = text.find(wanted)
    while at >= 0 and len(places) < MOST_PLACES:
        places.append(at)
        at = text.find(wanted, at + 1)
    return places


def _with_signs(page: list[str], begin: int, after: int, before: str, behind: str) -> tuple[int, int]:
    """The found letters with the quotation marks, brackets and full stops of the passage around them."""
    for sign in reversed(_signs(before)):
        if begin and page[begin - 1] == sign:
            begin -= 1
    for sign in _signs(behind):
        if after < len(page) and page[after] == sign:
            after += 1
    return begin, after


def _signs(text: str) -> list[str]:
    return [character for character in text if not character.isspace()]


def _in_pieces(shown: str, wanted: str, expected: float) -> list[tuple[int, int]]:
    """The runs of the page that hold the wanted letters piece by piece; none when they hold too few.

    Pieces may stand in another order than in the passage, as columns do.
    """
    seeds: defaultdict[str, list[int]] = defaultdict(list)
    for at in range(len(shown) - SEED + 1):
        if len(places := seeds[shown[at : at + SEED]]) < MOST_SEEDS:
            places.append(at)
    runs: list[tuple[int, int]] = []
    cursor = expected * len(shown)
    done = 0
    while done <= len(wanted) - SEED:
        places = seeds.get(wanted[done : done + SEED], [])
        if not places:
            done += 1
            continue
        reach = [(_agreeing(wanted, done, shown, at), at) for at in places]
        length, at = max(reach, key=lambda one: (one[0], -abs(one[1] - cursor)))
        runs.append((at, at + length))
        done += length
        cursor = at + length
    return _joined(_near(runs, len(wanted)), len(wanted))


def _agreeing(wanted: str, done: int, shown: str, at: int) -> int:
    """How many letters from there on are the same; the seed's are known to be."""
    most = min(len(wanted) - done, len(shown) - at)
    length = SEED
    while length < most and wanted[done + length] == shown[at + length]:
        length += 1
    return length


def _near(runs: list[tuple[int, int]], letters: int) -> list[tuple[int, int]]:
    """The runs without the short ones that stand far from the longest: common words, not the passage."""
    longest = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    return [
        run
        for run in runs
        if run[1] - run[0] >= LONG or (run[0] < longest[1] + letters and run[1] > longest[0] - letters)
    ]


def _joined(runs: list[tuple[int, int]], letters: int) -> list[tuple[int, int]]:
    """The runs in the order of the page, those that all but touch made one; none when they are too little."""
    joined: list[tuple[int, int]] = []
    for begin, after in sorted(runs):
        if joined and begin - joined[-1][1] <= CLOSE_GAP:
            joined[-1] = (joined[-1][0], max(after, joined[-1][1]))
        else:
            joined.append((begin, after))
    return joined if sum(after - begin for begin, after in runs) >= ENOUGH * letters else []


# ---------------------------------------------------------------- from letters to lines

Box = tuple[float, float, float, float]


def _lines(letters: Letters, first: int, last: int) -> list[Rectangle]:
    """One rectangle for each line that the letters stand in; columns and cells stay apart."""
    lines: list[Box] = []
    for at in range(first, last):
        box = _box(letters, at)
        if box is None:
            continue
        if lines and _goes_on(lines[-1], box):
            lines[-1] = _around(lines[-1], box)
        else:
            lines.append(box)
    return [
        Rectangle(
            left=round(left, 5),
            top=round(top, 5),
            width=round(right - left, 5),
            height=round(bottom - top, 5),
        )
        for left, top, right, bottom in lines
    ]


def _box(letters: Letters, at: int) -> Box | None:
    """Where a letter stands on the page; None for what is not seen."""
    if _letter(letters.codes[at]).isspace():
        return None
    box = letters.boxes[4 * at : 4 * at + 4]
    if not all(math.isfinite(side) for side in box):
        return None
    left, top, right, bottom = (min(max(side, 0.0), 1.0) for side in box)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _goes_on(line: Box, box: Box) -> bool:
    """Whether a letter stands in the line: at its height, and no further off than a wide space."""
    left, top, right, bottom = box
    height = min(bottom - top, line[3] - line[1])
    beside = max(left - line[2], line[0] - right)
    return min(bottom, line[3]) - max(top, line[1]) > 0.5 * height and beside < 3 * (bottom - top)


def _around(line: Box, box: Box) -> Box:
    return min(line[0], box[0]), min(line[1], box[1]), max(line[2], box[2]), max(line[3], box[3])
