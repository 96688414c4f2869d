"""Two scores of a candidate become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fusion import LEXICAL_WEIGHT, fuse, lexical_weight

SCORES = st.dictionaries(st.sampled_from("abcdef"), st.floats(-1, 1))
HUNDREDTHS = st.integers(1, 100).map(lambda number: number / 100)
COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 50))


def test_a_clear_lead_in_one_outweighs_a_narrow_one_in_the_other() -> None:
    near = {"a": 0.71, "b": 0.70, "c": 0.1}
    assert _order(near, {"a": 2.0, "b": 9.0, "c": 0.0}) == ["b", "a", "c"]
    assert _order({"a": 0.9, "b": 0.4, "c": 0.1}, {"a": 8.0, "b": 9.0}) == ["a", "b", "c"]


def test_the_best_in_both_scores_one_and_the_least_in_both_nothing() -> None:
    fused = fuse({"a": 0.8, "b": 0.2}, {"a": 7.0})
    assert fused == {"a": pytest.approx(1.0), "b": 0.0}


def test_of_a_name_alone_the_place_that_has_it_comes_first() -> None:
    dense, lexical = {"a": 0.9, "b": 0.5, "c": 0.45}, {"a": 3.0, "b": 9.0}
    asked = fuse(dense, lexical, lexical_weight("Where is read_timeout set?"))
    named = fuse(dense, lexical, lexical_weight("read_timeout"))
    assert max(asked, key=asked.__getitem__) == "a"
    assert max(named, key=named.__getitem__) == "b"


def test_what_words_alone_found_counts_by_its_words() -> None:
    assert fuse({}, {"a": 7.0, "b": 3.5})["b"] == pytest.approx(LEXICAL_WEIGHT / 2)


@given(SCORES, COUNTS)
def test_every_candidate_gets_a_score_from_zero_to_one(
    dense: dict[str, float], lexical: dict[str, float]
) -> None:
    fused = fuse(dense, lexical)
    assert fused.keys() == dense.keys() | lexical.keys()
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in fused.values())


@given(st.dictionaries(st.sampled_from("abcdef"), HUNDREDTHS, min_size=2), COUNTS, st.floats(0.2, 5))
def test_the_range_that_a_model_s_cosines_use_does_not_matter(
    dense: dict[str, float], lexical: dict[str, float], scale: float
) -> None:
    scaled = {candidate: 0.1 + score * scale for candidate, score in dense.items()}
    assert fuse(scaled, lexical) == pytest.approx(fuse(dense, lexical), abs=1e-6)


def _order(dense: dict[str, float], lexical: dict[str, float]) -> list[str]:
    fused = fuse(dense, lexical)
    return sorted(fused, key=lambda candidate: -fused[candidate])
