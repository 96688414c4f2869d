"""`rag gaps`, and what `rag ask` leaves in the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag.questions import LoggedQuestion, QuestionLog
from rag.questions.log import FILE, Chosen
from tests.cli.commands import Commands

ASKED = {
    "How do I request parental leave?": 1,
    "How can I apply for parental leave?": 2,
    "Is there a gym discount [bold]for\x1b[31m employees?": 20,
}


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    (tmp_path / "cwd").mkdir()
    return Commands(tmp_path / "data", tmp_path / "cwd")


async def test_gaps_are_printed_for_people_and_for_machines(commands: Commands) -> None:
    log = QuestionLog(commands.data_dir / FILE, 30)
    for number, (question, days) in enumerate(ASKED.items()):
        at = datetime.now(UTC) - timedelta(days=days)
        log.note(
            LoggedQuestion(
                id=str(number), at=at, caller="anna", question=question, outcome="not_found", ms=1.0
            )
        )
    await log.written()
    machines = commands.rag("gaps", "--json")
    assert [(gap["question"] in ASKED, gap["count"]) for gap in machines.json["gaps"]] == [
        (True, 2),
        (True, 1),
    ]
    people = commands.rag("gaps", "--days", "7")
    assert people.code == 0
    assert "2 times, by 1 caller" in people.out
    assert "gym" not in people.out
    assert "\x1b" not in commands.rag("gaps").out


async def test_a_question_at_the_command_line_is_logged_as_local(commands: Commands) -> None:
    assert commands.rag("ask", "Who keeps the keys of the boat?", "--json").code == 0
    ((one,), _) = await QuestionLog(commands.data_dir / FILE, 30).find(Chosen(), 10)
    assert (one.caller, one.question, one.outcome) == (
        "local",
        "Who keeps the keys of the boat?",
        "not_found",
    )
    ran = commands.rag("gaps")
    assert "Who keeps the keys of the boat?" in ran.out


async def test_what_an_evaluation_asks_is_no_readers_question(commands: Commands) -> None:
    questions = commands.cwd / "questions.jsonl"
    questions.write_text('{"question": "Who evaluates?", "answer": "Nobody."}\n')
    ran = commands.rag("eval", str(questions), "--answers", "--out", str(commands.cwd / "out"), "--json")
    assert ran.json["models"] == {"none": 1}
    assert not (commands.data_dir / FILE).exists()


def test_nothing_unanswered_is_told(commands: Commands) -> None:
    ran = commands.rag("gaps", "--days", "1")
    assert (ran.code, ran.out) == (0, "")
    assert "Nothing was left unanswered in 1 day." in ran.err
