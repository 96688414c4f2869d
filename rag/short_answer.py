"""The few words of a quoted sentence that answer the question, where that can be told.

A linear layer over what the cross-encoder sees (`rag.inner_view`) says of each token how likely the answer
begins or ends there, as the output layer of BERT does for SQuAD (Devlin et al. 2019); the model below it is
the one that scores sentences, unchanged. `bench.short_answers --fit` makes the weights.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.inner_view import InnerView, View
from rag.models import installed_path
from rag.reranking import OnnxReranker, Reranker
from rag.settings import Settings
from rag.sparse import STOPWORDS, terms
from rag.support_lexicon import FUNCTION_WORDS
from rag.support_words import language_of

if TYPE_CHECKING:
    from rag.extractive import Quote

log = logging.getLogger(__name__)

Weights = NDArray[np.float32]
"""Shape (features, 2): what a unit of each feature adds to the log-odds of beginning and of ending."""

SURE_FROM = 0.4
"""Confidence from which a short answer is shown. It is a little low: of those between this and 0.5 more than
half were right, and of those below less (docs/benchmarks.md)."""
LONGEST = 16
"""Tokens of an answer; a longer one is the sentence itself."""
TRIED = 20

# Log-odds of a span being right (an F1 of 0.5 or more): the constant, what a unit of the logarithm of the
# span's probability adds, and what one of the sentence's score (a logit) adds. Printed by
# `bench.short_answers --fit` from the half of XQuAD's articles that the weights are of, by folds of articles.
CONSTANT, BY_SPAN, BY_SENTENCE = 0.547, 0.874, 0.164

# 'Will Smith was …' begins with a name.
_WILL = r"will(?!(?: (?-i:[A-Z])[\w'’-]*)+ (?:is|was|has|had|does|did)\b)"
_CLOSED = re.compile(
    r"(?:(?:and|but|so|then|und|aber|y|pero) )?¿?(?:is|are|(?P<was>was)|were|am(?= i\b)|does|do|did|has|have"
    rf"|had|can|could|may(?! \d)|might|must|shall|should|{_WILL}|would"
    r"|ist|sind|war|waren|hat|haben|kann|können|darf|dürfen|muss|müssen|soll|sollte"
    r"|wird|werden|gibt|es|son|está|están|hay|puede|pueden|puedo|debe|deben|debo|tiene|tienen)\b"
    r"(?!.*\b(?:or|oder|o)\b)"
    # A question word at the end asks for a thing, as in 'It began when?'; 'and when?' asks for that as well.
    r"(?!.*\b(?<!and )(?<!und )(?:when|where|who|whom|what|(?:in|on|at|by|of|from|to|for|with) what \w+"
    r"|which(?: \w+)?|how (?:many|much|long|old|often|far)(?: \w+)?|wann|wo|wer|wie ?viele?(?: \w+)?"
    r"|welche[mnrs]? \w+|cuándo|dónde|quién|cuánt[oa]s?(?: \w+)?)\W*$)",
    re.IGNORECASE,
)
_GERMAN = re.compile(r"(?:\w*(?:(?<!men)t|en)|tun|.*\b(?:ich|wir|du|mir|dir|uns|euch))\b")
"""What follows a German 'was' (what): a verb, or a pronoun later on."""
_ENGLISH_ONLY = STOPWORDS - FUNCTION_WORDS["german"]
_CLAUSE = re.compile(r"[.?!;:,]\s+")
_WHOLE_SENTENCES = re.compile(
    r"\b(?:difference between|differences between|compare[ds]?|unterschied|diferencia entre"
    r"|how (?:do|can|should|would|to)|wie (?:kann|soll|muss)|cómo (?:puedo|se puede|debo)|why|warum"
    r"|por qué)\b",
    re.IGNORECASE,
)
"""Steps, comparisons and reasons take a sentence to tell."""
_RUN = re.compile(r"\S+")
_CODE = re.compile(r"[_=/\\@]|--\w|\w[.:]\w|\d,\d")
_OUTSIDE = ".,;:!?\"“”„»«'’‘…"
_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch of a sentence, how likely it is right (0 to 1), and its probability among all stretches."""

    start: int
    end: int
    confidence: float
    log_probability: float


class Reads(Protocol):
    def read(self, question: str, lead: str, passage: str) -> View: ...


