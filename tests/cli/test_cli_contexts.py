"""`ingest add --contextualize` as a person runs it: the cost first, nothing paid twice, nothing shown."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.claude_server import ClaudeServer, Slow
from tests.ingest.contextual import Contextual, away, bodies, passage_of

from .commands import SECONDS, Commands, Ran

KEY = "sk-ant-test-not-shown"
HOURS = "It opens at nine and closes at noon, but not on Mondays."
BIRDS = "Penguins are birds of the south, and eat fish at all times of the day."
CONTEXT = "**Context:** The <b>feeding times</b> of the penguin house in the `Wren` zoo."
CLEAN = "The feeding times of the penguin house in the Wren zoo."
QUERY = "penguin feeding times"
FILLER = " ".join(f"The committee met for the {n}th time and agreed on the minutes." for n in range(45))


@pytest.fixture
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(default=Contextual({HOURS: CONTEXT})) as server:
        yield server


@pytest.fixture
def env(claude: ClaudeServer) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": claude.url, "ANTHROPIC_API_KEY": KEY, "RAG_RERANK": "false"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A document of three chunks, which Claude keeps in its cache, and one of a single chunk."""
    path = tmp_path / "docs"
    path.mkdir()
    (path / "zoo.md").write_text(f"# House 4\n\n{HOURS}\n\n# Minutes\n\n{FILLER}\n")
    (path / "birds.md").write_text(f"# Birds\n\n{BIRDS}\n")
    return path


def first(ran: Ran) -> dict[str, Any]:
    hit: dict[str, Any] = ran.json["hits"][0]
    return hit


def spent(data_dir: Path) -> dict[str, float]:
    with sqlite3.connect(data_dir / "usage.sqlite") as db:
        return dict(db.execute("SELECT key, SUM(usd) FROM usage GROUP BY key").fetchall())


def contexts_check(ran: Ran) -> dict[str, Any]:
    """What `ingest doctor --json` tells of contexts; empty when there is nothing to tell."""
    found: dict[str, Any] = next((check for check in ran.json if check["name"] == "contexts"), {})
    return found


@pytest.mark.slow
def test_contexts_change_what_is_found_and_nothing_that_is_shown(
    elsewhere: Commands, claude: ClaudeServer, env: dict[str, str], folder: Path
) -> None:
    plain = elsewhere.ingest("add", str(folder), "--json")
    assert (plain.code, plain.json["contexts"], plain.json["chunks_without_context"]) == (0, None, 0)
    assert HOURS not in first(elsewhere.rag("search", QUERY, "--json", RAG_RERANK="false"))["text"]
    text = elsewhere.ingest("show", "zoo.md", "--text").out

    unasked = elsewhere.ingest("add", str(folder), "--contextualize", "now", "--json", **env)
    assert unasked.code == 2
    assert "--yes" in unasked.err
    assert "of 2 documents by claude-haiku-5-5, at once: about " in unasked.err
    assert "of them from Claude's cache: about $0.0" in unasked.err
    assert "at most $0.0" in unasked.err
    assert unasked.json["error"]
    assert (unasked.json["documents"], claude.requests) == (0, [])

    added = elsewhere.ingest("add", str(folder), "--contextualize", "now", "--yes", "--json", **env)
    told = added.json["contexts"]
    assert (added.code, added.json["changed"]) == (0, 2), added.err
    assert (told["how"], told["model"], told["kept"]) == ("now", "claude-haiku-5-5", 0)
    assert told["written"] == added.json["chunks"] == told["requests"] == len(claude.requests)
    assert told["missing"] == []
    assert told["cache_read_tokens"] > told["cache_write_tokens"] > 0
    assert 0 < told["usd"] <= told["estimated_usd"] * 1.2
    assert spent(elsewhere.data_dir) == pytest.approx({"ingest": told["usd"]})
    assert KEY not in added.out + added.err

    hit = first(elsewhere.rag("search", QUERY, "--json", RAG_RERANK="false"))
    assert HOURS in hit["text"]
    assert "penguin" not in hit["text"]
    assert elsewhere.ingest("show", "zoo.md", "--text").out == text
    answer = elsewhere.rag("ask", "When are the penguins fed?", "--json").json
    assert all(one["quote"] in text + BIRDS for one in answer["citations"])

    shown = elsewhere.ingest("show", "zoo.md", "--chunks", "--json").json
    assert shown["contexts"]["chunks"] == len(shown["chunks"])
    assert [chunk["context"] for chunk in shown["chunks"] if HOURS in chunk["text"]] == [CLEAN]

    claude.requests.clear()
    again = elsewhere.ingest("add", str(folder), "--contextualize", "now", "--json", **env)
    assert (again.code, again.json["unchanged"], claude.requests) == (0, 2, [])


