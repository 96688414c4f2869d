"""Which questions are one: whatever may change the answer must agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.wording import means_the_same, normalised

PAIRS = Path(__file__).resolve().parents[2] / "data" / "cache_pairs.jsonl"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How long are backups kept?", "  how LONG are\u00a0backups kept"),
        ("How long are backups kept?", "HOW LONG ARE BACKUPS KEPT ?"),
        ("Größe e\u0301?", "GRÖßE é"),
        ("What does ‘Ｗｉｄｅ’ mean?", "what does 'wide' mean"),
        ("Where do I get a soft\u00ad ware key?", "where do i get a soft ware key..."),
    ],
)
def test_spelling_that_says_nothing_does_not_count(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What does grep -v do?", "What does grep -V do?"),
        ("What is `Path`?", "What is `path`?"),
        ("Is 10 Mb enough?", "Is 10 MB enough?"),
        ("Is 10MB enough?", "Is 10Mb enough?"),
        ("Is 10² enough?", "Is 102 enough?"),
        ("Is 1½ enough?", "Is 11/2 enough?"),
        ("Who supports US?", "Who supports us?"),
        ("What does appendix A say?", "What does appendix a say?"),
        ("Welche Maße hat es?", "Welche Masse hat es?"),
        ("What is C++?", "What is C?"),
        ("Earnings of 2019?", "Earnings of 2020?"),
    ],
)
def test_spelling_that_says_something_counts(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.text(max_size=60))
def test_what_is_normalised_stays_as_it_is(question: str) -> None:
    assert normalised(normalised(question)) == normalised(question)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Which port does PostgreSQL use?", "What port does PostgreSQL use?"),
        ("How do I reset my password?", "Please tell me how I can reset my password?"),
        ("What's the notice period after two years?", "After 2 years, what is the notice period?"),
        ("How long is the backup kept?", "For how long is the backup kept?"),
    ],
)
def test_words_that_ask_nothing_may_differ(one: str, other: str) -> None:
    assert means_the_same(one, other)


@pytest.mark.parametrize("option", ["--tests", "`--tests`"])
def test_an_option_has_no_plural(option: str) -> None:
    assert not means_the_same(f"What does {option} do?", f"What does {option.replace('s', '')} do?")


@pytest.mark.parametrize("split", ["dev", "test", "hard"])
def test_no_near_miss_passes_for_its_question(split: str) -> None:
    pairs = [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    chosen = [
        (pair["first"], pair["second"]) for pair in pairs if pair["split"] == split and not pair["same"]
    ]
    assert len(chosen) >= 30
    assert [pair for pair in chosen if means_the_same(*pair)] == []