class ShortAnswers:
    """Finds the words that answer within a sentence. Safe to use from several threads.

    The view is opened when it is first needed, by the thread that needs it: most services never do. Where it
    cannot be opened there are no short answers.
    """

    def __init__(self, open_view: Callable[[], Reads], weights: Weights) -> None:
        self._open_view = open_view
        self._weights = weights
        self._opening = threading.Lock()
        self._opened = False
        self._view: Reads | None = None

    @classmethod
    def of(cls, reranker: Reranker | None, settings: Settings) -> ShortAnswers | None:
        """None where the built-in cross-encoder is not in use: the weights are of its inside."""
        if not isinstance(reranker, OnnxReranker):
            return None
        name = reranker.name
        return cls(lambda: InnerView(installed_path(settings, name)), stored_weights())

    def of_quote(self, question: str, quote: Quote) -> Found | None:
        """The words of the quote, by their place in the document; None where they are not sure enough."""
        if wants_a_sentence(question):
            return None
        found = self.best(question, quote.lead, quote.text)
        if found is None or found.confidence < SURE_FROM:
            return None
        return replace(found, start=quote.start + found.start, end=quote.start + found.end)

    def best(self, question: str, lead: str, sentence: str) -> Found | None:
        """The likeliest stretch of the sentence, however unsure; None where it only repeats the question."""
        view = self._viewed()
        if view is None:
            return None
        return best_span(question, sentence, view.read(question, lead, sentence), self._weights)

    def _viewed(self) -> Reads | None:
        with self._opening:
            if not self._opened:
                self._opened = True
                try:
                    self._view = self._open_view()
                except Exception:  # onnxruntime raises many kinds; an answer is whole without its short form
                    log.exception("no short answers: the inside of the cross-encoder cannot be opened")
            return self._view


def wants_a_sentence(question: str) -> bool:
    """Whether a few words cannot answer: yes or no, steps, a comparison, a reason."""
    last = _CLAUSE.split(question.strip())[-1]
    return _closed(last) or _closed(question.strip()) or bool(_WHOLE_SENTENCES.search(question))


def best_span(question: str, sentence: str, view: View, weights: Weights) -> Found | None:
    """The likeliest span of whole words that says something the question does not."""
    if not view.tokens:
        return None
    asked = set(terms(question))
    for first, last, log_probability in _likeliest(view.features @ weights):
        start, end = whole_words(sentence, view.tokens[first][0], view.tokens[last][1])
        said = set(terms(sentence[start:end]))
        if end > start and (said - asked or not said):
            odds = CONSTANT + BY_SPAN * log_probability + BY_SENTENCE * view.score
            return Found(start, end, 1 / (1 + math.exp(-odds)), log_probability)
    return None


def whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The span widened to whole words, paths, options and numbers; punctuation around it left out."""
    while start > 0 and text[start - 1].isalnum() and text[start : start + 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1 : end].isalnum():
        end += 1
    for run in _RUN.finditer(text):
        left, right = _trimmed(text, *run.span())
        if _CODE.search(text, left, right):
            start = left if left <= start < right else start
            end = right if left < end <= right else end
    return _trimmed(text, start, end)


def stored_weights() -> Weights:
    """Those that come with the package."""
    with files("rag").joinpath("short_answer.npy").open("rb") as file:
        weights: Weights = np.load(file, allow_pickle=False).astype(np.float32)
    return weights


def _closed(clause: str) -> bool:
    """Whether it asks for yes or no."""
    found = _CLOSED.match(clause)
    if found is None or found["was"] is None:
        return found is not None
    rest = clause[found.end("was") :].strip()
    if language_of(rest) == "german":
        return False
    english = any(word.lower() in _ENGLISH_ONLY for word in re.findall(r"\w+", rest))
    return english or not _GERMAN.match(rest)


def _likeliest(scores: NDArray[np.float32]) -> Iterator[tuple[int, int, float]]:
    """Spans by falling probability: first and last token, and the logarithm of the probability."""
    begins, ends = (column - np.logaddexp.reduce(column) for column in scores.T.astype(np.float64))
    both = begins[:, None] + ends[None, :]
    place = np.arange(len(begins))
    length = place[None, :] - place[:, None]
    both[(length < 0) | (length >= LONGEST)] = -np.inf
    for flat in np.argsort(-both, axis=None)[:TRIED]:
        first, last = divmod(int(flat), len(begins))
        if both[first, last] > -np.inf:
            yield first, last, float(both[first, last])


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and (text[start].isspace() or text[start] in _OUTSIDE):
        if text[start : start + 2].strip(".").isalnum() and text[start] == ".":  # .config
            break
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in _OUTSIDE):
        end -= 1
    inside = text[start:end]
    for opening, closing in _PAIRS.items():
        if inside.startswith(opening) and closing not in inside:
            return _trimmed(text, start + 1, end)
        if inside.endswith(closing) and opening not in inside:
            return _trimmed(text, start, end - 1)
    return start, end