@pytest.mark.slow
def test_what_a_killed_run_has_paid_for_is_not_paid_again(
    elsewhere: Commands, claude: ClaudeServer, env: dict[str, str], folder: Path
) -> None:
    command = ("ingest", "add", str(folder), "--contextualize", "now", "--yes", "--json")
    claude.enqueue("One.", "Two.", Slow("Three.", before_first=SECONDS))
    going = elsewhere.start(*command, **env, RAG_MAP_PARALLEL="1")
    deadline = time.monotonic() + SECONDS
    while len(claude.requests) < 3:
        assert time.monotonic() < deadline
        assert going.poll() is None
        time.sleep(0.05)
    # What it has paid for is not swept up, though the documents are not in: neither now nor once it is dead.
    assert "at work" in contexts_check(elsewhere.ingest("doctor", "--repair", "--json"))["detail"]
    os.killpg(going.pid, signal.SIGKILL)
    going.communicate()
    assert contexts_check(elsewhere.ingest("doctor", "--repair", "--json")) == {}
    before = [passage_of(body) for body in bodies(claude.requests)[:2]]

    claude.requests.clear()
    again = elsewhere.wait(elsewhere.start(*command, **env))
    after = [passage_of(body) for body in bodies(claude.requests)]
    assert again.code == 0
    assert (again.json["contexts"]["kept"], again.json["contexts"]["written"]) == (2, len(after))
    assert len(after) == again.json["chunks"] - 2
    assert not set(before) & set(after)


@pytest.mark.slow
def test_a_batch_survives_its_run_and_is_sent_once(
    elsewhere: Commands, claude: ClaudeServer, env: dict[str, str], folder: Path
) -> None:
    claude.batches.looks = None
    command = ("ingest", "add", str(folder), "--contextualize", "batch", "--poll", "1", "--yes", "--json")
    going = elsewhere.start(*command, **env)
    assert claude.batches.looked_at.wait(SECONDS)
    os.killpg(going.pid, signal.SIGKILL)
    going.communicate()
    (batch,) = claude.batches.kept
    assert {
        body["messages"][0]["content"][0]["cache_control"]["ttl"] for body in bodies(claude.requests)
    } == {"1h"}

    claude.batches.end(batch)
    again = elsewhere.wait(elsewhere.start(*command, **env))
    assert again.code == 0
    assert claude.batches.kept == [batch]
    told = again.json["contexts"]
    assert (told["written"] + told["kept"], told["missing"]) == (again.json["chunks"], [])
    assert told["requests"] == len(batch.requests)
    assert spent(elsewhere.data_dir) == pytest.approx({"ingest": told["usd"]})
    assert HOURS in first(elsewhere.rag("search", QUERY, "--json", RAG_RERANK="false"))["text"]


@pytest.mark.slow
def test_a_batch_is_not_sent_again_because_claude_was_away(
    elsewhere: Commands, claude: ClaudeServer, env: dict[str, str], folder: Path
) -> None:
    command = ("add", str(folder), "--contextualize", "batch", "--poll", "1", "--yes", "--json")
    with away(claude.batches):
        ran = elsewhere.ingest(*command, **env)
    assert (ran.code, ran.json["documents"]) == (1, 0)
    assert "run the same command again" in " ".join(ran.err.split())
    again = elsewhere.ingest(*command, **env)
    assert (again.code, again.json["contexts"]["missing"]) == (0, [])
    assert len(claude.batches.kept) == 1
    assert spent(elsewhere.data_dir) == pytest.approx({"ingest": again.json["contexts"]["usd"]})


@pytest.mark.slow
def test_a_copy_keeps_the_contexts_that_it_shares_with_a_removed_document(
    elsewhere: Commands, env: dict[str, str], folder: Path
) -> None:
    (folder / "copy.md").write_text((folder / "zoo.md").read_text())
    assert elsewhere.ingest("add", str(folder), "--contextualize", "now", "--yes", **env).code == 0
    shared = elsewhere.ingest("show", "copy.md", "--chunks", "--json").json["chunks"]
    with sqlite3.connect(elsewhere.data_dir / "contexts.sqlite") as db:  # two days later
        for table in ("contexts", "uses"):
            db.execute(f"UPDATE {table} SET at = at - 172800")
        (before,) = db.execute("SELECT COUNT(*) FROM contexts").fetchone()
    for name, left in (("zoo.md", before), ("birds.md", before - 1), ("copy.md", 0)):
        if name == "copy.md":
            assert elsewhere.ingest("show", name, "--chunks", "--json").json["chunks"] == shared
            assert all(chunk["context"] for chunk in shared)
        assert elsewhere.ingest("remove", name).code == 0
        elsewhere.ingest("doctor", "--repair", "--json")
        with sqlite3.connect(elsewhere.data_dir / "contexts.sqlite") as db:
            assert db.execute("SELECT COUNT(*) FROM contexts").fetchone() == (left,)


def test_what_cannot_begin_says_why_before_anything_is_done(
    elsewhere: Commands, env: dict[str, str], folder: Path, no_models: str
) -> None:
    paths = ("add", str(folder), "--contextualize")
    no_key = elsewhere.ingest(*paths, "now", "--yes", RAG_MODELS_DIR=no_models)
    assert (no_key.code, "ANTHROPIC_API_KEY" in no_key.err) == (2, True)
    wrong = elsewhere.ingest(*paths, "later", **env)
    assert (wrong.code, "batch, now or off" in wrong.err) == (2, True)
    bad = elsewhere.ingest(*paths, "now", "--yes", "--json", **{**env, "ANTHROPIC_API_KEY": "bad-key"})
    assert (bad.code, bad.json["documents"]) == (1, 0)
    assert "ANTHROPIC_API_KEY" in bad.err
    alone = elsewhere.ingest("add", str(folder), "--yes")
    assert (alone.code, "--contextualize" in alone.err) == (2, True)
    assert not (elsewhere.data_dir / "contexts.sqlite").exists()
    assert "--contextualize" in elsewhere.ingest("add", "--help").out
