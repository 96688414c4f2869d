"""What a request says and in which order: stable parts first, byte for byte alike, and kept by Claude."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from pydantic import SecretStr

from rag.claude import ClaudeClient, Prompt, SearchResult, Turn, Usage, load_prices, prompt
from rag.claude.prices import Keep
from rag.claude.requests import OMITTED, request_body
from rag.purse import Purse
from rag.settings import Settings
from tests.claude_server import ClaudeServer
from tests.claude_server.rules import check_create

TABLE = load_prices(None)
HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
ROUTES = [(HAIKU, "answer"), (SONNET, "synthesis")]
RESULTS = [SearchResult("c1", "Keys", ["Keys rotate yearly.", "Two safes."]), SearchResult("c2", "B", ["B."])]


@pytest.fixture(scope="module")
def server() -> Iterator[ClaudeServer]:
    with ClaudeServer() as server:
        yield server


@pytest.fixture
async def claude(server: ClaudeServer) -> AsyncIterator[ClaudeClient]:
    server.reset()
    client = ClaudeClient(Settings(anthropic_base_url=server.url, anthropic_api_key=SecretStr("sk-test")))
    yield client
    await client.close()


class Bill(Purse):
    """Keeps what the last attempt has used and cost, in more detail than a charge."""

    usage = Usage()
    usd: float | None = None

    def ended(self, worst: float | None, model: str, usage: Usage, usd: float | None) -> None:
        self.usage, self.usd = usage, usd


async def bill(claude: ClaudeClient, model: str, asked: Prompt) -> Bill:
    payer = Bill()
    async for _ in claude.stream(model, asked, max_tokens=200, deadline=30, payer=payer):
        pass
    return payer


def stable_part(body: dict[str, Any]) -> bytes:
    """All that decides whether Claude finds the system prompt again."""
    return json.dumps([body[name] for name in ("model", "system")] + [body.get("thinking")]).encode()


@pytest.mark.parametrize(("model", "name"), ROUTES)
async def test_two_questions_share_their_stable_part_and_the_second_reads_it_from_the_cache(
    server: ClaudeServer, claude: ClaudeClient, model: str, name: str
) -> None:
    first = await bill(claude, model, Prompt(prompt(name), RESULTS[:1], "How often?"))
    second = await bill(claude, model, Prompt(prompt(name), RESULTS[1:], "And where?", [Turn("user", "Hm")]))
    bodies = [request.body for request in server.requests]
    assert stable_part(bodies[0]) == stable_part(bodies[1])
    assert first.usage.cache_write_tokens > TABLE.models[model].cache_minimum
    assert second.usage.cache_read_tokens == first.usage.cache_write_tokens
    assert second.usage.cache_write_tokens == 0


@pytest.mark.parametrize(("model", "name"), ROUTES)
def test_the_system_prompt_is_long_enough_to_be_kept(model: str, name: str) -> None:
    """A word is at least one token, whatever the tokenizer."""
    assert len(prompt(name).split()) > TABLE.models[model].cache_minimum


async def test_documents_that_are_asked_about_again_are_kept_too(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    asked = Prompt(prompt("synthesis"), RESULTS, "Sum it up.", keep_results=True)
    first = await bill(claude, SONNET, asked)
    again = Prompt(prompt("synthesis"), RESULTS, "Now shorter.", keep_results=True)
    second = await bill(claude, SONNET, again)
    assert second.usage.cache_read_tokens == first.usage.cache_write_tokens
    content = server.requests[-1].body["messages"][0]["content"]
    assert [("cache_control" in block) for block in content] == [False, True, False]


@pytest.mark.parametrize(
    ("keep", "control"),
    [("5m", {"type": "ephemeral"}), ("1h", {"type": "ephemeral", "ttl": "1h"}), ("off", None)],
)
def test_how_long_claude_keeps_a_prompt_is_a_setting(keep: Keep, control: Any) -> None:
    body = request_body(TABLE, HAIKU, Prompt("You answer.", RESULTS, "How?", keep_results=True), 200, keep)
    assert body["system"][0].get("cache_control") == control
    assert body["messages"][0]["content"][1].get("cache_control") == control


async def test_an_hour_in_the_cache_is_billed_at_its_own_rate(server: ClaudeServer) -> None:
    server.reset()
    access = {"anthropic_base_url": server.url, "anthropic_api_key": SecretStr("sk-test")}
    claude = ClaudeClient(Settings(prompt_cache="1h", **access))
    spent = await bill(claude, HAIKU, Prompt(prompt("answer"), RESULTS, "How often?"))
    await claude.close()
    used = spent.usage
    assert used.hour_write_tokens == used.cache_write_tokens > 0
    expected = used.input_tokens * 0.10 + used.cache_write_tokens * 0.20 + used.output_tokens * 0.50
    assert spent.usd == pytest.approx(expected / 1e6, abs=1e-8)


USER, CLAUDE = Turn("user", "Which keys?"), Turn("assistant", "The disk keys.")


@pytest.mark.parametrize(
    ("history", "roles"),
    [
        ([], ["user"]),
        ([USER, CLAUDE], ["user", "assistant", "user"]),
        ([CLAUDE], ["user", "assistant", "user"]),
        ([USER], ["user"]),
        ([USER, USER, CLAUDE, CLAUDE, USER], ["user", "assistant", "user"]),
        ([USER, Turn("assistant", " "), CLAUDE], ["user", "assistant", "user"]),
    ],
)
@pytest.mark.parametrize("results", [RESULTS, []], ids=["documents", "no documents"])
def test_any_history_makes_a_request_that_the_api_takes(
    history: Sequence[Turn], roles: list[str], results: list[SearchResult]
) -> None:
    body = request_body(TABLE, HAIKU, Prompt("You answer.", results, "How often?", history), 200, "5m")
    check_create(body)
    messages = body["messages"]
    assert [message["role"] for message in messages] == roles
    assert messages[-1]["content"][-1] == {"type": "text", "text": "How often?"}
    kinds = [block["type"] for message in messages for block in message["content"]]
    assert kinds[: len(results)] == ["search_result"] * len(results)
    told = [block["text"] for message in messages for block in message["content"] if "text" in block]
    assert [text for text in told if text != OMITTED] == [
        *(turn.text for turn in history if turn.text.strip()),
        "How often?",
    ]
