"""The log of questions: what is kept, for how long, and how it is found and forgotten."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rag.errors import NotFound
from rag.events import AnswerEvent, Delta
from rag.questions import LoggedQuestion, QuestionLog, watched
from rag.questions.log import DAY, FILE, Chosen
from rag.questions.logged import from_row
from rag.questions.summary import activity_of, feedback_of

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Clock:
    at: float = START.timestamp()

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> QuestionLog:
    return QuestionLog(tmp_path / FILE, 10, clock)


def entry(ident: str, **more: Any) -> LoggedQuestion:
    known = {
        "id": ident,
        "at": START,
        "caller": "anna",
        "question": f"{ident}?",
        "outcome": "answered",
        "ms": 1.0,
    }
    return LoggedQuestion(**{**known, **more})


async def note(log: QuestionLog, *entries: LoggedQuestion) -> None:
    for one in entries:
        log.note(one)
        await log.written()


def held_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def ids(log: QuestionLog, **chosen: Any) -> list[str]:
    found, _ = await log.find(Chosen(**chosen), 100)
    return [one.id for one in found]


async def test_what_is_read_is_what_was_noted(log: QuestionLog) -> None:
    whole = entry(
        "a",
        standalone="What stands alone? 🦓",
        route="lookup",
        model="claude-haiku-5-5",
        usd=0.002,
        cached=True,
        documents=("one", "two"),
        nearest=("three",),
    )
    await note(log, whole)
    (found,), _ = await log.find(Chosen(), 1)
    assert found == whole


async def test_questions_are_paged_from_the_newest_on(log: QuestionLog) -> None:
    await note(log, *(entry(str(number)) for number in range(5)))
    first, after = await log.find(Chosen(), 2)
    second, last = await log.find(Chosen(), 2, after)
    third, end = await log.find(Chosen(), 2, last)
    assert [[one.id for one in page] for page in (first, second, third)] == [["4", "3"], ["2", "1"], ["0"]]
    assert end is None


async def test_questions_are_chosen_by_each_of_their_traits(log: QuestionLog) -> None:
    await note(
        log,
        entry("a", question="Größe of the WAL?", at=START - timedelta(days=2)),
        entry("b", caller="ben", outcome="not_found", question="50 % of what_not?"),
    )
    assert await ids(log, caller="ben") == ["b"]
    assert await ids(log, outcome="answered") == ["a"]
    assert await ids(log, q="GRÖSSE") == []
    assert await ids(log, q="GRÖßE") == ["a"]
    assert await ids(log, q="50 %") == ["b"]
    assert await ids(log, q="%") == ["b"]
    assert await ids(log, q="what-not") == []
    assert await ids(log, since=date(2026, 11, 19)) == ["b"]
    assert await ids(log, until=date(2026, 11, 18)) == ["a"]
    await log.rate("a", "anna", "down", ["wrong"], None)
    assert await ids(log, rating="down") == ["a"]
    assert await log.count(Chosen(rating="down")) == 1


async def test_what_is_too_old_is_neither_shown_nor_rated_before_it_is_swept(
    log: QuestionLog, clock: Clock
) -> None:
    await note(log, entry("a"))
    clock.at += 11 * DAY
    assert await ids(log) == []
    with pytest.raises(NotFound):
        await log.rate("a", "anna", "up", [], None)


async def test_sweeping_forgets_what_is_too_old_and_nothing_else(log: QuestionLog, clock: Clock) -> None:
    await note(log, entry("a", at=START - timedelta(days=9)), entry("b"))
    clock.at += 5 * DAY
    assert await log.sweep() == 1
    assert await ids(log) == ["b"]


async def test_a_log_that_was_switched_off_is_emptied(log: QuestionLog, tmp_path: Path) -> None:
    await note(log, entry("a"))
    off = QuestionLog(tmp_path / FILE, 0)
    await note(off, entry("b"))
    assert await off.sweep() == 1
    assert await ids(log) == []


async def test_a_log_that_is_off_makes_no_file(tmp_path: Path) -> None:
    off = QuestionLog(tmp_path / FILE, 0)
    await note(off, entry("a"))
    assert await off.sweep() == 0
    assert held_in(tmp_path) == {}


async def test_what_is_forgotten_is_not_in_the_file_any_more(log: QuestionLog, tmp_path: Path) -> None:
    await note(log, *(entry(str(n), question=f"Where is the treasure {n}?") for n in range(50)))
    await log.delete("7")
    assert await log.delete_of("anna") == 49
    assert b"treasure" not in b"".join(held_in(tmp_path).values())


async def test_forgetting_what_is_not_there_is_told(log: QuestionLog) -> None:
    with pytest.raises(NotFound):
        await log.delete("a")
    assert await log.delete_of("nobody") == 0


async def test_many_questions_at_once_are_all_written(log: QuestionLog) -> None:
    for number in range(40):
        log.note(entry(str(number)))
    await asyncio.sleep(0)
    assert len(await ids(log)) == 40


async def test_a_file_that_is_locked_takes_no_thread_from_the_answers(
    log: QuestionLog, tmp_path: Path
) -> None:
    await note(log, entry("a"))
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(40):
            log.note(entry(str(number)))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            await asyncio.to_thread(int)
        assert not await log.written(0.1)
        other.execute("ROLLBACK")
    assert await log.written(30)
    assert len(await ids(log)) == 41


async def test_a_log_that_is_far_behind_keeps_no_more(
    log: QuestionLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rag.questions.log.MOST_WAITING", 3)
    for number in range(5):
        log.note(entry(str(number)))
    assert await ids(log) == ["2", "1", "0"]
    assert caplog.text.count("could not be logged") == 2


async def test_rows_are_read_off_the_event_loop(log: QuestionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    await note(log, entry("a", outcome="not_found"))
    threads: set[int] = set()

    def noticed(row: tuple[Any, ...]) -> LoggedQuestion:
        threads.add(threading.get_ident())
        return from_row(row)

    monkeypatch.setattr("rag.questions.log.from_row", noticed)
    assert len(await log.since(0.0)) == len(await log.unanswered(0.0, 10, disliked=False)) == 1
    assert threads
    assert threading.get_ident() not in threads


async def test_the_time_of_a_question_that_was_stopped_is_without_the_readers_own(log: QuestionLog) -> None:
    async def answering() -> AsyncGenerator[AnswerEvent]:
        await asyncio.sleep(0.1)
        yield Delta("Some")
        raise AssertionError("nobody asks for more")

    async with aclosing(watched(answering(), log, "How long?", "anna")) as events:
        await anext(events)
        await asyncio.sleep(0.3)
    (found,), _ = await log.find(Chosen(), 1)
    assert found.outcome == "stopped"
    assert 90 < found.ms < 250


async def test_half_a_character_is_replaced(log: QuestionLog) -> None:
    await note(log, entry("a", question="half \ud83d of it"))
    (found,), _ = await log.find(Chosen(), 1)
    assert found.question == "half ? of it"


# ---------------------------------------------------------------- in numbers


def test_ratings_are_summed_by_day_reason_and_document() -> None:
    rated = [
        entry("a", rating="up", rated=START, documents=("one",)),
        entry("b", rating="down", rated=START, reasons=("wrong", "outdated"), documents=("one", "two")),
        entry("c", rating="down", rated=START - timedelta(days=1), reasons=("wrong",), documents=("two",)),
    ]
    found = feedback_of(rated, 10, date(2026, 11, 18), date(2026, 11, 20))
    assert [(one.up, one.down) for one in found.days] == [(0, 0), (0, 1), (1, 1)]
    assert (found.up, found.down, found.answers) == (1, 2, 10)
    assert [(one.reason, one.count) for one in found.reasons] == [("wrong", 2), ("outdated", 1)]
    assert [(one.document_id, one.up, one.down) for one in found.documents] == [("two", 0, 2), ("one", 1, 1)]


def test_the_times_of_a_day_are_of_whole_answers_that_were_made_anew() -> None:
    asked = [entry(str(ms), ms=float(ms)) for ms in range(1, 101)]
    asked += [entry("cached", ms=0.0, cached=True), entry("failed", ms=9999.0, outcome="failed")]
    (before, day) = activity_of(asked, date(2026, 11, 19), date(2026, 11, 20))
    assert (before.questions, before.p50_ms) == (0, None)
    assert (day.questions, day.cached, day.p50_ms, day.p95_ms) == (102, 1, 50.0, 95.0)
    assert day.outcomes == {"answered": 101, "failed": 1}
