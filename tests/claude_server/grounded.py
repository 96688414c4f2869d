"""The reply when none is enqueued: a reader who quotes the sentences that share the question's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .replies import Asked
from .sources import Cite, Source
from .wire import Block, Plan, text_block

NOT_FOUND = "I could not find this in the documents."
MOST_SENTENCES = 3

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[^\s].*?(?:[.!?](?=\s|$)|$)", re.MULTILINE)
_STOPWORDS = frozenset(
    """
    a about after all also am an and any are as at be been before but by can could did do does for from
    get give had has have how i if in into is it its many may me much my no not of on one or our please
    say says should so some tell than that the their them then there these they this to was we were what
    when where which who whom whose why will with would you your
    aber als am an auch auf aus bei bis das dem den der des die dies diese dieser du ein eine einem
    einen einer er es für hat haben ich ihr im in ist kann man mit nach nicht oder sie sich sind und uns
    von vor wann war warum was wie wer werden wird wir wo wozu zu zum zur über
    """.split()
)
_ENDING = re.compile(r"(?<=...)(?:ing|ed|es|en|s|e)$")
_STEM = 6
"""Letters that decide whether two words without their endings are the same."""

_NEED = 3.0
"""Shared words that always suffice; of a short question more than half, and of a single word that one."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    score: float
    text: str
    source: Source
    cite: Cite


@dataclass(frozen=True, slots=True)
class Grounded:
    """Up to three cited sentences, or `not_found_text` where no sentence fits the question."""

    not_found_text: str = NOT_FOUND
    pace: float = 0.0
    before_first: float = 0.0

    def plan(self, asked: Asked) -> Plan:
        found = _best(asked)
        blocks = list(_blocks(found)) if found else [text_block(self.not_found_text)]
        return Plan([*asked.thoughts(), *blocks], before_first=self.before_first, delay_per_chunk=self.pace)


def question(body: dict[str, Any]) -> str:
    """The last text that the user wrote."""
    for message in reversed(body["messages"]):
        if message["role"] != "user":
            continue
        if isinstance(message["content"], str):
            return str(message["content"])
        texts = [block["text"] for block in message["content"] if block["type"] == "text"]
        if texts:
            return str(texts[-1])
    return ""


def _best(asked: Asked) -> list[_Sentence]:
    words = _content_words(question(asked.body))
    if not words:
        return []
    need = min(_NEED, len(words) / 2 + 0.5)
    scored = [
        _Sentence(_score(words, text, source.title), text, source, cite)
        for source in asked.sources.items
        for text, cite in _sentences(source)
    ]
    good = sorted((one for one in scored if one.score >= need), key=lambda one: -one.score)
    return [one for one in good if one.score >= 0.75 * good[0].score][:MOST_SENTENCES]


def _score(words: set[str], sentence: str, title: str | None) -> float:
    """Shared words; a word that only the title shares counts half, and nothing on its own."""
    own = words & _content_words(sentence)
    return len(own) + 0.5 * len((words & _content_words(title or "")) - own) if own else 0.0


def _content_words(text: str) -> set[str]:
    lowered = (word.lower() for word in _WORD.findall(text))
    told = (word for word in lowered if word not in _STOPWORDS and (len(word) > 1 or word.isdigit()))
    return {_ENDING.sub("", word)[:_STEM] for word in told}


def _sentences(source: Source) -> Iterator[tuple[str, Cite]]:
    if source.by_character:
        for match in _SENTENCE.finditer(source.texts[0]):
            yield match.group(), Cite(source.index, match.start(), match.end(), source.kind)
        return
    for n, text in enumerate(source.texts):
        yield text.strip(), Cite(source.index, n, n + 1, source.kind)


def _blocks(found: list[_Sentence]) -> Iterator[Block]:
    """Each sentence in a block of its own; the space between two is a block without citations."""
    for n, one in enumerate(found):
        if n:
            yield text_block(" ")
        place = [one.source.citation(one.cite.start, one.cite.end)] if one.source.citations else []
        yield text_block(one.text, place)
