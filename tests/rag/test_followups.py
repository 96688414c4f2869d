"""What leans on the conversation before it, and what the rule carries over."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.followups import holds_all, own_cases, turns_of
from rag.claude import Turn
from rag.followups import MOST_WORDS, needs_rewriting, standalone_by_rule

CASES = own_cases()


def said(*texts: str) -> list[Turn]:
    return [Turn("assistant" if index % 2 else "user", text) for index, text in enumerate(texts)]


BACKUPS = said("How long are daily backups kept?", "Daily backups are kept for ninety days.")


def test_there_are_cases_of_each_kind_in_both_parts() -> None:
    assert len(CASES) >= 60
    for split in ("dev", "test"):
        kinds = {case["kind"] for case in CASES if case["split"] == split}
        assert kinds >= {"switch", "alone", "chain", "drift", "pronoun", "ellipsis"}


def test_a_question_that_stands_alone_is_left_as_it_is() -> None:
    for case in CASES:
        if not case["must_contain"]:
            assert not needs_rewriting(case["question"], turns_of(case)), case["id"]


def test_a_follow_up_gets_the_topic_it_leaves_out() -> None:
    follow_ups = [case for case in CASES if case["must_contain"]]
    held = [case for case in follow_ups if holds_all(case)]
    assert len(held) >= 0.95 * len(follow_ups)


@pytest.mark.parametrize(
    "question", ["what about weekly ones?", "and in Germany?", "why?", "how long is it?"]
)
def test_without_earlier_turns_nothing_is_a_follow_up(question: str) -> None:
    assert needs_rewriting(question, BACKUPS)
    assert not needs_rewriting(question, [])
    assert standalone_by_rule(question, []) == question


@pytest.mark.parametrize(
    "question",
    [
        "If a contractor loses the key card, who replaces it?",
        "Is it possible to use hardware tokens for remote desktop?",
        "Do employees keep their laptop after leaving the company?",
        "Which documents that contain salaries must be encrypted?",
        "Is this year a leap year in the payroll calendar?",
        "What is PITR?",
    ],
)
def test_a_pronoun_that_the_question_itself_explains_points_at_nothing_before(question: str) -> None:
    assert not needs_rewriting(question, BACKUPS)


def test_the_follow_up_is_kept_word_for_word_before_what_is_carried_over() -> None:
    assert standalone_by_rule("And the 30 day ones?", BACKUPS).startswith("And the 30 day ones? (")


def test_thanks_in_between_are_not_the_topic() -> None:
    turns = [*BACKUPS, *said("Great, thank you!", "Gladly.")]
    assert "backups" in standalone_by_rule("Where are they stored?", turns)


def test_the_last_topic_is_carried_and_not_the_one_before() -> None:
    turns = [*BACKUPS, *said("Where is the canteen in Berlin?", "On the ground floor.")]
    rewritten = standalone_by_rule("When does it open?", turns)
    assert "canteen" in rewritten
    assert "backups" not in rewritten


def test_a_long_conversation_does_not_drown_the_question() -> None:
    turns = said(" ".join(f"why does subject{number} matter" for number in range(200)), "Because.")
    carried = standalone_by_rule("And why is that?", turns).partition("(")[2].split()
    assert 0 < len(carried) <= MOST_WORDS


@pytest.mark.parametrize("turns", [said("thanks", "Gladly."), said("?", "!"), said("", "")])
def test_a_conversation_that_says_nothing_leaves_the_question_as_it_is(turns: Sequence[Turn]) -> None:
    assert standalone_by_rule("why?", turns) == "why?"
