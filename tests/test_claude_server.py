"""The official SDK against the test server: what the API promises, what it rejects, and the traps."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import anthropic
import httpx2
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from anthropic.types import DocumentBlockParam, SearchResultBlockParam, TextBlockParam, ToolResultBlockParam
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase

from tests.claude_server import (
    Cite,
    ClaudeServer,
    CleanEndWithoutStop,
    ContextExceeded,
    CutConnection,
    ErrorStatus,
    InvalidCitation,
    MaxTokens,
    MidStreamError,
    Part,
    Refusal,
    Slow,
    Text,
    Thinking,
    content,
    rate_limited,
    rules,
    spend_cap,
)

HAIKU, SONNET, OLD = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-haiku-4-5"
OFF = {"type": "disabled"}
EPHEMERAL = {"type": "ephemeral"}
GOODS = ["Goods may be returned within 30 days.", " Postage is not refunded."]
HOURS = ["The office opens at nine.", " It closes at five."]


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


def result(
    sentences: list[str], *, source: str = "a", title: str = "A", cited: bool = True
) -> dict[str, Any]:
    return {
        "type": "search_result",
        "source": source,
        "title": title,
        "content": [{"type": "text", "text": sentence} for sentence in sentences],
        "citations": {"enabled": cited},
    }


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def user(*content: Any) -> list[dict[str, Any]]:
    """One user message; its texts as blocks."""
    return [{"role": "user", "content": [text(one) if isinstance(one, str) else one for one in content]}]


def request(**more: Any) -> dict[str, Any]:
    """A request that the API takes, without thinking, about two search results."""
    about = user(result(HOURS), result(GOODS, source="b", title="Returns"), "When may goods be returned?")
    return {"model": HAIKU, "max_tokens": 500, "messages": about, "thinking": OFF, **more}


async def ask(client: AsyncAnthropic, **more: Any) -> Any:
    return await client.messages.create(**request(**more))


async def stream(client: AsyncAnthropic, *, into: list[Any] | None = None, **more: Any) -> list[Any]:
    """All events as they come over the wire; `into` has those before an error too."""
    seen = [] if into is None else into
    async with await client.messages.create(**request(**more), stream=True) as events:
        async for event in events:
            seen.append(event)
    return seen


def said(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def streamed_text(events: list[Any]) -> str:
    deltas = (event.delta for event in events if event.type == "content_block_delta")
    return "".join(delta.text for delta in deltas if delta.type == "text_delta")


# The reader that answers by default


async def test_the_answer_is_a_sentence_of_the_documents_with_its_citation(client: AsyncAnthropic) -> None:
    message = await ask(client)
    (block,) = message.content
    (citation,) = block.citations
    assert block.text == GOODS[0]
    assert citation.type == "search_result_location"
    assert (citation.source, citation.title, citation.cited_text) == ("b", "Returns", GOODS[0])
    assert (citation.search_result_index, citation.start_block_index, citation.end_block_index) == (1, 0, 1)
    assert message.stop_reason == "end_turn"


async def test_sentences_are_blocks_of_their_own_with_uncited_text_between(client: AsyncAnthropic) -> None:
    facts = ["Mars has two moons.", "Mars is red.", "The moons of Mars are small."]
    message = await ask(client, messages=user(result(facts), "Which moons has Mars?"))
    assert [block.text for block in message.content] == [facts[0], " ", facts[2]]
    assert [bool(block.citations) for block in message.content] == [True, False, True]


async def test_a_question_the_documents_do_not_answer_gets_the_not_found_text(client: AsyncAnthropic) -> None:
    message = await ask(client, messages=user(result(GOODS), "What is the capital of Mongolia?"))
    assert said(message) == "I could not find this in the documents."
    assert message.content[0].citations is None


async def test_the_not_found_text_is_the_projects_choice() -> None:
    with ClaudeServer(not_found_text="Nope.") as server:
        async with AsyncAnthropic(base_url=server.url, api_key="test", max_retries=0) as client:
            assert said(await ask(client, messages=user("Who wrote Faust?"))) == "Nope."


async def test_the_question_is_the_last_text_of_the_user(client: AsyncAnthropic) -> None:
    history = [
        *user(result(HOURS), result(GOODS), "When may goods be returned?"),
        {"role": "assistant", "content": "Within 30 days."},
        {"role": "user", "content": "And when does the office open?"},
    ]
    assert said(await ask(client, messages=history)) == HOURS[0]


async def test_nothing_is_cited_when_citations_are_off(client: AsyncAnthropic) -> None:
    message = await ask(client, messages=user(result(GOODS, cited=False), "When may goods be returned?"))
    assert said(message) == GOODS[0]
    assert message.content[0].citations is None


async def test_search_results_in_a_tool_result_count_on(client: AsyncAnthropic) -> None:
    use = {"type": "tool_use", "id": "t1", "name": "search", "input": {}}
    found = {"type": "tool_result", "tool_use_id": "t1", "content": [result(GOODS)]}
    history = [
        *user(result(HOURS), "When may goods be returned?"),
        {"role": "assistant", "content": [use]},
        *user(found),
    ]
    message = await ask(
        client, messages=history, tools=[{"name": "search", "input_schema": {"type": "object"}}]
    )
    assert message.content[0].citations[0].search_result_index == 1


@pytest.mark.parametrize(
    ("source", "kind", "place"),
    [
        (
            {"type": "text", "media_type": "text/plain", "data": "Hello. Goods may be returned soon. Bye."},
            "char_location",
            {"start_char_index": 7, "end_char_index": 34},
        ),
        (
            {"type": "content", "content": [text("Hello."), text("Goods may be returned soon.")]},
            "content_block_location",
            {"start_block_index": 1, "end_block_index": 2},
        ),
    ],
)
async def test_documents_are_cited_in_the_unit_of_their_kind(
    client: AsyncAnthropic, source: dict[str, Any], kind: str, place: dict[str, int]
) -> None:
    document = {"type": "document", "source": source, "title": "D", "citations": {"enabled": True}}
    message = await ask(client, messages=user(document, "When may goods be returned?"))
    citation = message.content[0].citations[0]
    assert (citation.type, citation.document_index, citation.document_title) == (kind, 0, "D")
    assert citation.cited_text == "Goods may be returned soon."
    assert place.items() <= citation.to_dict().items()


# Streaming


async def test_events_come_in_the_order_of_the_api(client: AsyncAnthropic) -> None:
    events = await stream(client, thinking={"type": "adaptive"})
    order = [event.type for event in events]
    assert order[0] == "message_start"
    assert order[-2:] == ["message_delta", "message_stop"]
    for index in (0, 1):
        own = [event.type for event in events if getattr(event, "index", None) == index]
        assert own == ["content_block_start", *["content_block_delta"] * (len(own) - 2), "content_block_stop"]
    kinds = [event.delta.type for event in events if event.type == "content_block_delta"]
    assert list(dict.fromkeys(kinds)) == [
        "thinking_delta",
        "signature_delta",
        "text_delta",
        "citations_delta",
    ]


async def test_pings_and_unknown_events_are_on_the_wire(client: AsyncAnthropic) -> None:
    async with client.messages.with_streaming_response.create(**request(), stream=True) as response:
        wire = [line async for line in response.iter_lines()]
    assert "event: ping" in wire
    assert "event: server_notice" in wire
    assert wire[:1] == ["event: message_start"]


async def test_usage_grows_and_the_last_message_delta_has_the_whole(client: AsyncAnthropic) -> None:
    events = await stream(client)
    first, *between, last = [event for event in events if event.type in ("message_start", "message_delta")]
    assert first.message.stop_reason is None
    assert all(event.delta.stop_reason is None for event in between)
    assert first.message.usage.output_tokens < last.usage.output_tokens
    assert last.usage.input_tokens == first.message.usage.input_tokens
    assert last.delta.stop_reason == "end_turn"


@pytest.mark.parametrize("thinking", [OFF, {"type": "adaptive"}])
async def test_a_streamed_message_equals_the_one_that_is_not_streamed(
    client: AsyncAnthropic, thinking: dict[str, str]
) -> None:
    whole = await ask(client, thinking=thinking)
    async with client.messages.stream(**request(thinking=thinking)) as events:
        gathered = await events.get_final_message()
    assert [block.to_dict() for block in gathered.content] == [block.to_dict() for block in whole.content]
    assert gathered.usage == whole.usage
    assert gathered.stop_reason == whole.stop_reason


async def test_citations_may_come_before_their_text(client: AsyncAnthropic, server: ClaudeServer) -> None:
    server.enqueue(Text(Part("Soon.", Cite(1)), citations_first=True))
    events = await stream(client)
    kinds = [event.delta.type for event in events if event.type == "content_block_delta"]
    assert kinds == ["citations_delta", "text_delta"]


async def test_a_finished_stream_is_recorded_as_finished(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    await stream(client)
    (record,) = server.requests
    assert record.finished
    assert not record.disconnected
    assert record.wait(0.5)


async def test_a_client_that_hangs_up_is_recorded_as_disconnected(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(Slow("One two three four five six seven.", delay_per_chunk=60))
    async with await client.messages.create(**request(), stream=True) as events:
        async for event in events:
            if event.type == "content_block_delta":
                break
    (record,) = server.requests
    assert await asyncio.to_thread(record.wait)
    assert record.disconnected
    assert not record.finished


async def test_a_cancelled_request_that_is_not_streamed_is_recorded_as_disconnected(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(Slow("Late.", before_first=60))
    with pytest.raises(anthropic.APITimeoutError):
        await client.with_options(timeout=0.5).messages.create(**request())
    assert await asyncio.to_thread(server.requests[0].wait)
    assert server.requests[0].disconnected


# Thinking


@pytest.mark.parametrize(
    ("model", "thinking", "thinks"),
    [
        (HAIKU, None, True),
        (HAIKU, OFF, False),
        (SONNET, None, True),
        (SONNET, {"type": "between_tools"}, False),
        (OLD, None, False),
        (OLD, {"type": "enabled", "budget_tokens": 1024}, True),
    ],
)
async def test_thinking_comes_first_where_model_and_request_have_it(
    client: AsyncAnthropic, model: str, thinking: dict[str, Any] | None, thinks: bool
) -> None:
    asked = request(model=model, max_tokens=2000, thinking=thinking)
    if thinking is None:
        del asked["thinking"]
    message = await client.messages.create(**asked)
    assert (message.content[0].type == "thinking") is thinks
    assert (message.usage.output_tokens_details.thinking_tokens > 0) is thinks
    assert message.content[-1].type == "text"


async def test_omitted_thinking_keeps_its_signature_only(client: AsyncAnthropic) -> None:
    message = await ask(client, thinking={"type": "adaptive", "display": "omitted"})
    assert message.content[0].thinking == ""
    assert message.content[0].signature


async def test_thinking_tokens_count_toward_max_tokens(client: AsyncAnthropic) -> None:
    message = await ask(client, thinking={"type": "adaptive"}, max_tokens=5)
    assert message.stop_reason == "max_tokens"
    assert [block.type for block in message.content] == ["thinking"]


# Enqueued replies


async def test_enqueued_replies_come_in_their_order_then_the_default(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue("First.", Thinking("Hm.", Text("Second.")))
    first, second, third = [await ask(client) for _ in range(3)]
    assert said(first) == "First."
    assert second.content[0].thinking == "Hm."
    assert said(second) == "Second."
    assert said(third) == GOODS[0]


async def test_an_enqueued_citation_has_whole_blocks_as_its_text(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(Text("In short: ", Part("30 days, no postage", Cite(1, 0, 2), Cite(0)), "."))
    message = await ask(client)
    assert said(message) == "In short: 30 days, no postage."
    assert [one.cited_text for one in message.content[1].citations] == ["".join(GOODS), HOURS[0]]


async def test_a_citation_that_does_not_fit_the_request_tells_the_author_of_the_test(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(Text(Part("Well.", Cite(7))))
    with pytest.raises(anthropic.InternalServerError, match="no search_result 7"):
        await ask(client)


async def test_an_invalid_citation_reaches_the_client(client: AsyncAnthropic, server: ClaudeServer) -> None:
    server.enqueue(InvalidCitation("Sure."))
    message = await ask(client)
    assert message.content[0].citations[0].search_result_index == 99


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (402, anthropic.PaymentRequiredError, "billing_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (408, anthropic.RequestTimeoutError, "timeout_error"),
        (409, anthropic.ConflictError, "conflict_error"),
        (413, anthropic.ContentTooLargeError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.ServiceUnavailableError, "api_error"),
        (504, anthropic.GatewayTimeoutError, "timeout_error"),
        (529, anthropic.OverloadedError, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
async def test_each_error_status_raises_the_error_of_the_sdk(
    client: AsyncAnthropic,
    server: ClaudeServer,
    status: int,
    error: type[anthropic.APIStatusError],
    kind: str,
    streaming: bool,
) -> None:
    server.enqueue(ErrorStatus(status, message="No."))
    with pytest.raises(error) as caught:
        await ask(client, stream=streaming)
    assert caught.value.status_code == status
    assert caught.value.type == kind
    assert caught.value.api_message == "No."
    assert caught.value.request_id == caught.value.body["request_id"]


async def test_a_rate_limit_says_when_to_come_again_and_a_spend_cap_does_not(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(rate_limited(retry_after=7), spend_cap())
    with pytest.raises(anthropic.RateLimitError) as limited:
        await ask(client)
    with pytest.raises(anthropic.RateLimitError) as capped:
        await ask(client)
    assert limited.value.response.headers["retry-after"] == "7"
    assert "retry-after" not in capped.value.response.headers
    assert capped.value.error_code == "enforced_spend_limit_reached"


async def test_the_sdk_retries_an_overload_after_the_time_it_is_told(server: ClaudeServer) -> None:
    server.enqueue(ErrorStatus(529, headers={"retry-after": "0.01"}), "There.")
    async with AsyncAnthropic(base_url=server.url, api_key="test", max_retries=1) as client:
        assert said(await ask(client)) == "There."
    assert [record.status for record in server.requests] == [529, 200]
    assert [record.headers["x-stainless-retry-count"] for record in server.requests] == ["0", "1"]


async def test_an_error_in_the_middle_of_a_stream_has_status_200_and_is_not_retried(
    server: ClaudeServer,
) -> None:
    server.enqueue(MidStreamError("Goods may be"))
    seen: list[Any] = []
    async with AsyncAnthropic(base_url=server.url, api_key="test", max_retries=2) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await stream(client, into=seen)
    assert type(caught.value) is anthropic.APIStatusError
    assert caught.value.status_code == 200
    assert caught.value.type == "overloaded_error"
    assert streamed_text(seen) == "Goods may be"
    assert len(server.requests) == 1


async def test_a_cut_stream_raises_an_error_that_is_none_of_the_sdks(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(CutConnection("Goods may be"))
    seen: list[Any] = []
    with pytest.raises(httpx2.RemoteProtocolError) as caught:
        await stream(client, into=seen)
    assert not isinstance(caught.value, anthropic.APIError)
    assert streamed_text(seen) == "Goods may be"
    assert server.requests[0].wait()
    assert not server.requests[0].finished
    assert not server.requests[0].disconnected


async def test_a_clean_end_without_message_stop_raises_nothing(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(CleanEndWithoutStop("Goods may be"))
    async with client.messages.stream(**request()) as events:
        message = await events.get_final_message()
    assert said(message) == "Goods may be"
    assert message.stop_reason is None


async def test_without_streaming_the_same_failures_are_errors_of_the_sdk(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(MidStreamError("Goods"), CutConnection("Goods"))
    with pytest.raises(anthropic.OverloadedError):
        await ask(client)
    with pytest.raises(anthropic.APIConnectionError):
        await ask(client)


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        (Refusal(), "refusal", ""),
        (Refusal("Well, first"), "refusal", "Well, first"),
        (MaxTokens("Goods may"), "max_tokens", "Goods may"),
        (ContextExceeded("Goods"), "model_context_window_exceeded", "Goods"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
async def test_other_ends_are_told_by_the_stop_reason(
    client: AsyncAnthropic, server: ClaudeServer, reply: Any, reason: str, words: str, streaming: bool
) -> None:
    server.enqueue(reply)
    if streaming:
        async with client.messages.stream(**request()) as events:
            message = await events.get_final_message()
    else:
        message = await ask(client)
    assert message.stop_reason == reason
    assert said(message) == words
    assert (message.stop_details is not None) is (reason == "refusal")


async def test_a_slow_reply_runs_into_the_clients_timeout(
    client: AsyncAnthropic, server: ClaudeServer
) -> None:
    server.enqueue(Slow("Late.", before_first=60))
    with pytest.raises(anthropic.APITimeoutError):
        await client.with_options(timeout=0.2).messages.create(**request(), stream=True)


async def test_an_answer_ends_at_max_tokens_and_at_stop_sequences(client: AsyncAnthropic) -> None:
    short = await ask(client, max_tokens=4)
    stopped = await ask(client, stop_sequences=["within"])
    assert short.stop_reason == "max_tokens"
    assert short.usage.output_tokens <= 4
    assert GOODS[0].startswith(said(short))
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "within")
    assert said(stopped) == "Goods may be returned "


async def test_zero_max_tokens_fills_the_cache_and_says_nothing(client: AsyncAnthropic) -> None:
    system = [text("word " * 600, cache_control=EPHEMERAL)]
    filled = await ask(client, system=system, max_tokens=0)
    assert filled.content == []
    assert filled.stop_reason == "max_tokens"
    assert (await ask(client, system=system)).usage.cache_read_input_tokens > 0


# Headers, models, counting


async def test_every_reply_has_a_request_id_and_rate_limit_headers(client: AsyncAnthropic) -> None:
    raw = await client.messages.with_raw_response.create(**request())
    assert raw.headers["request-id"].startswith("req_")
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        for what in ("limit", "remaining", "reset"):
            assert f"anthropic-ratelimit-{kind}-{what}" in raw.headers


async def test_requests_are_recorded_as_they_came(client: AsyncAnthropic, server: ClaudeServer) -> None:
    await ask(client, system="Be brief.")
    (record,) = server.requests
    assert (record.method, record.path, record.status) == ("POST", "/v1/messages", 200)
    assert record.headers["anthropic-version"] == "2026-10-21"
    assert record.headers["authorization"] == "Bearer test"
    assert record.body == {**request(system="Be brief.")}


async def test_models_tell_their_limits_and_their_end(client: AsyncAnthropic) -> None:
    haiku = await client.models.retrieve(HAIKU)
    assert (haiku.max_input_tokens, haiku.max_tokens, haiku.lifecycle) == (1_000_000, 128_000, "active")
    assert haiku.retires_at is None
    assert haiku.capabilities.thinking.types.disabled.supported
    ending = await client.models.retrieve("claude-sonnet-4-5")
    assert (ending.lifecycle, ending.retires_at.isoformat()) == ("deprecated", "2026-11-30T00:00:00+00:00")
    sonnet = await client.models.retrieve(SONNET)
    assert not sonnet.capabilities.thinking.types.disabled.supported


async def test_the_list_of_models_comes_in_pages(client: AsyncAnthropic) -> None:
    listed = [model.id async for model in client.models.list(limit=3)]
    assert listed == [HAIKU, SONNET, OLD, "claude-sonnet-4-5"]
    active = [model.id async for model in client.models.list(lifecycle=["active"])]
    assert active == [HAIKU, SONNET, OLD]


async def test_counted_tokens_are_those_of_the_answer_and_differ_by_tokenizer(client: AsyncAnthropic) -> None:
    asked = request()
    del asked["max_tokens"]
    new = await client.messages.count_tokens(**asked)
    old = await client.messages.count_tokens(**{**asked, "model": OLD})
    assert new.input_tokens == (await ask(client)).usage.input_tokens
    assert 1.1 < new.input_tokens / old.input_tokens < 1.3


# Prompt caching


def sizes(message: Any) -> tuple[int, int, int]:
    usage = message.usage
    return usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens


def long_system(words: str = "word ") -> list[dict[str, Any]]:
    return [text(words * 600, cache_control=EPHEMERAL)]


async def test_a_prefix_is_written_once_and_read_afterwards(client: AsyncAnthropic) -> None:
    after, written, read = sizes(await ask(client, system=long_system()))
    assert written > 512
    assert read == 0
    assert sizes(await ask(client, system=long_system())) == (after, 0, written)


async def test_the_three_kinds_of_input_add_up_to_the_prompt(client: AsyncAnthropic) -> None:
    plain = sizes(await ask(client, system=[text("word " * 600)]))
    cached = sizes(await ask(client, system=long_system()))
    assert plain[1:] == (0, 0)
    assert sum(plain) == sum(cached)


async def test_a_prefix_below_the_least_size_is_not_cached(client: AsyncAnthropic) -> None:
    system = [text("Be brief.", cache_control=EPHEMERAL)]
    for _ in range(2):
        assert sizes(await ask(client, system=system))[1:] == (0, 0)


async def test_a_growing_conversation_reads_what_it_wrote_before(client: AsyncAnthropic) -> None:
    first = await ask(client, system=long_system(), cache_control=EPHEMERAL)
    longer = [
        *request()["messages"],
        {"role": "assistant", "content": "Within 30 days."},
        {"role": "user", "content": "Who pays the postage?"},
    ]
    second = await ask(client, system=long_system(), cache_control=EPHEMERAL, messages=longer)
    assert sizes(second)[2] == sum(sizes(first))
    assert sizes(second)[0] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"thinking": {"type": "adaptive"}},
        {"output_config": {"effort": "low"}},
        {"system": long_system("Word ")},
        {"messages": user(result(GOODS, cited=False), "When?")},
        {"model": OLD},
    ],
)
async def test_another_setting_invalidates_the_cache(client: AsyncAnthropic, change: dict[str, Any]) -> None:
    about = user(result(GOODS), "When?")
    about[0]["content"][0]["cache_control"] = EPHEMERAL
    changed = {"system": [text("word " * 600)], "messages": about, **change}
    if "messages" in change:
        changed["messages"][0]["content"][0]["cache_control"] = EPHEMERAL
    await ask(client, system=[text("word " * 600)], messages=about)
    assert sizes(await ask(client, **changed))[2] == 0


async def test_an_hour_is_told_apart_from_five_minutes(client: AsyncAnthropic) -> None:
    system = [text("word " * 600, cache_control={"type": "ephemeral", "ttl": "1h"})]
    usage = (await ask(client, system=system)).usage
    assert usage.cache_creation.ephemeral_1h_input_tokens == usage.cache_creation_input_tokens
    assert usage.cache_creation.ephemeral_5m_input_tokens == 0


# What the API rejects

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "object"}}, "additionalProperties": False}
TOOL = {"name": "search", "input_schema": {"type": "object"}}
MIXED_RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [result(GOODS), text("Hello.")]}
USED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "search", "input": {}}]}


def without(block: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != name}


def structured(schema: dict[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


REJECTED: dict[str, tuple[dict[str, Any], str]] = {
    "temperature": ({"extra_body": {"temperature": 1.0}}, "temperature: Extra inputs are not permitted"),
    "top_p": ({"extra_body": {"top_p": 0.9}}, "top_p: Extra inputs"),
    "top_k": ({"extra_body": {"top_k": 5}}, "top_k: Extra inputs"),
    "an unknown field": ({"extra_body": {"colour": "red"}}, "colour: Extra inputs are not permitted"),
    "prefill": ({"messages": [*user("Hi"), {"role": "assistant", "content": "Hel"}]}, "prefill"),
    "no thinking on Sonnet": ({"model": SONNET}, "disabled"),
    "a thinking budget": ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "enabled"),
    "a forced tool on Sonnet": (
        {"model": SONNET, "thinking": {"type": "adaptive"}, "tools": [TOOL], "tool_choice": {"type": "any"}},
        "tool_choice",
    ),
    "a named tool on Sonnet": (
        {
            "model": SONNET,
            "thinking": {"type": "adaptive"},
            "tools": [TOOL],
            "tool_choice": {"type": "tool", "name": "search"},
        },
        "tool_choice",
    ),
    "adaptive thinking on 4.5": ({"model": OLD, "thinking": {"type": "adaptive"}}, "adaptive"),
    "effort on 4.5": ({"model": OLD, "output_config": {"effort": "low"}}, "effort"),
    "an unknown effort": ({"output_config": {"effort": "extreme"}}, "effort"),
    "a budget over max_tokens": (
        {"model": OLD, "thinking": {"type": "enabled", "budget_tokens": 2000}},
        "greater than thinking.budget_tokens",
    ),
    "citations here and not there": (
        {"messages": user(result(GOODS), result(HOURS, cited=False), "When?")},
        "citations must be enabled for all",
    ),
    "citations and a format": ({"output_config": structured(SCHEMA)}, "Citations cannot be used"),
    "an open schema": (
        {"messages": user("When?"), "output_config": structured(without(SCHEMA, "additionalProperties"))},
        "additionalProperties",
    ),
    "an open schema within a schema": (
        {"messages": user("When?"), "output_config": structured(OPEN_SCHEMA)},
        "additionalProperties",
    ),
    "no source": (
        {"messages": user(without(result(GOODS), "source"))},
        "search_result.source: Field required",
    ),
    "no title": ({"messages": user(without(result(GOODS), "title"))}, "search_result.title: Field required"),
    "no content": ({"messages": user(without(result(GOODS), "content"))}, "search_result.content: Field"),
    "empty content": ({"messages": user(result([]))}, "at least 1 item"),
    "an empty sentence": ({"messages": user(result([""]))}, "must be non-empty"),
    "a picture in a search result": (
        {"messages": user({**result(GOODS), "content": [{"type": "image"}]})},
        "content.0.type: Input should be 'text'",
    ),
    "a search result of the assistant": (
        {"messages": [*user("Hi"), {"role": "assistant", "content": [result(GOODS)]}, *user("Hi")]},
        "Input tag 'search_result'",
    ),
    "a mixed tool result": (
        {"messages": [*user("Hi"), USED, *user(MIXED_RESULT)], "tools": [TOOL]},
        "cannot be mixed",
    ),
    "a tool result without its use": ({"messages": user(MIXED_RESULT)}, "mixed|unexpected"),
    "an empty text": ({"messages": user("")}, "text content blocks must be non-empty"),
    "a blank text": ({"messages": user(" \n")}, "non-whitespace"),
    "an empty system text": ({"system": [text("")]}, "system: text content blocks must be non-empty"),
    "an empty message": ({"messages": [{"role": "user", "content": []}]}, "non-empty content"),
    "no messages": ({"messages": []}, "at least one message"),
    "max_tokens below zero": ({"max_tokens": -1}, "max_tokens"),
    "max_tokens over the limit": ({"max_tokens": 128_001, "stream": True}, "128001 > 128000"),
    "max_tokens over an older limit": ({"model": OLD, "max_tokens": 64_001, "stream": True}, "64001 > 64000"),
    "an assistant who begins": (
        {"messages": [{"role": "assistant", "content": "Hi"}, *user("Hi")]},
        '"user" role',
    ),
    "an unknown block": ({"messages": user({"type": "video"})}, "Input tag 'video'"),
    "an unknown field of a block": (
        {"messages": user({**result(GOODS), "score": 0.9})},
        "search_result.score: Extra inputs",
    ),
    "five breakpoints": (
        {"messages": user(*[text(f"Part {n}", cache_control=EPHEMERAL) for n in range(5)])},
        "A maximum of 4 blocks with cache_control may be provided. Found 5",
    ),
    "an unknown time to live": ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "ttl"),
    "a prompt over the window": ({"model": OLD, "messages": user("word " * 170_000)}, "prompt is too long"),
}


@pytest.mark.parametrize(("change", "words"), REJECTED.values(), ids=REJECTED.keys())
async def test_a_request_that_the_api_rejects_is_a_400(
    client: AsyncAnthropic, server: ClaudeServer, change: dict[str, Any], words: str
) -> None:
    server.enqueue("Kept for a request that is accepted.")
    with pytest.raises(anthropic.BadRequestError, match=words) as caught:
        await ask(client, **change)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.body["type"] == "error"
    assert said(await ask(client)).startswith("Kept")


ACCEPTED: dict[str, dict[str, Any]] = {
    "prefill on 4.5": {"model": OLD, "messages": [*user("Hi"), {"role": "assistant", "content": "Hel"}]},
    "a forced tool on Haiku": {"tools": [TOOL], "tool_choice": {"type": "any"}},
    "a closed schema": {"messages": user("When?"), "output_config": structured(SCHEMA)},
    "no citations anywhere": {
        "messages": user(result(GOODS, cited=False), result(HOURS, cited=False), "When?")
    },
    "four breakpoints": {"messages": user(*[text(f"Part {n}", cache_control=EPHEMERAL) for n in range(4)])},
    "an answer sent back": {
        "messages": [
            *user(result(GOODS), "When?"),
            {"role": "assistant", "content": [text("Soon."), text(" "), text("Ever.")]},
            *user("Why?"),
        ]
    },
    "a system message": {
        "messages": [*user("Hi"), {"role": "system", "content": "Be brief."}, *user("When?")]
    },
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_what_the_api_takes_is_not_rejected(client: AsyncAnthropic, change: dict[str, Any]) -> None:
    assert (await ask(client, **change)).type == "message"


async def test_the_fields_the_server_takes_are_those_of_the_sdk() -> None:
    # Arguments of the SDK's methods that travel as headers.
    headers = {"user_profile_id", "workspace_id"}
    assert (MessageCreateParamsBase.__annotations__.keys() | {"stream"}) - headers == rules.CREATE_FIELDS
    assert MessageCountTokensParams.__annotations__.keys() - headers == rules.COUNT_FIELDS
    for kind in (TextBlockParam, SearchResultBlockParam, DocumentBlockParam, ToolResultBlockParam):
        name = get_args(get_args(get_type_hints(kind, include_extras=True)["type"])[0])[0]
        assert content.BLOCK_FIELDS[name] == kind.__annotations__.keys()


async def test_a_request_without_max_tokens_is_rejected(server: ClaudeServer) -> None:
    response = await post(server, without(request(), "max_tokens"))
    assert response.status_code == 400
    assert response.json()["error"] == {
        "type": "invalid_request_error",
        "message": "max_tokens: Field required",
    }


async def test_a_body_that_is_not_json_is_rejected(server: ClaudeServer) -> None:
    response = await post(server, b"{")
    assert response.status_code == 400


async def test_a_body_over_32_megabytes_is_too_large(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.ContentTooLargeError) as caught:
        await ask(client, messages=user("x" * 32_000_001))
    assert caught.value.type == "request_too_large"


@pytest.mark.parametrize("version", [None, "2023-06-01"])
async def test_the_version_header_must_be_there_and_known(server: ClaudeServer, version: str | None) -> None:
    response = await post(server, request(), version=version)
    assert response.status_code == 400
    assert "anthropic-version" in response.json()["error"]["message"]


async def test_an_unknown_model_or_path_is_not_found(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="claude-9"):
        await ask(client, model="claude-9")
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("claude-9")
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.batches.retrieve("batch")


async def test_a_bad_key_is_refused_everywhere(server: ClaudeServer) -> None:
    async with AsyncAnthropic(base_url=server.url, api_key="bad-key", max_retries=0) as client:
        for call in (ask(client), client.models.retrieve(HAIKU), stream(client)):
            with pytest.raises(anthropic.AuthenticationError) as caught:
                await call
            assert caught.value.type == "authentication_error"


async def test_only_the_given_keys_pass_when_keys_are_given() -> None:
    with ClaudeServer(keys={"right"}) as server:
        assert (await post(server, request(), key="right")).status_code == 200
        assert (await post(server, request(), key="wrong")).status_code == 401
        assert (await post(server, request(), key="")).status_code == 401


async def post(
    server: ClaudeServer, body: Any, *, key: str = "test", version: str | None = "2026-10-21"
) -> httpx2.Response:
    """What the SDK would not send."""
    headers = {"x-api-key": key, **({"anthropic-version": version} if version else {})}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx2.AsyncClient() as client:
        return await client.post(f"{server.url}/v1/messages", content=content, headers=headers)


# The server itself


async def test_the_server_stops_at_once_although_an_answer_is_under_way() -> None:
    with ClaudeServer() as server:
        server.enqueue(Slow("One two three four five six.", delay_per_chunk=60))
        async with AsyncAnthropic(base_url=server.url, api_key="test", max_retries=0) as client:
            events = await client.messages.create(**request(), stream=True)
            await anext(events)
            started = asyncio.get_running_loop().time()
            await asyncio.to_thread(server.stop)
            assert asyncio.get_running_loop().time() - started < 2
            with pytest.raises(httpx2.RemoteProtocolError):
                [event async for event in events]
        server.start()


async def test_the_server_runs_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tests.claude_server", "--port", "0", "--pace", "0"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[-1]
    async with AsyncAnthropic(base_url=url, api_key="test", max_retries=0) as client:
        assert said(await ask(client)) == GOODS[0]
    process.terminate()
    assert await process.wait() == 0
