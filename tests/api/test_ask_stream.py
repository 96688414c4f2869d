"""POST /v1/ask as server-sent events, and clients that hang up."""

from __future__ import annotations

import re
import time

import httpx
import pytest

from tests.claude_server import Cite, ClaudeServer, Part, RecordedRequest, Slow, Text
from tests.live import LiveService

from . import events
from .library import HOW_LONG, NOT_IN_THE_LIBRARY

SECONDS = 30
LONG = " ".join(f"Word number {n} of a very long answer." for n in range(300))


# ---------------------------------------------------------------- the order of events


def assert_well_formed(seen: list[events.Event]) -> None:
    names = [event.name for event in seen]
    assert names[0] == "sources"
    assert names[-1] == "done"
    assert set(names[1:-1]) <= {"delta", "citation"}
    cited: set[int] = set()
    for event in seen:
        if event.name == "citation":
            cited.add(event.data["marker"])
        elif event.name == "delta":
            assert {int(marker) for marker in re.findall(r"\[(\d+)\]", event.data["text"])} <= cited
    done = seen[-1].data
    assert [event.data for event in seen if event.name == "citation"] == done["citations"]
    assert "".join(event.data["text"] for event in seen if event.name == "delta") == done["text"]


def test_claudes_answer_streams_sources_then_words_and_citations_then_the_whole(
    answering: httpx.Client, claude: ClaudeServer
) -> None:
    claude.enqueue(
        Text(Part("They are kept for ninety days.", Cite(0, 0, 1)), "\n\n", Part("So it is.", Cite(0, 1, 2)))
    )
    seen = events.stream(answering, HOW_LONG)
    assert_well_formed(seen)
    assert seen[-1].data["text"] == "They are kept for ninety days.[1]\n\nSo it is.[2]"
    assert len([event for event in seen if event.name == "delta"]) > 2


def test_a_quoted_answer_streams_in_the_same_order(plain: httpx.Client) -> None:
    seen = events.stream(plain, HOW_LONG)
    assert_well_formed(seen)
    assert seen[-1].data["answered"] is True


def test_the_sources_name_the_passages_and_the_route(plain: httpx.Client) -> None:
    sources = events.stream(plain, HOW_LONG)[0].data
    assert sources["route"]["model"] == "extractive"
    assert sources["hits"][0].keys() >= {"document_id", "chunk_id", "uri", "title", "text", "start", "end"}


def test_a_streamed_answer_has_the_fields_of_one_that_is_not(
    answering: httpx.Client, claude: ClaudeServer
) -> None:
    done = events.stream(answering, HOW_LONG)[-1].data
    whole = answering.post("/v1/ask", json={"question": HOW_LONG}).json()
    for changing in ("id", "receipt"):
        done.pop(changing)
        whole.pop(changing)
    assert done == whole


def test_when_nothing_is_found_the_stream_says_so_and_ends(plain: httpx.Client) -> None:
    seen = events.stream(plain, NOT_IN_THE_LIBRARY)
    assert [event.name for event in seen] == ["sources", "done"]
    assert seen[-1].data["answered"] is False


def test_a_client_that_accepts_events_gets_them_without_asking_twice(plain: httpx.Client) -> None:
    headers = {"Accept": "text/event-stream"}
    with plain.stream("POST", "/v1/ask", json={"question": HOW_LONG}, headers=headers) as response:
        assert response.headers["content-type"].split(";")[0] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        assert [event.name for event in events.read(response.iter_lines())][-1] == "done"


def test_the_first_words_come_before_the_last_are_written(
    answering: httpx.Client, claude: ClaudeServer
) -> None:
    claude.enqueue(Slow(Text(Part(LONG, Cite())), delay_per_chunk=0.2))
    body = {"question": HOW_LONG, "stream": True}
    with answering.stream("POST", "/v1/ask", json=body) as response:
        next(event for event in events.read(response.iter_lines()) if event.name == "delta")
        assert not claude.requests[0].finished


# ---------------------------------------------------------------- hanging up


def the_request(claude: ClaudeServer) -> RecordedRequest:
    deadline = time.monotonic() + SECONDS
    while not (claude.requests and claude.requests[0].status):
        assert time.monotonic() < deadline, "no request came"
        time.sleep(0.02)
    return claude.requests[0]


def assert_given_up(request: RecordedRequest) -> None:
    assert request.wait(SECONDS)
    assert request.disconnected
    assert not request.finished


def test_a_client_that_hangs_up_on_a_stream_ends_the_request_to_claude(
    answering: httpx.Client, claude: ClaudeServer
) -> None:
    claude.enqueue(Slow(Text(Part(LONG, Cite())), delay_per_chunk=0.2))
    body = {"question": HOW_LONG, "stream": True}
    with answering.stream("POST", "/v1/ask", json=body) as response:
        next(event for event in events.read(response.iter_lines()) if event.name == "delta")
    assert_given_up(claude.requests[0])


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_before_the_first_word_ends_the_request_to_claude(
    answering_service: LiveService, claude: ClaudeServer, stream: bool
) -> None:
    claude.enqueue(Slow("Too late.", before_first=2 * SECONDS))
    with events.send_and_leave_open(
        answering_service.url, "/v1/ask", {"question": HOW_LONG, "stream": stream}
    ):
        request = the_request(claude)
    assert_given_up(request)


def test_hanging_up_is_no_error_and_the_service_goes_on(
    answering: httpx.Client, answering_service: LiveService, claude: ClaudeServer
) -> None:
    claude.enqueue(Slow("Too late.", before_first=2 * SECONDS))
    with events.send_and_leave_open(answering_service.url, "/v1/ask", {"question": HOW_LONG}):
        request = the_request(claude)
    assert request.wait(SECONDS)
    assert answering.post("/v1/ask", json={"question": HOW_LONG}).status_code == 200
    assert "Traceback" not in answering_service.printed()
