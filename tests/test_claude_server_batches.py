"""The SDK's `messages.batches` against the test server: what the API promises and what it rejects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic

from tests.claude_server import ClaudeServer, ErrorStatus, Expired, MaxTokens

# One loop and one client for all tests: to make a client takes longer than most of them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def running() -> Iterator[ClaudeServer]:
    with ClaudeServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(running: ClaudeServer) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=running.url, api_key="test", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def server(running: ClaudeServer) -> ClaudeServer:
    running.reset()
    return running


def request(custom_id: str, **changes: Any) -> Any:
    result = {
        "type": "search_result",
        "source": "a",
        "title": "Returns",
        "content": [{"type": "text", "text": "Goods may be returned within 30 days."}],
        "citations": {"enabled": True},
    }
    asked = {"type": "text", "text": "When may goods be returned?"}
    params = {
        "model": "claude-haiku-5-5",
        "max_tokens": 500,
        "thinking": {"type": "disabled"},
        "messages": [{"role": "user", "content": [result, asked]}],
    }
    return {"custom_id": custom_id, "params": {**params, **changes}}


async def results(client: AsyncAnthropic, id: str) -> list[Any]:
    return [one async for one in await client.messages.batches.results(id)]


async def test_a_batch_ends_and_its_results_come_in_another_order(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.batches.looks = 1
    made = await client.messages.batches.create(requests=[request("a"), request("b")])
    assert (made.processing_status, made.request_counts.processing, made.results_url) == (
        "in_progress",
        2,
        None,
    )
    assert (await client.messages.batches.retrieve(made.id)).processing_status == "in_progress"
    ended = await client.messages.batches.retrieve(made.id)
    assert (ended.processing_status, ended.request_counts.succeeded, ended.request_counts.processing) == (
        "ended",
        2,
        0,
    )
    found = await results(client, made.id)
    assert [one.custom_id for one in found] == ["b", "a"]
    message = found[0].result.message
    assert message.content[0].citations[0].cited_text == "Goods may be returned within 30 days."
    assert message.usage.service_tier == "batch"


async def test_what_is_wrong_with_one_request_is_that_requests_result(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.batches.enqueue(MaxTokens("So"), ErrorStatus(529), Expired())
    wrong = [request("unknown", model="claude-none"), request("forced", temperature=1.0)]
    made = await client.messages.batches.create(
        requests=[request("short"), request("busy"), request("late"), *wrong]
    )
    await client.messages.batches.retrieve(made.id)
    found = {one.custom_id: one.result for one in await results(client, made.id)}
    assert found["short"].message.stop_reason == "max_tokens"
    assert found["late"].type == "expired"
    errors = {name: result.error.error.type for name, result in found.items() if result.type == "errored"}
    assert errors == {
        "busy": "overloaded_error",
        "unknown": "not_found_error",
        "forced": "invalid_request_error",
    }


@pytest.mark.parametrize("ids", [[], ["a", "a"], ["a b"], [""], ["x" * 65], ["ä"]])
async def test_custom_ids_are_checked_at_once(
    client: AsyncAnthropic, server: ClaudeServer, ids: list[str]
) -> None:
    with pytest.raises(anthropic.BadRequestError):
        await client.messages.batches.create(requests=[request(id) for id in ids])
    assert server.batches.kept == []


async def test_a_batch_that_is_cancelled_ends_with_cancelled_requests(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.batches.looks = None
    made = await client.messages.batches.create(requests=[request("a")])
    assert (await client.messages.batches.cancel(made.id)).processing_status == "canceling"
    assert (await client.messages.batches.retrieve(made.id)).request_counts.canceled == 1
    assert [one.result.type for one in await results(client, made.id)] == ["canceled"]
    with pytest.raises(anthropic.BadRequestError):
        await client.messages.batches.cancel(made.id)


async def test_batches_are_listed_newest_first_over_all_pages(client: AsyncAnthropic) -> None:
    made = [(await client.messages.batches.create(requests=[request("a")])).id for _ in range(5)]
    assert [one.id async for one in client.messages.batches.list(limit=2)] == made[::-1]
    after = await client.messages.batches.list(after_id=made[3], limit=2)
    assert [one.id for one in after.data] == [made[2], made[1]]


async def test_results_that_are_not_there_are_not_found(client: AsyncAnthropic, server: ClaudeServer) -> None:
    server.batches.looks = None
    made = await client.messages.batches.create(requests=[request("a")])
    with pytest.raises(anthropic.AnthropicError):
        await results(client, made.id)
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.batches.retrieve("msgbatch_none")
