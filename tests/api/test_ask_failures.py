"""When Claude fails: before its first word the answer is quoted, after it the reader is told."""

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
"""Of the SDK, for what may pass: the first and two more."""

BEFORE_THE_FIRST_WORD: dict[str, list[Reply | ErrorStatus]] = {
    "overloaded": [ErrorStatus(529, headers=AT_ONCE)] * ATTEMPTS,
    "broken": [ErrorStatus(500, headers=AT_ONCE)] * ATTEMPTS,
    "out of budget": [spend_cap()] * ATTEMPTS,
    "wrong key": [ErrorStatus(401, message=f"invalid x-api-key {KEY}")],
    "forbidden": [ErrorStatus(403)],
    "unknown model": [ErrorStatus(404)],
    "too large": [ErrorStatus(413)],
    "malformed": [ErrorStatus(400, message=f"the key {KEY} is not allowed to do that")],
    "refusal": [Refusal()],
    "refusal after words": [Refusal("I would say that")],
    "error before any text": [MidStreamError("")],
    "cut before any text": [CutConnection()],
    "end before any text": [CleanEndWithoutStop("")],
    "context exceeded": [ContextExceeded()],
}
AFTER_IT: dict[str, Reply] = {
    "error event": MidStreamError("They are kept for", message=f"the key {KEY} has had enough"),
    "cut connection": CutConnection("They are kept for"),
    "end without a stop": CleanEndWithoutStop("They are kept for"),
}


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


@pytest.mark.parametrize("kind", ["overloaded", "refusal after words"])
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
def test_a_failure_after_the_first_word_ends_the_stream_with_an_error(
    answering: httpx.Client, claude: ClaudeServer, kind: str
) -> None:
    claude.enqueue(AFTER_IT[kind])
    seen = events.stream(answering, HOW_LONG)
    assert [event.name for event in seen].count("error") == 1
    assert "done" not in {event.name for event in seen}
    assert "They are kept" in "".join(event.data["text"] for event in seen if event.name == "delta")
    problem = seen[-1]
    assert problem.name == "error"
    assert problem.data["code"] == "answer_cut_off"
    assert problem.data["status"] == 502
    assert problem.data["request_id"]


@pytest.mark.parametrize("kind", AFTER_IT)
def test_the_same_failure_without_streaming_is_a_problem(
    answering: httpx.Client, claude: ClaudeServer, kind: str
) -> None:
    claude.enqueue(AFTER_IT[kind])
    response = answering.post("/v1/ask", json={"question": HOW_LONG})
    assert response.status_code == 502
    assert response.json()["code"] == "answer_cut_off"


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
