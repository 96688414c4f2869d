"""When a question is asked back instead of answered, and that clear ones never are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from rag.clarification import unclear
from rag.documents import Hit
from tests.fakes import hit_with

QUESTIONS = Path(__file__).resolve().parents[2] / "data" / "questions.jsonl"


def hits(*titles: str, relevance: Sequence[float] = (3.0, 2.5, 2.0, 1.5)) -> list[Hit]:
    """One passage of each document, in falling relevance."""
    return [
        hit_with(
            document_id=title,
            version="1",
            chunk_id=f"{title}-0",
            uri=f"file:///library/{title}",
            title=title,
            text="Words",
            relevance=value,
        )
        for title, value in zip(titles, relevance, strict=False)
    ]


TWO = hits("Leave rules", "Backup policy")


def test_a_pronoun_without_anything_it_could_mean_is_asked_back() -> None:
    assert unclear("How much does it cost?", TWO) == "What does “it” stand for: Leave rules or Backup policy?"


def test_a_passage_that_was_too_far_behind_to_be_read_is_no_rival() -> None:
    (best, behind) = hits("Leave rules", "Backup policy")
    unread = behind.model_copy(update={"relevance": None})
    assert unclear("How much does it cost?", [best, unread]) != unclear(
        "How much does it cost?", [best, behind]
    )
    assert "Backup" not in (unclear("How much does it cost?", [best, unread]) or "")
    assert "Backup" in (
        unclear("How much does it cost?", [best.model_copy(update={"relevance": None}), unread]) or ""
    )


def test_a_pronoun_is_clear_after_something_was_said() -> None:
    assert unclear("How much does it cost?", TWO, ["What is the standard plan?"]) is None


def test_a_thing_pointed_at_that_nobody_named_is_asked_back() -> None:
    question = "What all facilities does this library provide for the public?"
    assert unclear(question, TWO) == "Which library do you mean?"
    assert unclear(question, TWO, ["Where is the city library?"]) is None


def test_the_verb_after_do_is_no_part_of_the_thing() -> None:
    assert unclear("Where did this leader teach?", TWO) == "Which leader do you mean?"


def test_a_definite_thing_is_asked_back_with_the_things_of_that_name() -> None:
    clinics = hits("Causeway Clinic", "Jamaica Plain Clinic", "Parking")
    question = "What services does the clinic provide?"
    assert unclear(question, clinics) == "Which clinic do you mean: Causeway Clinic or Jamaica Plain Clinic?"


def test_a_definite_thing_is_clear_when_the_evidence_is_of_one_of_them() -> None:
    clinics = hits("Causeway Clinic", "Jamaica Plain Clinic", relevance=(6.0, -4.0))
    assert unclear("What services does the clinic provide?", clinics) is None


def test_a_definite_thing_is_clear_when_the_question_tells_them_apart() -> None:
    policies = hits("Travel policy", "Leave policy")
    assert unclear("What does the policy say on parental leave?", policies) is None


def test_nothing_is_asked_back_when_one_document_is_all_there_is() -> None:
    assert unclear("How much does it cost?", hits("Price list")) is None


@pytest.mark.parametrize(
    "question",
    [
        "Is it possible to dispute an underpayment penalty?",
        "If a container has a health check, when does this check run?",
        "Will the updater reboot the server by itself?",
        "Is this different from last year?",
        "What does this error mean: ENOSPC",
        "What changed this year?",
        "May a licence that calls itself free forbid business use?",
    ],
)
def test_words_that_point_at_nothing_are_left_alone(question: str) -> None:
    assert unclear(question, TWO) is None


def test_the_questions_of_the_sample_library_are_all_clear() -> None:
    asked = [json.loads(line)["question"] for line in QUESTIONS.read_text("utf-8").splitlines()]
    assert [question for question in asked if unclear(question, TWO)] == []
