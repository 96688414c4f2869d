"""Content gaps with the real embedding model: what means the same is one gap, what does not is another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rag.embedding import Embedder, load_embedder
from rag.questions import LoggedQuestion, QuestionLog
from rag.questions import gaps as gaps_module
from rag.questions.gaps import GapFinder
from rag.questions.log import FILE
from rag.settings import Settings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MATTERS = [
    [
        "How do I request parental leave?",
        "How can I apply for parental leave?",
        "parental leave application",
        "What is the process for taking parental leave?",
    ],
    ["How do I reset my VPN password?", "VPN password forgotten", "reset vpn credentials"],
    ["How do I connect to the VPN from home?", "VPN setup on a laptop", "vpn access from home office"],
    ["Who approves travel expenses?", "Who signs off travel expense reports?"],
    ["Is there a gym discount for employees?", "Do we get a discount at a fitness studio?"],
    ["How long are backups of the CRM kept?", "CRM backup retention period"],
]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return load_embedder(Settings(data_dir=tmp_path_factory.mktemp("gaps")))


@pytest.fixture
def log(tmp_path: Path) -> QuestionLog:
    return QuestionLog(tmp_path / FILE, 30, NOW.timestamp)


def entry(number: int, question: str, **more: Any) -> LoggedQuestion:
    at = NOW - timedelta(minutes=number)
    known = {"id": str(number), "at": at, "caller": "anna", "outcome": "not_found", "ms": 1.0}
    return LoggedQuestion(**{**known, "question": question, **more})


async def fill(log: QuestionLog, entries: list[LoggedQuestion]) -> None:
    for one in entries:
        log.note(one)
    await log.written()


async def test_wordings_of_one_matter_are_one_gap_and_other_matters_stay_apart(
    log: QuestionLog, embedder: Embedder
) -> None:
    wordings = [question for matter in MATTERS for question in matter]
    await fill(log, [entry(number, question) for number, question in enumerate(wordings)])
    found = await GapFinder(log, embedder).find(30)
    grouped = {frozenset({gap.question, *gap.examples}) for gap in found.gaps}
    assert grouped == {frozenset(matter) for matter in MATTERS}
    assert [gap.count for gap in found.gaps] == sorted(map(len, MATTERS), reverse=True)


async def test_a_gap_says_how_often_by_how_many_and_when_last(log: QuestionLog, embedder: Embedder) -> None:
    asked = [
        entry(5, "How do I request parental leave?", caller="anna", nearest=("one", "two")),
        entry(3, "how do I request  parental leave?", caller="ben", nearest=("two",)),
        entry(1, "How can I apply for parental leave?", caller="ben", nearest=("two", "three")),
    ]
    await fill(log, asked)
    (gap,) = (await GapFinder(log, embedder).find(30)).gaps
    assert (gap.count, gap.callers, gap.disliked) == (3, 2, 0)
    assert gap.last == NOW - timedelta(minutes=1)
    assert gap.nearest[0] == "two"
    assert gap.question.casefold().split() == "how do i request parental leave?".split()
    assert gap.examples == ("How can I apply for parental leave?",)


async def test_a_follow_up_counts_as_what_it_was_understood_as(log: QuestionLog, embedder: Embedder) -> None:
    await fill(log, [entry(1, "And for fathers?", standalone="How do fathers request parental leave?")])
    (gap,) = (await GapFinder(log, embedder).find(30)).gaps
    assert gap.question == "How do fathers request parental leave?"


async def test_answers_that_were_rated_down_count_when_they_are_asked_for(
    log: QuestionLog, embedder: Embedder
) -> None:
    await fill(
        log,
        [
            entry(1, "How long are backups kept?", outcome="answered", rating="down"),
            entry(2, "Who may park in the yard?", outcome="answered", rating="up"),
            entry(3, "Who approves travel expenses?"),
        ],
    )
    finder = GapFinder(log, embedder)
    assert {gap.question for gap in (await finder.find(30)).gaps} == {"Who approves travel expenses?"}
    both = {gap.question: gap.disliked for gap in (await finder.find(30, disliked=True)).gaps}
    assert both == {"Who approves travel expenses?": 0, "How long are backups kept?": 1}


async def test_only_the_days_that_are_asked_for_count(log: QuestionLog, embedder: Embedder) -> None:
    await fill(log, [entry(1, "A new question?"), entry(2 * 24 * 60, "An older question?")])
    found = await GapFinder(log, embedder).find(1)
    assert [gap.question for gap in found.gaps] == ["A new question?"]
    assert (found.days, found.questions, found.whole) == (1, 1, True)


async def test_more_questions_than_are_looked_at_are_told(
    log: QuestionLog, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps_module, "MOST", 2)
    asked = ["Who approves travel expenses?", "Is there a gym discount?", "How do I reset my VPN password?"]
    await fill(log, [entry(number, question) for number, question in enumerate(asked)])
    found = await GapFinder(log, embedder).find(30)
    assert (found.questions, found.whole, len(found.gaps)) == (2, False, 2)


async def test_nothing_unanswered_is_no_gap(log: QuestionLog, embedder: Embedder) -> None:
    assert (await GapFinder(log, embedder).find(30)).gaps == ()
