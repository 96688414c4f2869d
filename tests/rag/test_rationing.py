"""The cross-encoder reads what it could bring to the top, best first, for as long as it may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from rag.documents import Hit, chunk_id_of, document_id_of
from rag.rationing import HIGHEST, LEAST_READ, RELEVANCE_WEIGHT, SLICE, rerank
from rag.settings import Settings
from tests.fakes import hit_with


class Told:
    """A reranker that says what it was told to say of each text."""

    def __init__(self, logits: dict[str, float], name: str = "told") -> None:
        self.name = name
        self._logits = logits
        self.read: list[str] = []

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        texts = [passage.split("\n", 1)[1] for passage in passages]
        self.read += texts
        return [self._logits.get(text, 0.0) for text in texts]


def hit(text: str, score: float) -> Hit:
    document_id = document_id_of(f"file:///{text}")
    return hit_with(
        document_id=document_id,
        chunk_id=chunk_id_of(document_id, "v", 0),
        uri=f"file:///{text}",
        title=text,
        text=text,
        score=score,
    )


def order(hits: Sequence[Hit]) -> list[str]:
    return [each.text for each in hits]


def test_a_clear_verdict_outweighs_a_narrow_lead_and_not_a_wide_one() -> None:
    hits = [hit("a", 0.9), hit("b", 0.85), hit("c", 0.65)]
    found = rerank(Told({"a": -4.0, "b": 4.0, "c": 4.0}), "?", hits, 10)
    assert order(found.hits) == ["b", "a", "c"]
    assert found.hits[0].score == pytest.approx(0.85 + RELEVANCE_WEIGHT * 8)
    assert found.hits[0].relevance == 4.0


def test_of_code_a_few_are_read_and_the_fused_order_stays() -> None:
    code = [f"def {name}(self): return self._{name}[{name}]" for name in "abcdef"]
    told = Told({code[1]: 9.0}, Settings().reranker_model)
    hits = [hit(text, 0.9 - n / 100) for n, text in enumerate(code)]
    found = rerank(told, "?", hits, 10)
    assert order(found.hits) == code
    assert told.read == code[:LEAST_READ]
    assert [each.relevance for each in found.hits] == [0.0, 9.0, 0.0, None, None, None]
    of_a_hub = rerank(Told({code[1]: 9.0}, "someone/reads-code"), "?", hits, 10)
    assert order(of_a_hub.hits)[0] == code[1]


@pytest.mark.parametrize(
    "prose",
    [
        "Set `max_wait` to bound the time that a request (see below) may wait for a free connection.",
        "Name: ______________________ Date: ______________ Signature: ________________________",
        "Totals\n==================================\nThe sums of the year are below the line.",
    ],
)
def test_prose_that_mentions_code_is_prose(prose: str) -> None:
    found = rerank(Told({"b": 4.0}, Settings().reranker_model), "?", [hit(prose, 0.9), hit("b", 0.85)], 10)
    assert order(found.hits) == ["b", prose]


def test_what_lies_too_far_behind_is_not_read_but_the_first_ones_always_are() -> None:
    told = Told({})
    rerank(told, "?", [hit("a", 1.0), *(hit(f"far {n}", 0.3 - n / 100) for n in range(6))], 10)
    assert told.read == ["a", "far 0", "far 1"]
    assert len(told.read) == LEAST_READ
    near = Told({})
    rerank(near, "?", [hit(f"near {n}", 1.0 - n / 100) for n in range(12)], 10)
    assert len(near.read) == 10


def test_reading_ends_when_the_first_places_cannot_change_any_more() -> None:
    hits = [hit(f"{n}", 0.95 - n / 50) for n in range(10)]
    plain = Told({"0": HIGHEST, "1": HIGHEST, "2": -9.0})
    found = rerank(plain, "?", hits, 10)
    assert plain.read == ["0", "1", "2", "3"]
    assert (order(found.hits)[:2], found.notice) == (["0", "1"], None)
    alone = Told({"0": HIGHEST, "1": -9.0, "2": -9.0})
    rerank(alone, "?", hits, 10)
    assert len(alone.read) == 10


def test_a_cross_encoder_that_gives_more_than_the_built_in_one_is_read_by_its_own_scale() -> None:
    hits = [hit(f"{n}", 0.95 - n / 50) for n in range(10)]
    told = Told({"0": 15.0, "1": 10.0, "4": 15.0})
    found = rerank(told, "?", hits, 10)
    assert order(found.hits)[:2] == ["0", "4"]


def test_scores_of_words_alone_which_have_no_upper_end_are_brought_to_the_same_scale() -> None:
    told = Told({"a": -9.0, "b": 9.0})
    found = rerank(told, "?", [hit("a", 30.0), hit("b", 27.0)], 10)
    assert order(found.hits) == ["b", "a"]


def test_reading_stops_when_its_time_is_over_and_says_so() -> None:
    hits = [hit(f"{n}", 1.0 - n / 100) for n in range(10)]
    told = Told({"5": 20.0})
    found = rerank(told, "?", hits, 10, budget_ms=100, clock=Clock(step=0.06))
    assert told.read == [each.text for each in hits[: 2 * SLICE]]
    assert found.notice == "The time for reranking was over after 8 of 10 passages."
    assert [each.text for each in found.hits if each.relevance is None] == ["8", "9"]
    assert found.hits[0].text == "5"


def test_one_slice_is_read_however_little_time_there_is() -> None:
    told = Told({})
    hits = [hit(f"{n}", 1.0 - n / 100) for n in range(10)]
    assert rerank(told, "?", hits, 10, budget_ms=0.001, clock=Clock(step=5.0)).notice
    assert len(told.read) == SLICE


def test_with_time_enough_nothing_is_said() -> None:
    hits = [hit(f"{n}", 1.0 - n / 100) for n in range(10)]
    assert rerank(Told({}), "?", hits, 10, budget_ms=60_000).notice is None


class Clock:
    """A clock that has gone on by `step` seconds at each look."""

    def __init__(self, step: float) -> None:
        self._times: Iterator[float] = (number * step for number in range(1_000))

    def __call__(self) -> float:
        return next(self._times)
