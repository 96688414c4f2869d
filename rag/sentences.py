"""Sentence boundaries with exact positions: the grain of citations.

By Punkt within lines: a line break in stored text is a boundary that the parser meant (list item, table row,
heading).
"""

from __future__ import annotations

import re

from rag.punkt import Span, punkt_spans

LONGEST = 600
"""Characters; a longer 'sentence' (a table, code, a page without stops) is cut at a space."""

_ABBREVIATIONS = frozenset(
    (
        "e.g i.e etc cf vs al fig figs eq eqs sec ch vol no nos pp p approx dr mr mrs ms prof st jr sr inc "
        "ltd co corp dept est jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k u.n a.m p.m art para "
        "ed eds"
    ).split()
)
_LINE = re.compile(r"[^\n]+")
_BULLET = re.compile(r"[ \t]*(?:[-*•‣–]|\(?\d{1,3}[.)]|\(?[a-z]\))[ \t]+")
_WORD_CHARACTER = re.compile(r"\w")


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """The (start, end) of each sentence of `text[start:end]`, in order, as offsets into `text`.

    Spans do not overlap, are stripped of white space, and hold at least one letter or digit.
    """
    spans: list[Span] = []
    for line in _LINE.finditer(text, start, len(text) if end is None else end):
        bullet = _BULLET.match(line.group())
        begin = line.start() + (bullet.end() if bullet else 0)
        for first, last in punkt_spans(text[begin : line.end()], _ABBREVIATIONS):
            spans.extend(_bounded(text, begin + first, begin + last))
    return [span for span in spans if _WORD_CHARACTER.search(text, *span)]


def _bounded(text: str, start: int, end: int) -> list[Span]:
    pieces: list[Span] = []
    while end - start > LONGEST:
        cut = text.rfind(" ", start + LONGEST // 2, start + LONGEST)
        cut = cut if cut > 0 else start + LONGEST
        pieces.append((start, cut))
        start = cut
    pieces.append((start, end))
    return [_stripped(text, *piece) for piece in pieces]


def _stripped(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
