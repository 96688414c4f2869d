"""The lines of a page that was read by OCR, as the lines that pypdf would have given of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from ingest.parsing.characters import clean
from ingest.parsing.ocr_order import beside
from ingest.parsing.pdf_lines import Line
from rag.scanned import ScannedLine, ScannedPage

FONT = 0.8
"""Height of a font as part of its box; sizes are only compared with each other."""
LIKE_BODY = 0.2
"""How far a box may be higher or lower than the usual one in the same font, as letters differ in height."""
_HEADING = re.compile(
    r"(?:(?:chapter|section|part|item|article|appendix|annex|kapitel|anhang|chapitre)\s+[\dA-Z]|\d{1,2}(?:\.\d{1,2})+\.?\s)",
    re.IGNORECASE,
)
CELL = 1.5
"""Heights of a line that part two cells of a row; what is nearer is one text."""


def lines_of(page: ScannedPage) -> list[Line]:
    """The lines, from top to bottom of each column, with sizes that tell headings from body text."""
    if not page.lines:
        return []
    body = median(line.bottom - line.top for line in page.lines)
    lines: list[Line] = []
    for row in _rows(page.lines):
        height = max(line.bottom - line.top for line in row)
        usual = abs(height - body) <= LIKE_BODY * body
        lines.append(
            Line(
                x=row[0].left + page.width / 2,
                y=page.height / 2 - max(line.bottom for line in row),
                size=round(FONT * (body if usual else height) * 2) / 2 or 0.5,
                cells=_cells(row),
                bold=_may_be_heading(" ".join(line.text for line in row)),
            )
        )
    return [line for line in lines if line.cells]


def _rows(lines: Sequence[ScannedLine]) -> list[list[ScannedLine]]:
    """Lines that follow each other at one height."""
    found: list[list[ScannedLine]] = []
    for line in lines:
        if found and beside(found[-1][-1], line) and line.left > found[-1][-1].left:
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _may_be_heading(text: str) -> bool:
    """Whether a line is taken for bold, which OCR does not tell: by its number, or its capitals."""
    return bool(_HEADING.match(text)) or (text.isupper() and sum(map(str.isalpha, text)) > 3)


def _cells(row: Sequence[ScannedLine]) -> list[str]:
    cells: list[str] = []
    end = 0.0
    for line in row:
        text = " ".join(clean(line.text).split())
        if not text:
            continue
        if cells and line.left - end < CELL * (line.bottom - line.top):
            cells[-1] = f"{cells[-1]} {text}"
        else:
            cells.append(text)
        end = line.right
    return cells
