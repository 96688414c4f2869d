"""From pypdf's text fragments to the lines a reader sees, with what is known of their look."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.parsing.characters import clean

_BOLD = re.compile(r"bold|black|heavy|demi|CMBX|SFBX|LMRoman\d+-Bold|-B$", re.IGNORECASE)
_MONO = re.compile(r"mono|courier|consol|CMTT|SFTT|typewriter|NimbusMon|menlo|fixed|-tt", re.IGNORECASE)
# Bullets as symbol fonts encode them; WinAnsi gives every unused code to the bullet (PDF 32000-1, D.2).
_BULLETS = str.maketrans(dict.fromkeys("\x7f\uf0b7\uf0a7\uf0d8\uf076\uf02d\uf06c\uf06e", "•"))
_RUN = re.compile(r"[ \t]+")
# Text width is not known; an average letter is about half as wide as its font is high.
_LETTER_WIDTH = 0.55
_CELL_GAP = 0.9


@dataclass(slots=True)
class Line:
    """One line of a page; `y` grows upwards, `size` is the height of the font on the page."""

    x: float
    y: float
    size: float
    cells: list[str] = field(default_factory=list)
    bold: bool = False
    mono: bool = False
    heading: int | None = None  # which heading of the document this line belongs to
    level: int = 0

    @property
    def text(self) -> str:
        return " ".join(self.cells)


@dataclass(slots=True)
class _Open:
    """The line being gathered: its cells so far, where it ends, and how many letters look how."""

    x: float
    y: float
    end: float
    cells: list[list[str]] = field(default_factory=lambda: [[]])
    sizes: dict[float, int] = field(default_factory=dict)
    letters: int = 0
    bold: int = 0
    mono: int = 0


class LineCollector:
    """The `visitor_text` of one page.

    pypdf breaks a line wherever the drawing position moves, also between the cells of a table row, so
    the lines are put together again by their baselines.
    """

    def __init__(self) -> None:
        self._lines: list[_Open] = []
        self._broken = True
        self._fonts: dict[int, tuple[bool, bool]] = {}
        self._last: tuple[str, float, float] = ("", 0.0, 0.0)

    def take(self, text: str, cm: Sequence[float], tm: Sequence[float], font: Any, font_size: float) -> None:
        """One fragment, with its matrices as pypdf reports them (PDF 32000-1, 9.4.2)."""
        if not text:
            return
        if not text.strip():
            self._broken = self._broken or "\n" in text
            if self._lines and not self._broken:
                self._lines[-1].cells[-1].append(" ")
            return
        x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
        y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        height = abs(font_size) * math.hypot(tm[2] * cm[0] + tm[3] * cm[2], tm[2] * cm[1] + tm[3] * cm[3])
        size = round(height * 2) / 2 or 1.0
        if not all(map(math.isfinite, (x, y, size))):
            x, y, size = 0.0, 0.0, 1.0
        # Some programs draw text twice, a hair apart, to make it bold.
        if text.strip() == self._last[0] and abs(x - self._last[1]) < 1 and abs(y - self._last[2]) < 1:
            self._broken = self._broken or text.endswith("\n")
            return
        self._last = (text.strip(), x, y)
        for number, part in enumerate(text.strip("\n").split("\n")):
            if part.strip():
                self._place(part, x, y - number * size * 1.2, size, self._looks(font))
            self._broken = True
        self._broken = text.endswith("\n")

    def lines(self) -> list[Line]:
        """The lines in the order in which they were drawn; none when the letters could not be decoded."""
        lines = [line for gathered in self._lines if (line := _finished(gathered)).cells]
        letters = sum(len(line.text) for line in lines)
        undecoded = sum(line.text.count("\ufffd") for line in lines)
        return [] if undecoded * 3 > letters else lines

    def _place(self, text: str, x: float, y: float, size: float, looks: tuple[bool, bool]) -> None:
        width = len(text.strip()) * _LETTER_WIDTH * size
        current = self._lines[-1] if self._lines else None
        same_line = current is not None and (
            not self._broken or (abs(y - current.y) < 0.3 * size and x > current.x + size)
        )
        if current is None or not same_line:
            current = _Open(x=x, y=y, end=x + width, cells=[[text]])
            self._lines.append(current)
        else:
            if x > current.end + _CELL_GAP * size:
                current.cells.append([text])
            else:
                current.cells[-1].extend([" ", text] if self._broken else [text])
            # A fragment after a change of font is reported at the place where its line began.
            current.end = max(current.end, x + width) if x > current.x else current.end + width
        letters = len(text.strip())
        current.letters += letters
        current.sizes[size] = current.sizes.get(size, 0) + letters
        current.bold += letters * looks[0]
        current.mono += letters * looks[1]

    def _looks(self, font: Any) -> tuple[bool, bool]:
        key = id(font)
        if key not in self._fonts:
            name = str(font.get("/BaseFont", "")) if hasattr(font, "get") else ""
            self._fonts[key] = bool(_BOLD.search(name)), bool(_MONO.search(name))
        return self._fonts[key]


def _finished(gathered: _Open) -> Line:
    mono = gathered.mono * 10 > gathered.letters * 9
    cells = []
    for parts in gathered.cells:
        text = clean("".join(parts).translate(_BULLETS)).replace("\n", " ")
        text = text.rstrip() if mono else _RUN.sub(" ", text).strip()
        if text.strip():
            cells.append(text)
    size = max(gathered.sizes.items(), key=lambda item: item[1])[0]
    bold = gathered.bold * 10 > gathered.letters * 9
    return Line(x=gathered.x, y=gathered.y, size=size, cells=cells, bold=bold, mono=mono)
