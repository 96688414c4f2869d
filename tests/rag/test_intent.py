"""What questions ask for: the traps by name, and the labelled questions as a whole."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from bench.routing import accuracy, cases
from rag.intent import classify
from rag.intent_rules import IntentKind

FLOOR = 0.73
"""Of the accuracy on the test part, a little under what `python -m bench.routing` shows."""

DEV, TEST = cases("dev"), cases("test")


@pytest.mark.parametrize(
    "question",
    [
        "How do I summarise a table in Excel?",
        "What is the summary tab?",
        "What is the main difference between contrib and non-free?",
        "What is the difference between a policy and a guideline?",
        "Where is the overview page?",
        "What changed in version 2.3?",
        "compare the two keys with diff",
        "list the ports",
        "What is the outline agreement number?",
        "Compare-and-swap: is it supported?",
        "When was the policy changed?",
        "Which documents do I need to register a car?",
        "Summarise clause 7.2 in one sentence.",
        "Wie vergleiche ich zwei Ordner mit rsync?",
        "Où se trouve le résumé des garanties ?",
        "¿Dónde está la pestaña de resumen?",
    ],
)
def test_words_of_a_synthesis_do_not_make_a_lookup_one(question: str) -> None:
    assert classify(question).kind == "lookup"


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Summarise this contract", "summary"),
        ("Compare these three reports", "comparison"),
        ("What changed between the versions?", "comparison"),
        ("What do all our policies say about remote work?", "synthesis"),
        ("List every obligation of the supplier", "synthesis"),
        ("Fasse den Mietvertrag zusammen", "summary"),
        ("Compare les deux versions du règlement", "comparison"),
        ("¿Qué dicen todas nuestras políticas sobre el teletrabajo?", "synthesis"),
    ],
)
def test_what_a_question_asks_for_is_named(question: str, kind: IntentKind) -> None:
    found = classify(question)
    assert (found.kind, found.whole_documents) == (kind, True)


def test_case_accents_and_spacing_do_not_matter() -> None:
    assert classify("  RÉSUME\n LE CONTRAT ").kind == classify("resume le contrat").kind == "summary"
    assert classify("What’s this document about?").kind == "summary"


def test_a_request_is_found_at_either_end_of_a_long_question() -> None:
    filler = "The matter has a long history and nobody remembers it. " * 60
    assert classify(f"Summarise the contract. {filler}").kind == "summary"
    assert classify(f"{filler} Summarise the contract.").kind == "summary"


def test_the_reader_is_told_why_in_one_sentence() -> None:
    reasons = {classify(case.question).reason for case in DEV}
    assert len(reasons) == len(get_args(IntentKind))
    assert all(reason.endswith(".") and reason.count(".") == 1 for reason in reasons)


def test_the_labelled_questions_are_many_and_varied() -> None:
    every = [*DEV, *TEST]
    assert len(every) >= 150
    assert len(TEST) >= 85
    assert len({case.id for case in every}) == len({case.question for case in every}) == len(every)
    assert {case.intent for case in every} == set(get_args(IntentKind))
    assert {case.language for case in TEST} == {"en", "de", "fr", "es"}
    assert sum(case.trap for case in every) >= 35


def test_questions_that_no_rule_was_made_for_are_routed_well_enough() -> None:
    assert accuracy(TEST) >= FLOOR


def test_hardly_any_lookup_is_read_at_the_price_of_a_synthesis() -> None:
    wrongly = Counter(classify(case.question).kind for case in TEST if case.intent == "lookup")
    assert wrongly["lookup"] / wrongly.total() >= 0.95
