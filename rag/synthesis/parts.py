"""A long text cut into parts that a model reads one by one: at headings if it can be, never in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rag.citable import Citable, Place
from rag.synthesis.sizes import tokens_of, tokens_of_frame, tokens_of_sentence

_PARAGRAPH, _SENTENCE = 1000, 1001
"""Ranks of the cuts that are no heading; a heading's rank is its level."""
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one document: the n-th of so many. `tokens` is estimated on the safe side."""

    document: str
    number: int
    of: int
    citables: tuple[Citable, ...]
    tokens: int

    @property
    def title(self) -> str:
        return self.document if self.of == 1 else f"{self.document} > part {self.number} of {self.of}"


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One sentence: where it stands, what it costs alone, and how good a cut before it is (low is good)."""

    citable: int
    index: int
    tokens: int
    frame: int
    cut: int


def cut_into_parts(citables: Sequence[Citable], part_tokens: int) -> list[Part]:
    """Parts of at most `part_tokens` each, in order, each of one document; together they are all of the text.

    A part ends where the highest heading begins within its second half, so that no part but a document's
    last is less than half full and their number is bounded; where none does, at a paragraph, else at a
    sentence. Each citable must be of one document, and the sentences in the order of its text.
    """
    parts: list[Part] = []
    for _, of_one in groupby(citables, key=lambda one: _place(one, 0)[0].chunks[0].document_id):
        document = list(of_one)
        name = _document_name(document[0])
        pieces = [tuple(_between(document, *span)) for span in _spans(_sentences(document), part_tokens)]
        parts.extend(
            Part(name, number, len(pieces), piece, sum(tokens_of(one) for one in piece))
            for number, piece in enumerate(pieces, 1)
        )
    return parts


def _place(citable: Citable, index: int) -> Place:
    return citable.places[index][0]


def _document_name(citable: Citable) -> str:
    """A citable's title without the headings after it."""
    headings = _place(citable, 0)[0].chunks[0].headings
    return citable.title.removesuffix("".join(f" > {heading}" for heading in headings))


def _sentences(document: Sequence[Citable]) -> list[_Sentence]:
    """The sentences of one document, with the rank of the cut before each."""
    parsed = _place(document[0], 0)[0].parsed
    text, headings = parsed.text, iter(parsed.headings)
    heading = next(headings, None)
    sentences: list[_Sentence] = []
    end = 0
    for number, citable in enumerate(document):
        frame = tokens_of_frame(citable)
        for index, sentence in enumerate(citable.sentences):
            _, start, stop = _place(citable, index)
            cut = _PARAGRAPH if _BLANK_LINE.search(text, end, start) else _SENTENCE
            while heading is not None and heading.start <= start:
                cut = min(cut, heading.level)
                heading = next(headings, None)
            sentences.append(_Sentence(number, index, tokens_of_sentence(sentence), frame, cut))
            end = stop
    return sentences


def _spans(sentences: Sequence[_Sentence], most: int) -> Iterator[tuple[_Sentence, _Sentence]]:
    """The first and last sentence of each part."""
    start = 0
    while start < len(sentences):
        end = half = start
        tokens = 0
        while end < len(sentences):
            one = sentences[end]
            framed = end == start or sentences[end - 1].citable != one.citable
            tokens += one.tokens + one.frame * framed
            # A single sentence is a part however long it is: there is no smaller one.
            if tokens > most and end > start:
                break
            end += 1
            if half == start and 2 * tokens >= most:
                half = end
        if end < len(sentences):
            # The last of the best cuts: the fuller a part, the fewer there are.
            candidates = range(half if half > start else end, end + 1)
            end = min(candidates, key=lambda index: (sentences[index].cut, -index))
        yield sentences[start], sentences[end - 1]
        start = end


def _between(document: Sequence[Citable], first: _Sentence, last: _Sentence) -> Iterator[Citable]:
    for number in range(first.citable, last.citable + 1):
        citable = document[number]
        start = first.index if number == first.citable else 0
        stop = last.index + 1 if number == last.citable else len(citable.sentences)
        yield replace(citable, sentences=citable.sentences[start:stop], places=citable.places[start:stop])
