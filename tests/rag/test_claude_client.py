"""The client and the real SDK against a server of the protocol: how failures are borne, what they cost."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from rag.claude import ClaudeClient, Finished, Form, Prompt, SearchResult, StreamEvent, TextDelta
from rag.claude.breaker import OPEN_SECONDS, Breaker
from rag.claude.failures import retry_after
from rag.claude.patience import Backoff
from rag.errors import (
    AnswerCutOff,
    AnswerError,
    AnswerRefused,
    CircuitOpen,
    ClaudeRejected,
    ClaudeUnavailable,
    ContextExceeded,
    KeyRejected,
    ModelUnknown,
    RateLimited,
    SchemaMismatch,
    SpendCapReached,
)
from rag.purse import Purse
from rag.settings import Settings
from tests.claude_server import (
    ClaudeServer,
    CleanEndWithoutStop,
    CutConnection,
    ErrorStatus,
    MaxTokens,
    MidStreamError,
    Refusal,
    Slow,
    Text,
    rate_limited,
    spend_cap,
)
from tests.claude_server import ContextExceeded as FullContext

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
KEY = "sk-test-key"
KEYS_ROTATE = "Encryption keys rotate every year."
ASKED = Prompt("You answer.", [SearchResult("c1", "Keys", [KEYS_ROTATE])], "How often do keys rotate?")
WHOLE = Text("Every year.")
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
def pauses() -> list[float]:
    """Seconds that the client would have waited before each retry."""
    return []


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def named(value: object) -> str | None:
    if isinstance(value, ErrorStatus):
        return f"{value.status} {value.message}"
    return None if isinstance(value, (type, int)) else type(value).__name__


Make = Callable[..., ClaudeClient]


@pytest.fixture
async def make(server: ClaudeServer, pauses: list[float], clock: Clock) -> AsyncIterator[Make]:
    """Makes clients that do not wait before a retry, nor leave out a random half of the wait."""
    clients: list[ClaudeClient] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)

    def made(*, first: float = 0.5, **changes: Any) -> ClaudeClient:
        access = {"anthropic_base_url": server.url, "anthropic_api_key": SecretStr(KEY)}
        settings = Settings(**access | {"claude_timeout": 5.0} | changes)
        backoff = Backoff(first=first, longest=40.0, chance=lambda: 0.0, sleep=noted)
        clients.append(ClaudeClient(settings, backoff=backoff, breaker=Breaker(clock)))
        return clients[-1]

    yield made
    for client in clients:
        await client.close()


@pytest.fixture
def claude(make: Make) -> ClaudeClient:
    return make()


async def ask(
    claude: ClaudeClient,
    events: list[StreamEvent] | None = None,
    *,
    model: str = HAIKU,
    deadline: float = 30,
    payer: Purse | None = None,
) -> list[StreamEvent]:
    """All events of one answer; those before a failure are in `events`."""
    heard = [] if events is None else events
    payer = payer or Purse()
    async for event in claude.stream(model, ASKED, max_tokens=200, deadline=deadline, payer=payer):
        heard.append(event)
    return heard


def said(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    ("reply", "expected", "attempts"),
    [
        (ErrorStatus(400), ClaudeRejected, 1),
        (ErrorStatus(401), KeyRejected, 1),
        (ErrorStatus(402), SpendCapReached, 1),
        (ErrorStatus(403), KeyRejected, 1),
        (ErrorStatus(404), ModelUnknown, 1),
        (ErrorStatus(413), ContextExceeded, 1),
        (ErrorStatus(400, message="prompt is too long: 2 tokens > 1 maximum"), ContextExceeded, 1),
        (spend_cap(), SpendCapReached, 1),
        (ErrorStatus(429), RateLimited, 2),
        (rate_limited(1), RateLimited, 3),
        (rate_limited(60), RateLimited, 1),
        (ErrorStatus(408), ClaudeUnavailable, 3),
        (ErrorStatus(409), ClaudeUnavailable, 3),
        (ErrorStatus(500), ClaudeUnavailable, 3),
        (ErrorStatus(503), ClaudeUnavailable, 3),
        (ErrorStatus(529), ClaudeUnavailable, 3),
        (MidStreamError(""), AnswerCutOff, 3),
        (MidStreamError("", type="invalid_request_error"), AnswerCutOff, 1),
        (CutConnection(""), AnswerCutOff, 3),
        (CleanEndWithoutStop(""), AnswerCutOff, 3),
        (MidStreamError("Keys rotate"), AnswerCutOff, 1),
        (CutConnection("Keys rotate"), AnswerCutOff, 1),
        (CleanEndWithoutStop("Keys rotate"), AnswerCutOff, 1),
        (Refusal(), AnswerRefused, 1),
        (Refusal("I would rather"), AnswerRefused, 1),
        (FullContext(), ContextExceeded, 1),
        (MaxTokens(""), AnswerCutOff, 1),
    ],
    ids=named,
)
async def test_each_failure_has_its_error_and_is_tried_again_only_where_that_may_help(
    server: ClaudeServer, claude: ClaudeClient, reply: Any, expected: type[AnswerError], attempts: int
) -> None:
    server.enqueue(*[reply] * 5)
    events: list[StreamEvent] = []
    with pytest.raises(AnswerError) as raised:
        await ask(claude, events)
    assert type(raised.value) is expected
    assert len(server.requests) == attempts
    assert not any(isinstance(event, Finished) for event in events)


@pytest.mark.parametrize(
    "reply",
    [ErrorStatus(529), ErrorStatus(429), rate_limited(1), MidStreamError(""), CutConnection("")],
    ids=named,
)
async def test_a_passing_failure_is_not_seen_by_the_reader(
    server: ClaudeServer, claude: ClaudeClient, reply: Any
) -> None:
    server.enqueue(reply, WHOLE)
    events = await ask(claude)
    assert said(events) == "Every year."
    assert events[-1] == Finished(reached_limit=False)


async def test_an_answer_at_its_length_limit_says_so(server: ClaudeServer, claude: ClaudeClient) -> None:
    server.enqueue(MaxTokens("Every"))
    assert (await ask(claude))[-1] == Finished(reached_limit=True)


async def test_the_pauses_grow_and_end_with_the_deadline(
    server: ClaudeServer, make: Make, pauses: list[float]
) -> None:
    server.enqueue(*[ErrorStatus(529)] * 3)
    with pytest.raises(ClaudeUnavailable):
        await ask(make(first=10.0), deadline=60)
    assert pauses == [10.0, 20.0]
    server.reset()
    server.enqueue(*[ErrorStatus(529)] * 3)
    pauses.clear()
    with pytest.raises(ClaudeUnavailable):
        await ask(make(first=10.0), deadline=25)
    assert pauses == [10.0]


async def test_claude_is_left_alone_for_as_long_as_it_asks(
    server: ClaudeServer, claude: ClaudeClient, pauses: list[float]
) -> None:
    server.enqueue(rate_limited(7), WHOLE)
    await ask(claude)
    assert pauses == [7.0]


async def test_a_wait_beyond_the_deadline_is_told_at_once(
    server: ClaudeServer, claude: ClaudeClient, pauses: list[float]
) -> None:
    server.enqueue(rate_limited(60))
    with pytest.raises(RateLimited) as raised:
        await ask(claude)
    assert raised.value.retry_after == 60.0
    assert pauses == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "2", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_the_wait_that_claude_asks_for_is_read_in_all_its_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


def test_half_of_a_pause_at_most_is_left_to_chance() -> None:
    assert Backoff(chance=lambda: 1.0).delay(1) == 0.5
    assert Backoff(chance=lambda: 0.0).delay(9) == 8.0


async def test_a_server_that_is_not_there_is_tried_again(make: Make, pauses: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ClaudeUnavailable):
        await ask(make(anthropic_base_url=f"http://127.0.0.1:{port}"))
    assert len(pauses) == 2


async def test_a_silent_claude_is_given_up_and_not_asked_again(server: ClaudeServer, make: Make) -> None:
    server.enqueue(Slow(WHOLE, before_first=30))
    with pytest.raises(ClaudeUnavailable, match="silent"):
        await ask(make(claude_timeout=0.5))
    assert len(server.requests) == 1


async def test_an_answer_that_does_not_begin_by_the_deadline_is_given_up(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue(Slow(WHOLE, before_first=30))
    with pytest.raises(ClaudeUnavailable, match="within"):
        await ask(claude, deadline=0.1)


async def test_an_answer_that_is_not_whole_by_the_deadline_is_cut_off(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue(Slow(Text("Keys rotate every year and then again."), delay_per_chunk=30))
    events: list[StreamEvent] = []
    with pytest.raises(AnswerCutOff):
        await ask(claude, events, deadline=1.0)
    assert said(events)


async def test_each_attempt_is_on_the_bill_once(server: ClaudeServer, claude: ClaudeClient) -> None:
    server.enqueue(WHOLE)
    alone = Purse()
    await ask(claude, payer=alone)
    server.enqueue(MidStreamError(""), CutConnection(""), WHOLE)
    purse = Purse()
    await ask(claude, payer=purse)
    ((one,), (three,)) = alone.charges, purse.charges
    assert (one.requests, three.requests) == (1, 3)
    assert three.input_tokens == 3 * one.input_tokens > 0
    assert (three.usd or 0) > 2 * (one.usd or 0) > 0


async def test_what_was_written_before_a_break_is_on_the_bill(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    text = "Keys rotate every year, and the key officer keeps them in two safes. " * 5
    server.enqueue(CutConnection(text))
    purse = Purse()
    with pytest.raises(AnswerCutOff):
        await ask(claude, payer=purse)
    (charge,) = purse.charges
    assert charge.output_tokens > len(text) / 4


async def test_the_key_is_in_no_error_and_no_log(
    server: ClaudeServer, claude: ClaudeClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.enqueue(ErrorStatus(401, message=f"invalid key: {KEY}"))
    with caplog.at_level(logging.INFO), pytest.raises(KeyRejected) as raised:
        await ask(claude)
    assert KEY not in f"{raised.value!r} {raised.value}"
    assert KEY not in caplog.text


async def test_a_claude_that_keeps_failing_is_left_alone_and_then_tried_again(
    server: ClaudeServer, claude: ClaudeClient, clock: Clock
) -> None:
    server.enqueue(*[ErrorStatus(529)] * 5)
    with pytest.raises(ClaudeUnavailable):
        await ask(claude)
    with pytest.raises(CircuitOpen):
        await ask(claude)
    assert len(server.requests) == 5
    clock.now += OPEN_SECONDS - 10
    with pytest.raises(CircuitOpen, match="in 10 s"):
        await ask(claude)
    assert len(server.requests) == 5
    server.enqueue(WHOLE)
    assert said(await ask(claude, model=SONNET)) == "Every year."
    clock.now += 10
    server.enqueue(WHOLE, WHOLE)
    for _ in range(2):
        assert said(await ask(claude)) == "Every year."


async def complete(claude: ClaudeClient, model: str = HAIKU, payer: Purse | None = None) -> Any:
    form = Form("Rewrite.", "And when?", SCHEMA)
    return await claude.complete(model, form, max_tokens=200, deadline=10, payer=payer or Purse())


@pytest.mark.parametrize("model", [HAIKU, SONNET])
async def test_a_completion_is_json_by_the_schema_and_has_a_bill(
    server: ClaudeServer, claude: ClaudeClient, model: str
) -> None:
    server.enqueue('{"standalone": "When do keys rotate?"}')
    purse = Purse()
    done = await complete(claude, model, purse)
    assert done.data == {"standalone": "When do keys rotate?"}
    (charge,) = purse.charges
    assert (charge.model, charge.requests) == (model, 1)
    assert charge.input_tokens > 0
    assert charge.usd
    assert server.requests[-1].body["output_config"]["format"] == {"type": "json_schema", "schema": SCHEMA}


async def test_a_completion_that_breaks_off_is_made_again_and_both_are_on_its_bill(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue(CutConnection('{"standa'), '{"standalone": "When?"}')
    purse = Purse()
    done = await complete(claude, payer=purse)
    assert done.data == {"standalone": "When?"}
    assert [charge.requests for charge in purse.charges] == [2]


async def test_a_completion_that_is_not_json_is_a_mismatch_and_is_on_the_bill(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue("I would rather talk.")
    purse = Purse()
    with pytest.raises(SchemaMismatch):
        await complete(claude, payer=purse)
    assert [charge.requests for charge in purse.charges] == [1]
