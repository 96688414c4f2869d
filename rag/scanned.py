"""What OCR read on the picture of a page: lines, and where on the page each of them stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ScannedLine:
    """A line, or a cell of a table: its text and its box, in points from the middle of the upright page."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """One page that OCR looked at; `lines` are in the order in which one reads them, none on a blank page.

    `width` and `height` are those of the page as it is shown, in points. `turn` is by how many degrees,
    clockwise, it had to be turned about its middle to stand upright: a quarter of a circle where it lies on
    its side, a part of a degree where it went into the scanner crookedly.
    """

    number: int
    width: float
    height: float
    turn: float
    lines: tuple[ScannedLine, ...]

    def shown(self, x: float, y: float) -> tuple[float, float]:
        """A point of the upright page, as fractions of the page as it is shown, from its top left."""
        x, y = turned(x, y, -self.turn)
        return x / self.width + 0.5, y / self.height + 0.5


def turned(x: float, y: float, degrees: float) -> tuple[float, float]:
    """A point turned clockwise about the origin; `y` grows downwards."""
    angle = math.radians(degrees)
    sine, cosine = math.sin(angle), math.cos(angle)
    return x * cosine - y * sine, x * sine + y * cosine


def scanned_page_of(stored: Mapping[str, Any]) -> ScannedPage:
    """The page that `dataclasses.asdict` made this of.

    Raises:
        LookupError, TypeError: it did not.
    """
    lines = tuple(ScannedLine(**line) for line in stored["lines"])
    return ScannedPage(**{**stored, "lines": lines})
