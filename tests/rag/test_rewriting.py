"""Rewrites and checkpoints by Claude, against a server of the protocol: what is sent, what is believed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from rag.claude import ClaudeClient, Turn, prompt
from rag.conversation import Checkpoint, Fitted, fit, fold_by_rule
from rag.followups import standalone_by_rule
from rag.purse import Purse
from rag.rewriting import Rewritten, extend, rewrite
from rag.settings import Settings
from tests.claude_server import ClaudeServer, ErrorStatus, MaxTokens, Refusal

HAIKU = "claude-haiku-5-5"
TURNS = [
    Turn("user", "How long are daily backups kept?"),
    Turn("assistant", "Daily backups are kept for 90 days [1]."),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ClaudeServer]:
    with ClaudeServer() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(server: ClaudeServer) -> None:
    server.reset()


@pytest.fixture
async def claude(server: ClaudeServer) -> AsyncIterator[ClaudeClient]:
    client = ClaudeClient(
        Settings(anthropic_base_url=server.url, anthropic_api_key=SecretStr("sk-test-key"), claude_timeout=5)
    )
    yield client
    await client.close()


async def rewritten(claude: ClaudeClient | None, question: str, payer: Purse | None = None) -> Rewritten:
    return await rewrite(claude, HAIKU, question, TURNS, deadline=10, payer=payer or Purse())


def words(text: str) -> int:
    return len(text.split())


async def test_a_follow_up_is_rewritten_by_the_model_and_is_on_the_bill(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue('{"question": "How long are  weekly backups kept?"}')
    purse = Purse()
    done = await rewritten(claude, "what about weekly ones?", purse)
    assert (done.question, done.by) == ("How long are weekly backups kept?", "model")
    assert sum(one.usd or 0 for one in purse.charges) > 0
    body = server.requests[-1].body
    assert [block["text"] for block in body["system"]] == [prompt("rewrite")]
    (message,) = body["messages"]
    sent = json.loads(message["content"])
    assert sent["question"] == "what about weekly ones?"
    assert [turn["role"] for turn in sent["conversation"]] == ["user", "assistant"]


async def test_a_question_that_stands_alone_costs_nothing(server: ClaudeServer, claude: ClaudeClient) -> None:
    question = "Which printers are on the third floor?"
    assert await rewritten(claude, question) == Rewritten(question, "none")
    assert server.requests == []


async def test_without_claude_the_rule_rewrites() -> None:
    question = "what about weekly ones?"
    assert await rewritten(None, question) == Rewritten(standalone_by_rule(question, TURNS), "rule")


@pytest.mark.parametrize(
    "reply", [ErrorStatus(400), ErrorStatus(401), Refusal(), MaxTokens('{"question": "How lo'), "no JSON"]
)
async def test_where_claude_fails_the_rule_rewrites(
    server: ClaudeServer, claude: ClaudeClient, reply: Any
) -> None:
    server.enqueue(reply)
    purse = Purse()
    done = await rewritten(claude, "what about weekly ones?", purse)
    assert (done.question, done.by) == (standalone_by_rule("what about weekly ones?", TURNS), "rule")
    assert bool(purse.charges) == (not isinstance(reply, ErrorStatus))


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("and those?", ""),
        ("and those?", "   "),
        ("and those?", "Backups " * 60),
        ("and in 2025?", "How long were daily backups kept?"),
        ('and "cold" ones?', "How long are old backups kept?"),
        ("and with `--keep-last`?", "How long are backups kept with keep?"),
        ("and those?", "How long are the backups of the last 14 days kept?"),
    ],
)
async def test_a_rewrite_that_loses_or_invents_something_is_not_believed(
    server: ClaudeServer, claude: ClaudeClient, question: str, reply: str
) -> None:
    server.enqueue(json.dumps({"question": reply}))
    assert (await rewritten(claude, question)).by == "rule"


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("and in 2025?", "How long were daily backups kept in 2025?"),
        ('and "cold" ones?', 'How long are daily "cold" backups kept?'),
        (
            "is that the employee's choice?",
            "Is it the employee's choice that daily backups are kept for 90 days?",
        ),
    ],
)
async def test_a_rewrite_that_keeps_what_is_exact_is_believed(
    server: ClaudeServer, claude: ClaudeClient, question: str, reply: str
) -> None:
    server.enqueue(json.dumps({"question": reply}))
    done = await rewritten(claude, question)
    assert (done.question, done.by) == (reply, "model")


def long_conversation() -> Fitted:
    turns = [turn for _ in range(12) for turn in TURNS]
    return fit(turns, 200, None, words)


async def test_a_checkpoint_is_extended_by_the_model_with_only_the_turns_it_lacks(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue(json.dumps({"notes": "Daily backups are kept for 90 days.\n\nAsked twelve times."}))
    fitted = long_conversation()
    before = Checkpoint("Leave was spoken of.", 4, frozenset({"d"}))
    given = Fitted(before, fitted.folded, fitted.recent)
    purse = Purse()
    done = await extend(claude, HAIKU, given, 200, words, deadline=10, payer=purse)
    assert done.by == "model"
    assert done.checkpoint == Checkpoint(
        "Daily backups are kept for 90 days.\nAsked twelve times.",
        4 + len(fitted.folded),
        frozenset({"d"}),
    )
    assert sum(one.usd or 0 for one in purse.charges) > 0
    sent = json.loads(server.requests[-1].body["messages"][0]["content"])
    assert sent["notes"] == "Leave was spoken of."
    assert len(sent["turns"]) == len(fitted.folded)


@pytest.mark.parametrize("reply", ["", "Backups are kept for 60 days.", None])
async def test_a_checkpoint_that_is_empty_or_invents_a_number_is_made_by_rule(
    server: ClaudeServer, claude: ClaudeClient, reply: str | None
) -> None:
    server.enqueue(ErrorStatus(400) if reply is None else json.dumps({"notes": reply}))
    fitted = long_conversation()
    done = await extend(claude, HAIKU, fitted, 200, words, deadline=10, payer=Purse())
    assert (done.by, done.checkpoint) == ("rule", fold_by_rule(fitted, 200, words))


async def test_a_checkpoint_of_the_model_s_stays_within_its_share(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue(json.dumps({"notes": "Backups were spoken of at length.\n" * 40}))
    fitted = long_conversation()
    done = await extend(claude, HAIKU, fitted, 200, words, deadline=10, payer=Purse())
    assert done.checkpoint is not None
    assert 0 < words(done.checkpoint.text) <= 50


async def test_nothing_is_asked_while_everything_fits(server: ClaudeServer, claude: ClaudeClient) -> None:
    done = await extend(claude, HAIKU, fit(TURNS, 200, None, words), 200, words, deadline=10, payer=Purse())
    assert (done.checkpoint, done.by) == (None, "none")
    assert server.requests == []
