"""Hard-wrapped plain text made whole again: a paragraph on one line, as every other format gives it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_BULLET = re.compile(r"\s*(?:[-*•+]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)")
_COLUMNS = re.compile(r"\S\s{3,}\S")
_NARROWEST, _WIDEST = 55, 120
_SLACK = 2
_RAGGED = 14


def wrap_width(lines: Sequence[str]) -> int | None:
    """The column at which the text was wrapped; None for one that was not, such as a log.

    A wrapped text has a sharp right edge: of the lines that go on in the next, most come near it. The few
    lines beyond it are long words and tables.
    """
    lengths = sorted(len(line) for line in lines if line)
    if not lengths:
        return None
    width = lengths[min(len(lengths) - 1, int(len(lengths) * 0.98))]
    going_on = [len(line) for line, after in pairwise(lines) if after and len(line) > width / 2]
    near = sum(length > width - _RAGGED for length in going_on)
    return width if _NARROWEST <= width <= _WIDEST and near * 2 > len(going_on) else None


def unwrapped(block: Sequence[str], width: int | None) -> str:
    """The lines of a block, those joined whose break was forced: the next word would not have fitted."""
    if width is None or not block:
        return "\n".join(block)
    longest = max(len(line) for line in block)
    if len(block) >= 3 and width - _RAGGED < longest < width:
        width = longest  # paragraphs of one text may be wrapped at slightly different columns
    joined, last, starts = [block[0]], block[0], _starts(block[0])
    for line in block[1:]:
        forced = len(last) + 1 + len(line.split()[0]) > width - _SLACK
        in_place = _indent(line) in starts and not _BULLET.match(line)
        if forced and in_place and not _COLUMNS.search(last) and not _COLUMNS.search(line):
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
            starts = _starts(line)
        last = line
    return "\n".join(joined)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _starts(line: str) -> set[int]:
    """The columns at which a paragraph that begins with `line` may go on."""
    bullet = _BULLET.match(line)
    indent = _indent(line)
    return {bullet.end()} if bullet else {indent, 0} if indent <= 4 else {indent}
