"""Boxes of text in the order in which one reads them: columns one after the other, rows of a table whole."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal

import numpy as np

from rag.scanned import ScannedLine

PROSE = 25
"""Letters of a usual line of a column; what is shorter on one side is a table, which is read row by row."""
FEWEST = 4
"""Lines on each side of the gap between two columns."""
CROSSING = 0.25
"""Part of the lines that may run across the gap: titles, footnotes."""
OVERHANG = 0.1
"""Part of a line that may hang over the gap."""


def in_reading_order(lines: Sequence[ScannedLine]) -> list[ScannedLine]:
    """The lines from top to bottom; where two columns stand side by side, the left one first.

    Lines across the gap part what stands above them from what stands below.
    """
    gap = _gap(lines)
    if gap is None:
        return [line for row in rows(lines) for line in row]
    ordered: list[ScannedLine] = []
    left: list[ScannedLine] = []
    right: list[ScannedLine] = []

    def end_band() -> None:
        ordered.extend((*in_reading_order(left), *in_reading_order(right)))
        left.clear()
        right.clear()

    for line in sorted(lines, key=lambda one: one.top):
        match _side(line, gap):
            case "left":
                left.append(line)
            case "right":
                right.append(line)
            case "both":
                end_band()
                ordered.append(line)
    end_band()
    return ordered


def rows(lines: Sequence[ScannedLine]) -> list[list[ScannedLine]]:
    """Lines at one height, from left to right; the rows from top to bottom."""
    found: list[list[ScannedLine]] = []
    for line in sorted(lines, key=lambda one: one.top + one.bottom):
        if found and beside(found[-1][0], line):
            found[-1].append(line)
        else:
            found.append([line])
    return [sorted(row, key=lambda one: one.left) for row in found]


def beside(one: ScannedLine, other: ScannedLine) -> bool:
    """Whether two boxes stand at one height: more than half of the lower one's height is common."""
    common = min(one.bottom, other.bottom) - max(one.top, other.top)
    return common > 0.5 * min(one.bottom - one.top, other.bottom - other.top)


def _gap(lines: Sequence[ScannedLine]) -> float | None:
    """Where a page of columns is best cut in two, from left to right; None for one column, or a table."""
    if len(lines) < 2 * FEWEST:
        return None
    best: tuple[int, float] | None = None
    starts, ends = np.array([line.left for line in lines]), np.array([line.right for line in lines])
    for at in np.unique(np.round(starts - 0.5, 1)).tolist():
        if min(np.sum(ends <= at), np.sum(starts >= at)) < FEWEST:
            continue
        sides = [_side(line, at) for line in lines]
        left = [line for line, side in zip(lines, sides, strict=True) if side == "left"]
        right = [line for line, side in zip(lines, sides, strict=True) if side == "right"]
        crossing = len(lines) - len(left) - len(right)
        if crossing > CROSSING * len(lines) or (best is not None and crossing >= best[0]):
            continue
        if min(_usual(left), _usual(right)) >= PROSE and _side_by_side(left, right):
            best = crossing, at
    return best[1] if best else None


def _side(line: ScannedLine, at: float) -> Literal["left", "right", "both"]:
    """Where most of a line stands; on both sides when it goes on clearly, not when a letter hangs over."""
    if min(line.right - at, at - line.left) > OVERHANG * (line.right - line.left):
        return "both"
    return "left" if line.left + line.right < 2 * at else "right"


def _usual(lines: Sequence[ScannedLine]) -> float:
    return median(len(line.text) for line in lines)


def _side_by_side(left: Sequence[ScannedLine], right: Sequence[ScannedLine]) -> bool:
    """Whether both stand at the same heights, at least for half of the lower one."""

    def span(lines: Sequence[ScannedLine]) -> tuple[float, float]:
        return min(line.top for line in lines), max(line.bottom for line in lines)

    (top, bottom), (other_top, other_bottom) = span(left), span(right)
    common = min(bottom, other_bottom) - max(top, other_top)
    return common > 0.5 * min(bottom - top, other_bottom - other_top)
