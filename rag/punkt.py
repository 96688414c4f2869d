"""Where sentences end within a line, decided as Punkt does with a list of abbreviations and no statistics.

Kiss & Strunk, Unsupervised Multilingual Sentence Boundary Detection (2006). A port of nltk's Punkt
(nltk/tokenize/punkt.py, Copyright (C) 2001-2026 NLTK Project, Apache-2.0), with the same result for text as
it is stored: to import nltk, which brings scipy along, takes seconds and 130 MB of every command that answers
a question (docs/decisions.md).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import pairwise

Span = tuple[int, int]

_CLOSING = r"[)\";}\]*:@'({\[‘’“”«»?!]"
_RUN = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_CONTEXT = re.compile(rf"[.?!](?=(?P<after>{_CLOSING}|\s+(?P<next>\S+)))")
"""What may end a sentence, with what follows it."""
_TOKEN = re.compile(
    rf"{_RUN}|(?=[^(\"`{{\[:;&#*@)}}\]\-,])\S+?(?=\s|$|{_CLOSING}|{_RUN}|,(?=$|\s|{_CLOSING}|{_RUN}))|\S"
)
_REALIGNED = re.compile(r"[\"')\]}‘’“”«»]+?(?:\s+|(?=--)|$)")
"""What belongs to the sentence before it: `(One.) Two.` is `(One.)` and `Two.`."""
_NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*\.?")
_INITIAL = re.compile(r"[^\W\d]\.")
_INNER = frozenset(";:,.!?")


def punkt_spans(line: str, abbreviations: frozenset[str]) -> Iterator[Span]:
    """The (start, end) of each sentence of a line, in order; `abbreviations` in lower case without a stop."""
    sentences = [*_cut(line, abbreviations), (len(line), len(line))]
    taken = 0
    for (start, stop), (following, end) in pairwise(sentences):
        begin = start + taken
        closing = _REALIGNED.match(line, following, end)
        taken = closing.end() - following if closing else 0
        if closing:
            yield begin, following + len(closing.group().rstrip())
        elif begin < stop:
            yield begin, stop


def _cut(line: str, abbreviations: frozenset[str]) -> Iterator[Span]:
    """The sentences before closing quotes and brackets are given to those that they close."""
    start = 0
    for match, context in _candidates(line):
        words = _TOKEN.findall(context)
        if any(_ends(word, after, abbreviations) for word, after in pairwise(words)):
            yield start, match.end()
            start = match.start("next") if match["next"] else match.end()
    yield start, len(line.rstrip())


def _candidates(line: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each stop that may end a sentence, the last of several in one word, with the word and what follows."""
    found: re.Match[str] | None = None
    start = stop = 0
    for match in _CONTEXT.finditer(line):
        blank = max(line.rfind(one, stop, match.start()) for one in string.whitespace)
        begin = blank + 1 if blank > stop else start
        if found is not None and stop <= begin:
            yield found, line[start:stop] + found.group() + found["after"]
        found, start, stop = match, begin, match.start()
    if found is not None:
        yield found, line[start:stop] + found.group() + found["after"]


def _ends(word: str, after: str, abbreviations: frozenset[str]) -> bool:
    """Whether a sentence ends with `word`, where `after` comes next."""
    if word in ("?", "!"):
        return True
    if not word.endswith(".") or word.endswith(".."):
        return False
    bare = word[:-1].lower()
    if bare in abbreviations or bare.rpartition("-")[2] in abbreviations:
        return False
    initial = _INITIAL.fullmatch(word) is not None
    if initial or _NUMBER.fullmatch(word):  # J. Bach, and the 3. of May
        return not (after in _INNER or after[0].islower() or (initial and after[0].isupper()))
    return True
