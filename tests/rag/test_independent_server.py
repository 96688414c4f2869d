"""The client against llmock, a server of the protocol that was written by others: the same kinds of trouble.

https://pypi.org/project/llmock/. It knows no citations, no cache and no error in the middle of a stream.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from rag.claude import ClaudeClient, Finished, Prompt, SearchResult, StreamEvent, TextDelta
from rag.claude.patience import Backoff
from rag.errors import (
    AnswerCutOff,
    AnswerError,
    AnswerRefused,
    ClaudeRejected,
    ClaudeUnavailable,
    ContextExceeded,
    KeyRejected,
    ModelUnknown,
    RateLimited,
    SpendCapReached,
)
from rag.purse import Purse
from rag.settings import Settings

INSTALLED = Path(sys.prefix) / "llmock"
TEXT = "Encryption keys rotate every year."
ASKED = Prompt("You answer.", [SearchResult("c1", "Keys", [TEXT])], "How often do keys rotate?")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the server listens; it is a process with packages of its own."""
    if not INSTALLED.is_dir():
        pytest.fail(f"llmock is not in {INSTALLED}: make setup-dev brings it there")
    # Bound here, so that no other process can take the port and early requests wait in its queue.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = "-m uvicorn llmock.main:create_app --factory --log-level critical --fd".split()
        process = subprocess.Popen(
            [sys.executable, *server, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env=os.environ | {"PYTHONPATH": str(INSTALLED)},
        )
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


Script = Callable[..., None]


@pytest.fixture
def script(url: str) -> Script:
    """Tells the server what to do with the next requests."""
    httpx.post(f"{url}/_llmock/reset", timeout=60).raise_for_status()

    def tell(*behaviours: dict[str, Any]) -> None:
        httpx.post(f"{url}/_llmock/scenario", json={"behaviors": behaviours}).raise_for_status()

    return tell


@pytest.fixture
def pauses() -> list[float]:
    return []


Make = Callable[..., ClaudeClient]


@pytest.fixture
async def make(url: str, pauses: list[float]) -> AsyncIterator[Make]:
    clients: list[ClaudeClient] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)

    def made(**changes: Any) -> ClaudeClient:
        access = {"anthropic_base_url": f"{url}/anthropic", "anthropic_api_key": SecretStr("sk-test")}
        settings = Settings(**access | {"claude_timeout": 20.0} | changes)
        clients.append(ClaudeClient(settings, backoff=Backoff(chance=lambda: 0.0, sleep=noted)))
        return clients[-1]

    yield made
    for client in clients:
        await client.close()


async def ask(
    claude: ClaudeClient, events: list[StreamEvent], deadline: float = 30, payer: Purse | None = None
) -> str:
    payer = payer or Purse()
    async for event in claude.stream(
        "claude-haiku-5-5", ASKED, max_tokens=200, deadline=deadline, payer=payer
    ):
        events.append(event)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def reply(**fields: Any) -> dict[str, Any]:
    return {"type": "reply", "text": TEXT, **fields}


def fail(status: int, **fields: Any) -> dict[str, Any]:
    return {"type": "fail", "status": status, **fields}


def fault(kind: str, after_chunks: int, **fields: Any) -> dict[str, Any]:
    return {"type": "stream_fault", "kind": kind, "after_chunks": after_chunks, **fields}


async def test_an_answer_comes_whole_and_has_a_bill(script: Script, make: Make) -> None:
    script(reply())
    events: list[StreamEvent] = []
    purse = Purse()
    assert await ask(make(), events, payer=purse) == TEXT
    assert [bool(charge.usd) for charge in purse.charges] == [True]
    assert events[-1] == Finished(reached_limit=False)


@pytest.mark.parametrize(
    ("trouble", "waited"),
    [
        (fail(429, retry_after=3), 3.0),
        (fail(529, retry_after=0), 0.5),
        (fail(500), 0.5),
        (fault("disconnect", 1), 0.5),
        (fault("truncate", 1), 0.5),
        (fault("malformed", 1), 0.5),
    ],
    ids=str,
)
async def test_a_passing_trouble_is_not_seen_by_the_reader(
    script: Script, make: Make, pauses: list[float], trouble: dict[str, Any], waited: float
) -> None:
    script(trouble, reply(times=2))
    assert await ask(make(), []) == TEXT
    assert pauses == [waited]


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ([fail(400)], ClaudeRejected),
        ([fail(401)], KeyRejected),
        ([fail(402)], SpendCapReached),
        ([fail(403)], KeyRejected),
        ([fail(404)], ModelUnknown),
        ([fail(413)], ContextExceeded),
        ([fail(429, retry_after=300)], RateLimited),
        ([fail(529, times=9)], ClaudeUnavailable),
        ([reply(finish_reason="content_filter")], AnswerRefused),
        ([reply(), fault("disconnect", 5)], AnswerCutOff),
        ([reply(), fault("truncate", 5)], AnswerCutOff),
        ([reply(), fault("malformed", 5)], AnswerCutOff),
        ([fault("disconnect", 1, times=9)], AnswerCutOff),
    ],
    ids=str,
)
async def test_a_lasting_trouble_has_its_error_and_is_never_a_whole_answer(
    script: Script, make: Make, trouble: list[dict[str, Any]], expected: type[AnswerError]
) -> None:
    script(*trouble)
    events: list[StreamEvent] = []
    with pytest.raises(AnswerError) as raised:
        await ask(make(), events)
    assert type(raised.value) is expected
    assert not any(isinstance(event, Finished) for event in events)


@pytest.mark.parametrize(
    "trouble",
    [[{"type": "delay", "seconds": 60}], [reply(), fault("stall", 5, stall_seconds=60)]],
    ids=["before the answer", "within the answer"],
)
async def test_a_silent_server_is_given_up(script: Script, make: Make, trouble: list[dict[str, Any]]) -> None:
    script(*trouble)
    with pytest.raises(ClaudeUnavailable, match="silent"):
        await ask(make(claude_timeout=0.5), [])


async def test_an_answer_that_does_not_begin_by_the_deadline_is_given_up(script: Script, make: Make) -> None:
    script({"type": "slow_first_token", "seconds": 60})
    with pytest.raises(ClaudeUnavailable, match="within"):
        await ask(make(), [], deadline=0.5)


async def test_an_answer_at_its_length_limit_says_so(script: Script, make: Make) -> None:
    script(reply(finish_reason="length"))
    events: list[StreamEvent] = []
    await ask(make(), events)
    assert events[-1] == Finished(reached_limit=True)
