"""Whether the passages found can hold the answer, judged before any token is bought.

A logistic model over four signals that are there after reranking, so it costs microseconds. It is fitted to
the built-in models' scores: another reranker's logits or embedder's cosines mean something else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rag.documents import Hit
from rag.sparse import terms

Verdict = Literal["enough", "doubtful", "none"]

NONE_BELOW = 0.14
"""Refuse only where the answer is six times as likely not to be there: a precision of 0.8 is wanted."""
ENOUGH_FROM = 0.5
"""More likely there than not."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Log-odds that the passages hold the answer: the constant, and what one unit of a signal adds.

    `relevance` is the best logit, `similarity` the cosine of the same passage, or the best where there are no
    logits. `closed` is for a question that wants yes or no: passages on its subject score high though none
    asserts or denies it. `amount` is for one that wants a number: much is described without its numbers.
    """

    constant: float
    relevance: float = 0.0
    similarity: float = 0.0
    closed: float = 0.0
    amount: float = 0.0


# Keyed by whether there is a logit, and a cosine. Printed by `bench.abstain --fit` from 382 questions of
# MTRAG-UN (97 unanswerable, told by people) and 539 of XQuAD, each with its paragraph and without. Every
# corpus counts the same, and so do both answers. data/questions.jsonl was never fitted to. What else was
# tried adds nothing that holds on both: how much of the question is covered, words and names that no passage
# has, further logits and cosines, scores of sentences, whether the kind of answer wanted is there.
WEIGHTS: dict[tuple[bool, bool], Weights] = {
    (True, True): Weights(-5.225, relevance=0.288, similarity=8.556, closed=-1.243, amount=-1.213),
    (True, False): Weights(0.602, relevance=0.372, closed=-1.133, amount=-1.118),
    (False, True): Weights(-13.670, similarity=20.857, closed=-1.457, amount=-1.292),
}
FITTED_TO = "bge-small-en-v1.5"
"""The embedding model whose cosines the weights are of; those of others are not judged by."""


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """What the evidence is worth.

    `probability` is of the passages holding the answer, where half of all questions have one. `none`: answer
    'not found' and spend nothing; `doubtful`: whole documents may hold what passages do not. `reason` is one
    sentence for the reader.
    """

    probability: float
    verdict: Verdict
    reason: str


def assess(question: str, hits: Sequence[Hit], embedding_model: str = FITTED_TO) -> Sufficiency:
    """Judge what was found for a question that stands alone.

    Without reranking and without search by meaning, or with an embedding model that the weights are not
    fitted to, nothing was measured, and the evidence counts as doubtful.
    """
    if not hits:
        return Sufficiency(0.0, "none", "No passage was found.")
    probability = _probability(signals(question, hits, embedding_model))
    if probability >= ENOUGH_FROM:
        return Sufficiency(probability, "enough", "The passages found fit the question.")
    absent = _absent_name(question, hits)
    says_nothing = f", and none of them mentions “{absent}”" if absent else ""
    if probability >= NONE_BELOW:
        reason = f"The passages found may not hold the answer{says_nothing}."
        return Sufficiency(probability, "doubtful", reason)
    reason = f"No passage comes near enough to hold the answer{says_nothing}."
    return Sufficiency(probability, "none", reason)


@dataclass(frozen=True, slots=True)
class Signals:
    """What the model is given; None is what was not measured."""

    relevance: float | None
    similarity: float | None
    closed: bool
    amount: bool


_CLOSED = re.compile(
    r"^\W*((so|and|but|ok|okay|then|also)\b\W*)?(is|are|was|were|do|does|did|can|could|will|would|should|has|have"
    r"|had|may|might|must|am|(is|are|was|do|does|did|ca|wo|should|has)n['’]t)\b",
    re.I,
)
_AMOUNT = re.compile(
    r"\bhow\s+(many|much|long|old|far|big|large|high|tall|often|fast|deep|wide)\b"
    r"|\b(what|which)\s+(percent|percentage|number|amount|year|date|time|size|price|cost|rate|fee)\b"
    r"|\b(cost|price|population)\b",
    re.I,
)


def signals(question: str, hits: Sequence[Hit], embedding_model: str = FITTED_TO) -> Signals:
    """The signals of a question and what was found for it."""
    ranked = [hit for hit in hits if hit.relevance is not None]
    best = max(ranked, key=lambda hit: hit.relevance or 0.0, default=None)
    near: Sequence[Hit] = hits if best is None else [best]
    if embedding_model != FITTED_TO:
        near = ()
    return Signals(
        relevance=None if best is None else best.relevance,
        similarity=max((hit.similarity for hit in near if hit.similarity is not None), default=None),
        closed=_CLOSED.search(question) is not None,
        amount=_AMOUNT.search(question) is not None,
    )


def _probability(given: Signals) -> float:
    weights = WEIGHTS.get((given.relevance is not None, given.similarity is not None))
    if weights is None:
        return (NONE_BELOW + ENOUGH_FROM) / 2
    odds = (
        weights.constant
        + weights.relevance * (given.relevance or 0.0)
        + weights.similarity * (given.similarity or 0.0)
        + weights.closed * given.closed
        + weights.amount * given.amount
    )
    return 1.0 / (1.0 + math.exp(-odds))


def _absent_name(question: str, hits: Sequence[Hit]) -> str | None:
    """The first name or number of the question that no passage holds, for the reader to see why."""
    held = {term for hit in hits for term in terms(" ".join((hit.title, *hit.headings, hit.text)))}
    for match in re.finditer(r"[^\W_]+(?:[_.\-'’][^\W_]+)*", question):
        word = match.group()
        begins = not question[: match.start()].strip() or question[: match.start()].rstrip()[-1] in ".?!"
        named = any(char.isdigit() for char in word) or (word[0].isupper() and not begins)
        wanted = terms(word)
        if named and wanted and held.isdisjoint(wanted):
            return word
    return None
