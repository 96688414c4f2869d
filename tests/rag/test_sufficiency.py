"""Whether what was found can hold the answer: what each verdict needs, and what the reader is told."""

from __future__ import annotations

import pytest

from rag.documents import Hit
from rag.sufficiency import ENOUGH_FROM, NONE_BELOW, WEIGHTS, assess, signals
from tests.fakes import hit_with

QUESTION = "Where are the backups kept?"


def hit(
    relevance: float | None = None,
    similarity: float | None = None,
    *,
    document: str = "a",
    text: str = "Backups are kept in the vault.",
) -> Hit:
    return hit_with(
        document_id=document,
        version="1",
        chunk_id=document,
        uri=f"file:///library/{document}",
        title="Backup policy",
        text=text,
        relevance=relevance,
        similarity=similarity,
    )


def test_nothing_found_is_no_evidence() -> None:
    judged = assess(QUESTION, [])
    assert (judged.probability, judged.verdict) == (0.0, "none")


def test_a_passage_that_fits_is_enough() -> None:
    assert assess(QUESTION, [hit(6.0, 0.7), hit(-8.0, 0.2)]).verdict == "enough"


def test_passages_that_are_far_off_are_none() -> None:
    assert assess(QUESTION, [hit(-10.0, 0.2), hit(-10.5, 0.1)]).verdict == "none"


def test_between_them_it_is_doubtful() -> None:
    assert assess(QUESTION, [hit(-4.0, 0.65)]).verdict == "doubtful"


def test_cosines_of_a_model_that_the_weights_are_not_of_do_not_refuse() -> None:
    far = [hit(None, 0.2)]
    assert assess(QUESTION, far).verdict == "none"
    assert assess(QUESTION, far, "all-MiniLM-L6-v2").verdict == "doubtful"
    assert assess(QUESTION, [hit(6.0, 0.3)], "someone/model").verdict == "enough"


@pytest.mark.parametrize("weaker", [hit(1.0, 0.5), hit(2.0, 0.4)])
def test_weaker_evidence_is_never_worth_more(weaker: Hit) -> None:
    assert assess(QUESTION, [weaker]).probability < assess(QUESTION, [hit(2.0, 0.5)]).probability


def test_the_best_passage_decides_wherever_it_stands() -> None:
    best, other = hit(5.0, 0.6), hit(-9.0, 0.1, document="b")
    assert assess(QUESTION, [other, best]).probability == assess(QUESTION, [best, other]).probability


def test_the_same_passages_are_worth_less_to_a_question_that_wants_yes_or_no_or_a_number() -> None:
    open_question = assess(QUESTION, [hit(1.0, 0.5)]).probability
    assert assess("Are the backups kept?", [hit(1.0, 0.5)]).probability < open_question
    assert assess("How many backups are kept?", [hit(1.0, 0.5)]).probability < open_question


@pytest.mark.parametrize(
    ("question", "closed", "amount"),
    [
        ("Is it enough to change the passphrase?", True, False),
        ("So, can't I restore it?", True, False),
        ("How long are backups kept?", False, True),
        ("What is the price of a seat?", False, True),
        ("Isolate the machine how?", False, False),
        ("Who keeps the keys?", False, False),
    ],
)
def test_what_a_question_wants_is_told_by_its_words(question: str, closed: bool, amount: bool) -> None:
    found = signals(question, [hit(1.0)])
    assert (found.closed, found.amount) == (closed, amount)


def test_evidence_is_judged_by_what_was_measured() -> None:
    assert assess(QUESTION, [hit(8.0)]).verdict == "enough"
    assert assess(QUESTION, [hit(-11.0)]).verdict == "none"
    assert assess(QUESTION, [hit(None, 0.8)]).probability > assess(QUESTION, [hit(None, 0.3)]).probability
    assert assess(QUESTION, [hit()]).verdict == "doubtful"


def test_more_of_each_score_is_more_evidence_in_every_row_of_the_table() -> None:
    for (relevance, similarity), weights in WEIGHTS.items():
        assert (weights.relevance > 0, weights.similarity > 0) == (relevance, similarity)
    assert 0 < NONE_BELOW < ENOUGH_FROM < 1


def test_the_reader_is_told_what_the_passages_do_not_mention() -> None:
    judged = assess("How does the vault work with TPM chips?", [hit(-9.0, 0.2)])
    assert (
        judged.reason == "No passage comes near enough to hold the answer, and none of them mentions “TPM”."
    )


def test_a_word_is_not_missing_for_being_written_otherwise() -> None:
    assert "mentions" not in assess("Who keeps our Backups and VAULT?", [hit(-9.0, 0.2)]).reason
