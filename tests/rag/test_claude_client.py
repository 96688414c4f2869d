"""The client and the real SDK against a server of the protocol: what is sent, how each failure is borne."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from rag.claude import ClaudeClient, Spent
from rag.errors import SchemaMismatch
from rag.settings import Settings
from tests.claude_server import ClaudeServer

HAIKU = "claude-haiku-5-5"
SONNET = "claude-sonnet-5-5"
SCHEMA = {
    "type": "object",
    "properties": {"standalone": {"type": "string"}},
    "required": ["standalone"],
    "additionalProperties": False,
}


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


async def complete(claude: ClaudeClient, model: str = HAIKU, **more: Any) -> Any:
    asked: dict[str, Any] = {"system": "Rewrite.", "content": "And when?", "max_tokens": 200, "deadline": 10}
    return await claude.complete(model, schema=SCHEMA, **asked | more)


@pytest.mark.parametrize("model", [HAIKU, SONNET])
async def test_a_completion_is_json_by_the_schema_and_has_a_bill(
    server: ClaudeServer, claude: ClaudeClient, model: str
) -> None:
    server.enqueue('{"standalone": "When do keys rotate?"}')
    done = await complete(claude, model)
    assert done.data == {"standalone": "When do keys rotate?"}
    assert done.usage.prompt_tokens > 0
    assert done.usd
    assert server.requests[-1].body["output_config"]["format"] == {"type": "json_schema", "schema": SCHEMA}


async def test_a_completion_that_is_not_json_is_a_mismatch_and_its_cost_is_told(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue("I would rather talk.")
    spent: list[Spent] = []
    with pytest.raises(SchemaMismatch):
        await complete(claude, on_spent=spent.append)
    (one,) = spent
    assert one.usd
