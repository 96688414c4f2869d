"""What is measured of one question. Every figure is a number, or None where it has no meaning for it.

A passage finds a place when it holds at least half of it, or lies in it by at least half of its own length:
so a quote counts by its words, and a page or a whole document by any passage of it.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from rag.documents import Citation
from rag.errors import SettingsError
from rag.evaluation.places import Place

CUTOFFS = (1, 3, 5, 10)
DEPTH = max(CUTOFFS)
SPANS_AT = 5
_MOST_PLACES = 100_000

RANKED = (*(f"recall@{k}" for k in CUTOFFS), f"mrr@{DEPTH}", f"ndcg@{DEPTH}")
SPANS = ("span-recall", "span-precision", "span-iou")
TIME = "ms"
RETRIEVAL = (*RANKED, *SPANS, TIME)
MONEY = "usd"
JUDGED = "judged"
ANSWERS = (
    "f1",
    "em",
    "citation-precision",
    "citation-recall",
    "refusal-precision",
    "refusal-recall",
    JUDGED,
    MONEY,
    TIME,
)
LOWER_IS_BETTER = frozenset({TIME, MONEY})

Figures = dict[str, float | None]

_MARKER = re.compile(r"\s*\[\d+\]")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Stretch(Protocol):
    """A range of a document's stored text: a hit, a citation, a place."""

    @property
    def document_id(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


def shared(one: Stretch, other: Stretch) -> int:
    """How many characters two stretches have in common."""
    if one.document_id != other.document_id:
        return 0
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def finds(hit: Stretch, place: Stretch) -> bool:
    return 2 * shared(hit, place) >= min(place.end - place.start, hit.end - hit.start) > 0


def finding(places: Sequence[Stretch], hits: Sequence[Stretch]) -> list[tuple[int, ...]]:
    """For each hit, which places it is the first to find."""
    left = list(range(len(places)))
    found: list[tuple[int, ...]] = []
    for hit in hits:
        now = tuple(n for n in left if finds(hit, places[n]))
        left = [n for n in left if n not in now]
        found.append(now)
    return found


# ---------------------------------------------------------------- rankings


def library() -> Any:
    """`ir_measures`, which measures rankings.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        import ir_measures
    except ImportError:
        raise SettingsError(
            "rag eval needs the package ir-measures, which is not installed",
            remedy="pip install 'citebox[eval]', or in a checkout: make setup",
        ) from None
    return ir_measures


def ranked(questions: Mapping[str, tuple[int, Sequence[tuple[int, ...]]]]) -> dict[str, Figures]:
    """Recall, reciprocal rank and nDCG of each question, by `ir_measures`.

    Args:
        questions: by id, how many places there are, and for each hit which of them it is the first to find.

    What is ranked are places: a passage that finds none takes one rank, and one that finds several is each of
    them in a row. A cut is made after k passages.
    """
    measures = library()
    everything = measures.R @ _MOST_PLACES
    place_ranks = [measures.RR @ DEPTH, measures.nDCG @ DEPTH]
    qrels = {id: {f"p{n}": 1 for n in range(places)} for id, (places, _) in questions.items()}
    figures: dict[str, Figures] = {id: dict.fromkeys(RANKED, 0.0) for id in questions}
    for k in CUTOFFS:
        run = {id: _run(found[:k]) for id, (_, found) in questions.items()}
        for one in measures.iter_calc([everything], qrels, run):
            figures[one.query_id][f"recall@{k}"] = one.value
    run = {id: _run(found) for id, (_, found) in questions.items()}
    for one in measures.iter_calc(place_ranks, qrels, run):
        name = f"mrr@{DEPTH}" if one.measure == place_ranks[0] else f"ndcg@{DEPTH}"
        figures[one.query_id][name] = one.value
    return figures


def _run(found: Sequence[tuple[int, ...]]) -> dict[str, float]:
    names: list[str] = []
    for rank, places in enumerate(found):
        names += [f"p{n}" for n in places] or [f"x{rank}"]
    return {name: float(-position) for position, name in enumerate(names)}


# ---------------------------------------------------------------- spans


def span_figures(places: Sequence[Place], hits: Sequence[Stretch]) -> Figures:
    """Recall, precision and IoU by characters of the first passages; None where no exact place is known.

    Source: github.com/brandonstarxel/chunking_evaluation, base_evaluation.py: what passages and places share
    counts once; passages count as often as they overlap; IoU adds what of the places was missed.
    """
    exact = [place for place in places if place.exact]
    if not exact:
        return dict.fromkeys(SPANS)
    hits = hits[:SPANS_AT]
    wanted = sum(place.end - place.start for place in exact)
    retrieved = sum(hit.end - hit.start for hit in hits)
    common = _length(
        (place.document_id, max(hit.start, place.start), min(hit.end, place.end))
        for hit in hits
        for place in exact
        if shared(hit, place)
    )
    missed = _length((place.document_id, place.start, place.end) for place in exact) - common
    values = (common / wanted, common / retrieved if retrieved else 0.0, common / (retrieved + missed))
    return dict(zip(SPANS, values, strict=True))


def _length(ranges: Iterable[tuple[str, int, int]]) -> int:
    """Of the union."""
    total, last, until = 0, "", 0
    for document, start, end in sorted(ranges):
        if document != last:
            last, until = document, 0
        total += max(0, end - max(start, until))
        until = max(until, end)
    return total


# ---------------------------------------------------------------- answers


def answer_figures(
    *,
    text: str,
    citations: Sequence[Citation],
    answered: bool,
    answerable: bool,
    accepted: Sequence[str],
    places: Sequence[Place],
) -> Figures:
    """Of one answer. Asking back counts as refusing: it gives no answer."""
    figures: Figures = dict.fromkeys(ANSWERS)
    figures["refusal-precision"] = None if answered else float(not answerable)
    figures["refusal-recall"] = None if answerable else float(not answered)
    if not answerable:
        return figures
    given = text if answered else ""
    if accepted:
        figures["f1"] = max(f1(given, one) for one in accepted)
        figures["em"] = max(float(normalised(given) == normalised(one)) for one in accepted)
    if places:
        if answered and citations:
            right = sum(any(shared(cited, place) for place in places) for cited in citations)
            figures["citation-precision"] = right / len(citations)
        proved = sum(any(shared(cited, place) for cited in citations) for place in places)
        figures["citation-recall"] = proved / len(places) if answered else 0.0
    return figures


def without_markers(text: str) -> str:
    """An answer without the numbers of its citations."""
    return _MARKER.sub("", text)


def normalised(text: str) -> str:
    """Without case, punctuation, articles and markers, as SQuAD's evaluate-v2.0.py compares answers."""
    text = without_markers(text).lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLE.sub(" ", text).split())


def f1(given: str, accepted: str) -> float:
    """Of the words of two answers, each counted as often as both have it."""
    words, wanted = normalised(given).split(), normalised(accepted).split()
    if not words or not wanted:
        return float(words == wanted)
    common = sum((Counter(words) & Counter(wanted)).values())
    return 2 * common / (len(words) + len(wanted))


# ---------------------------------------------------------------- many


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that are there."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
