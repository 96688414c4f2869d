"""`rag batch` as a person runs it: the cost first, Ctrl-C in the middle, the same command again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.documents import Answer
from tests.claude_server import ClaudeServer

from .commands import SECONDS, Commands, Ran
from .folder import ANSWER, QUESTION


@pytest.fixture
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer() as server:
        server.batches.looks = None
        yield server


@pytest.fixture
def asked(tmp_path: Path) -> tuple[str, ...]:
    """The command without its options; one of the lines is no question."""
    questions = tmp_path / "questions.jsonl"
    questions.write_text(f"{json.dumps({'id': 'q', 'question': QUESTION})}\nWhen?\n")
    return ("rag", "batch", str(questions), "-o", str(tmp_path / "answers.jsonl"))


@pytest.mark.slow
def test_nothing_is_sent_unasked_and_nothing_twice(
    added: Ran, commands: Commands, claude: ClaudeServer, asked: tuple[str, ...], tmp_path: Path
) -> None:
    env = {"ANTHROPIC_BASE_URL": claude.url, "ANTHROPIC_API_KEY": "sk-ant-test-not-shown"}

    unasked = commands.wait(commands.start(*asked, **env))
    assert (unasked.code, unasked.out) == (2, "")
    assert "1 question in 1 batch, at half price: about $0.000" in unasked.err
    assert "--yes" in unasked.err
    assert claude.requests == []

    too_dear = commands.wait(commands.start(*asked, "--yes", "--max-usd", "0.000001", **env))
    assert (too_dear.code, "--max-usd" in too_dear.err, claude.requests) == (1, True, [])

    going = commands.start(*asked, "--yes", **env)
    assert claude.batches.looked_at.wait(SECONDS)
    os.killpg(going.pid, signal.SIGINT)
    interrupted = commands.wait(going)
    assert interrupted.code == 130
    assert "Run the same command again" in interrupted.err
    assert not (tmp_path / "answers.jsonl").exists()

    (batch,) = claude.batches.kept
    claude.batches.end(batch)
    fetched = commands.wait(commands.start(*asked, "--json", **env))
    assert fetched.code == 1, "one line was no question"
    assert (fetched.json["answered"], fetched.json["failed"]) == (1, [])
    assert [bad["line"] for bad in fetched.json["bad_lines"]] == [2]
    written = (tmp_path / "answers.jsonl").read_text()
    answer = Answer.model_validate_json(written)
    assert (answer.id, answer.question, answer.citations[0].quote) == ("q", QUESTION, ANSWER)
    assert fetched.json["usd"] == answer.receipt.usd > 0

    claude.requests.clear()
    again = commands.wait(commands.start(*asked, "--json", **env))
    assert again.json == fetched.json
    assert (tmp_path / "answers.jsonl").read_text() == written
    (tmp_path / "questions.jsonl").write_text('"Who?"\n')
    changed = commands.wait(commands.start(*asked, **env))
    assert (changed.code, "answers.jsonl.state.json" in changed.err) == (2, True)
    assert claude.requests == []
    everything = [unasked, too_dear, interrupted, fetched, again, changed]
    assert not any("sk-ant-test" in ran.out + ran.err for ran in everything)


def test_what_cannot_be_a_run_is_misuse(elsewhere: Commands, asked: tuple[str, ...], tmp_path: Path) -> None:
    no_key = elsewhere.wait(elsewhere.start(*asked))
    assert (no_key.code, "ANTHROPIC_API_KEY" in no_key.err) == (2, True)
    (tmp_path / "answers.jsonl").write_text("mine\n")
    overwriting = elsewhere.wait(elsewhere.start(*asked, ANTHROPIC_API_KEY="sk-ant-test"))
    assert (overwriting.code, "another" in overwriting.err) == (2, True)
    assert (tmp_path / "answers.jsonl").read_text() == "mine\n"
