"""When Claude fails: another model answers or sentences are quoted, and the reader is told why."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.claude_server import (
    Cite,
    ClaudeServer,
    CleanEndWithoutStop,
    ContextExceeded,
    CutConnection,
    ErrorStatus,
    MidStreamError,
    Part,
    Refusal,
    Reply,
    Slow,
    Text,
    spend_cap,
)
from tests.live import LiveService

from . import events
from .conftest import KEY
from .library import HOW_LONG, KEEPING

AT_ONCE = {"retry-after-ms": "1"}
ATTEMPTS = 3
"""For what may pass: the first and two more."""

OF_THE_MODEL: dict[str, list[Reply | ErrorStatus]] = {
    "overloaded": [ErrorStatus(529, headers=AT_ONCE)] * ATTEMPTS,
    "broken": [ErrorStatus(500, headers=AT_ONCE)] * ATTEMPTS,
    "unknown model": [ErrorStatus(404)],
}
BEFORE_THE_FIRST_WORD: dict[str, list[Reply | ErrorStatus]] = {
    "out of budget": [spend_cap()],
    "wrong key": [ErrorStatus(401, message=f"invalid x-api-key {KEY}")],
    "forbidden": [ErrorStatus(403)],
    "too large": [ErrorStatus(413)],
    "malformed": [ErrorStatus(400, message=f"the key {KEY} is not allowed to do that")],
    "refusal": [Refusal()],
    "refusal after words": [Refusal("I would say that")],
    "error before any text": [MidStreamError("")] * ATTEMPTS,
    "cut before any text": [CutConnection()] * ATTEMPTS,
    "end before any text": [CleanEndWithoutStop("")] * ATTEMPTS,
    "context exceeded": [ContextExceeded()],
}
AFTER_IT: dict[str, Reply] = {
    "error event": MidStreamError("They are kept for", message=f"the key {KEY} has had enough"),
    "cut connection": CutConnection("They are kept for"),
    "end without a stop": CleanEndWithoutStop("They are kept for"),
}


@pytest.fixture(autouse=True)
def after_a_good_answer(answering: httpx.Client, claude: ClaudeServer) -> None:
    """Failures of other tests do not add up until the circuit breaker opens."""
    answering.post("/v1/ask", json={"question": HOW_LONG}).raise_for_status()
    claude.reset()


@pytest.mark.parametrize("kind", OF_THE_MODEL)
def test_where_one_model_fails_the_other_takes_over_and_it_is_said(
    answering: httpx.Client, claude: ClaudeServer, kind: str
) -> None:
    claude.enqueue(*OF_THE_MODEL[kind])
    answer = answering.post("/v1/ask", json={"question": HOW_LONG}).json()
    assert answer["route"]["model"] == "claude-sonnet-5-5"
    assert "took over" in answer["route"]["reason"]
    assert answer["citations"][0]["quote"] == KEEPING
    assert len(claude.requests) == len(OF_THE_MODEL[kind]) + 1


@pytest.mark.parametrize("kind", BEFORE_THE_FIRST_WORD)
def test_a_failure_before_the_first_word_gives_a_quoted_answer_and_says_why(
    answering: httpx.Client, claude: ClaudeServer, kind: str
) -> None:
    claude.enqueue(*BEFORE_THE_FIRST_WORD[kind])
    response = answering.post("/v1/ask", json={"question": HOW_LONG})
    assert response.status_code == 200
    answer = response.json()
    assert answer["route"]["model"] == "extractive"
    assert answer["citations"][0]["quote"] == KEEPING
    assert answer["notice"]
    assert len(claude.requests) == len(BEFORE_THE_FIRST_WORD[kind])


def test_an_overload_that_passes_is_not_noticed(answering: httpx.Client, claude: ClaudeServer) -> None:
    claude.enqueue(ErrorStatus(529, headers=AT_ONCE), Text(Part("Ninety days.", Cite())))
    answer = answering.post("/v1/ask", json={"question": HOW_LONG}).json()
    assert (answer["text"], answer["notice"]) == ("Ninety days.[1]", None)


@pytest.mark.parametrize("kind", ["wrong key", "refusal after words"])
def test_a_stream_falls_back_to_quotes_as_well(
    answering: httpx.Client, claude: ClaudeServer, kind: str
) -> None:
    claude.enqueue(*BEFORE_THE_FIRST_WORD[kind])
    *_, done = events.stream(answering, HOW_LONG)
    assert done.name == "done"
    assert done.data["route"]["model"] == "extractive"
    assert done.data["text"].startswith(KEEPING)
    assert "I would say" not in done.data["text"]


@pytest.mark.parametrize("kind", AFTER_IT)
def test_a_failure_after_the_first_word_replaces_what_was_shown_by_quotes(
    answering: httpx.Client, claude: ClaudeServer, kind: str
) -> None:
    claude.enqueue(AFTER_IT[kind])
    seen = events.stream(answering, HOW_LONG)
    assert "They are kept" in "".join(event.data["text"] for event in seen if event.name == "delta")
    done = seen[-1]
    assert done.name == "done"
    assert done.data["route"]["model"] == "extractive"
    assert done.data["text"].startswith(KEEPING)
    assert "They are kept" not in done.data["text"]
    assert done.data["notice"]


@pytest.mark.parametrize("kind", AFTER_IT)
def test_the_same_failure_without_streaming_gives_the_same_answer(
    answering: httpx.Client, claude: ClaudeServer, kind: str
) -> None:
    claude.enqueue(AFTER_IT[kind])
    answer = answering.post("/v1/ask", json={"question": HOW_LONG}).json()
    assert answer["route"]["model"] == "extractive"
    assert answer["text"].startswith(KEEPING)


def test_the_key_is_in_no_reply_and_in_no_log(
    answering: httpx.Client, claude: ClaudeServer, answering_service: LiveService
) -> None:
    replies: list[Any] = []
    trouble = [BEFORE_THE_FIRST_WORD[kind] for kind in ("wrong key", "malformed")]
    for failures in [*trouble, [AFTER_IT["error event"]]]:
        claude.enqueue(*failures)
        replies.append(answering.post("/v1/ask", json={"question": HOW_LONG}).text)
        claude.enqueue(*failures)
        replies.append(events.stream(answering, HOW_LONG))
    replies += [answering.get(path).text for path in ("/readyz", "/healthz", "/openapi.json", "/nowhere")]
    assert KEY not in str(replies)
    assert KEY not in answering_service.printed()


def test_the_log_names_why_claude_was_not_used(
    answering: httpx.Client, claude: ClaudeServer, answering_service: LiveService
) -> None:
    claude.enqueue(ErrorStatus(401))
    answering.post("/v1/ask", json={"question": HOW_LONG})
    assert "ANTHROPIC_API_KEY" in answering_service.printed()
    assert "Traceback" not in answering_service.printed()


def test_a_slow_start_is_waited_for(answering: httpx.Client, claude: ClaudeServer) -> None:
    claude.enqueue(Slow(Text(Part("Ninety days.", Cite())), before_first=1.0))
    answer = answering.post("/v1/ask", json={"question": HOW_LONG}).json()
    assert answer["text"] == "Ninety days.[1]"
