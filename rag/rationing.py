"""Which candidates the cross-encoder reads, how much of each, for how long, and what its scores count for.

A cross-encoder costs tens of milliseconds a passage, and most candidates cannot come to the top whatever it
says of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.code_order import are_code
from rag.documents import Hit
from rag.models import is_built_in
from rag.reranking import Reranker
from rag.sparse import terms

RELEVANCE_WEIGHT = 0.02
"""What one unit of the cross-encoder's logit adds to the fused score: 10 logits are a fifth of its range."""
WIDEST_GAP = 0.3
"""A candidate that is further below the best fused score is not read: 15 logits would have to lift it."""
LEAST_READ = 3
"""Read in any case: whether the best passages hold the answer is judged by these scores too."""
SLICE = 4
"""Passages that are scored between two looks at the clock and at what could still change."""
HIGHEST = 9.0
"""The logit of a passage that answers plainly, on the built-in model's scale; others may give more."""
SETTLED = 2
"""Reading ends when no unread passage could come among the first two."""
WINDOW_WORDS = 60
WINDOW_STRIDE = 30

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Reranked:
    """Hits, best first; `notice` says when the time was over before all were read that should be."""

    hits: tuple[Hit, ...]
    notice: str | None = None


def rerank(
    reranker: Reranker,
    query: str,
    hits: Sequence[Hit],
    most: int,
    budget_ms: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Reranked:
    """Add the cross-encoder's score to the fused one over the first candidates, at most `most`.

    By itself it loses on technical text and code and wins on prose; the sum gains on both, since a clear lead
    of one outweighs a narrow one of the other (docs/decisions.md). The best candidates are read first, so a
    reading that `budget_ms` ends has read what matters most; at least one slice is always read. It also ends
    when the first places cannot change any more. Of code a few are read, to judge whether they answer, and
    the fused order stays.
    """
    ends = None if budget_ms is None else clock() + budget_ms / 1000
    notice = None
    # By words alone scores have no upper end, and code that was moved up has more than 1.
    scale = max(1.0, *(hit.score for hit in hits))
    code = is_built_in(reranker.name) and are_code(hits)
    weight = 0.0 if code else RELEVANCE_WEIGHT
    rationed = _rationed(hits, min(most, LEAST_READ) if code else most, scale)
    wanted = set(terms(query))
    logits: list[float] = []
    for first in range(0, len(rationed), SLICE):
        if logits and _settled(rationed, logits, scale, weight):
            break
        if ends is not None and logits and clock() >= ends:
            notice = f"The time for reranking was over after {first} of {len(rationed)} passages."
            break
        windows = [_shown(hit, wanted) for hit in rationed[first : first + SLICE]]
        logits.extend(reranker.score(query, windows))
    least = min(logits)
    scored = [
        hit.model_copy(update={"score": hit.score / scale + weight * (logit - least), "relevance": logit})
        for hit, logit in zip(rationed, logits, strict=False)
    ]
    rest = [hit.model_copy(update={"score": hit.score / scale}) for hit in hits[len(scored) :]]
    return Reranked(tuple(sorted([*scored, *rest], key=lambda hit: -hit.score)), notice)


def best_window(text: str, wanted: set[str]) -> str:
    """The stretch of about WINDOW_WORDS words that holds most of the wanted terms; earliest on a tie.

    A cross-encoder's cost grows with length, and the sentence that answers lies in one such stretch.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    if len(words) <= WINDOW_WORDS:
        return text
    best, most = (0, len(text)), -1
    for first in range(0, len(words) - WINDOW_WORDS + WINDOW_STRIDE, WINDOW_STRIDE):
        last = min(first + WINDOW_WORDS, len(words)) - 1
        span = (words[max(0, last - WINDOW_WORDS + 1)][0], words[last][1])
        held = len(wanted & set(terms(text[slice(*span)])))
        if held > most:
            best, most = span, held
    return text[slice(*best)]


def _rationed(hits: Sequence[Hit], most: int, scale: float) -> list[Hit]:
    """The first hits that the cross-encoder could bring to the top."""
    lowest = hits[0].score / scale - WIDEST_GAP
    near = sum(hit.score / scale >= lowest for hit in hits)
    return list(hits[: min(most, max(near, LEAST_READ))])


def _settled(rationed: Sequence[Hit], logits: Sequence[float], scale: float, weight: float) -> bool:
    """Whether the best unread passage, however well it answered, would stay below the first SETTLED read."""
    least = min(logits)
    read = [
        hit.score / scale + weight * (logit - least) for hit, logit in zip(rationed, logits, strict=False)
    ]
    most = rationed[len(logits)].score / scale + weight * (max(HIGHEST, *logits) - least)
    return len(read) >= SETTLED and most <= sorted(read)[-SETTLED]


def _shown(hit: Hit, wanted: set[str]) -> str:
    return " > ".join(hit.headings[-1:]) + "\n" + best_window(hit.text, wanted)
