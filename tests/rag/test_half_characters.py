"""What a model writes is text that a reply can hold: halves of characters are joined or replaced."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from rag.claude import ClaudeClient, Form, Prompt, SearchResult, SectionEnd, TextDelta
from rag.claude.tally import Tally, whole_characters
from rag.purse import Purse
from rag.settings import Settings
from tests.claude_server import ClaudeServer, Text

HAIKU = "claude-haiku-5-5"
ASKED = Prompt("You answer.", [SearchResult("c1", "Keys", ["Keys rotate."])], "How often?")
HIGH, LOW, SMILE, LOST = "\ud83d", "\ude00", "\U0001f600", "\ufffd"


@pytest.fixture(scope="module")
def server() -> Iterator[ClaudeServer]:
    with ClaudeServer() as server:
        yield server


@pytest.fixture
async def claude(server: ClaudeServer) -> AsyncIterator[ClaudeClient]:
    server.reset()
    access = {"anthropic_base_url": server.url, "anthropic_api_key": SecretStr("sk-test-key")}
    client = ClaudeClient(Settings(**access))
    yield client
    await client.close()


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("Every year.", "Every year."),
        (SMILE, SMILE),
        (f"a{HIGH}b", f"a{LOST}b"),
        (f"a{LOW}", f"a{LOST}"),
        (f"{HIGH}{LOW}", SMILE),
        (f"{LOW}{HIGH}", LOST * 2),
        (f"{HIGH}{HIGH}{LOW}", LOST + SMILE),
    ],
    ids=ascii,
)
def test_halves_are_joined_and_lone_ones_replaced(written: str, whole: str) -> None:
    assert whole_characters(written) == whole


def block(*deltas: str) -> list[Any]:
    begun = SimpleNamespace(type="content_block_start", content_block=SimpleNamespace(type="text", text=""))
    pieces = [
        SimpleNamespace(type="content_block_delta", delta=SimpleNamespace(type="text_delta", text=text))
        for text in deltas
    ]
    return [begun, *pieces, SimpleNamespace(type="content_block_stop")]


@pytest.mark.parametrize(
    ("deltas", "told"),
    [
        (("a", "b"), ["a", "b"]),
        ((f"a{HIGH}", f"{LOW}b"), ["a", f"{SMILE}b"]),
        ((HIGH, LOW), [SMILE]),
        ((f"a{HIGH}", "b"), ["a", f"{LOST}b"]),
        ((f"a{HIGH}",), ["a", LOST]),
        (("", "a"), ["a"]),
    ],
    ids=ascii,
)
def test_a_character_that_two_deltas_share_is_told_whole(deltas: tuple[str, ...], told: list[str]) -> None:
    tally = Tally()
    events = [ours for event in block(*deltas) for ours in tally.take(event)]
    assert events == [*map(TextDelta, told), SectionEnd()]


async def test_an_answer_with_half_a_character_can_be_sent_on(
    server: ClaudeServer, claude: ClaudeClient
) -> None:
    server.enqueue(Text(f"Every {HIGH} year."))
    events = claude.stream(HAIKU, ASKED, max_tokens=200, deadline=30, payer=Purse())
    told = "".join([event.text async for event in events if isinstance(event, TextDelta)])
    assert told == f"Every {LOST} year."
    told.encode()


@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "plain"])
async def test_values_with_half_a_character_can_be_sent_on(
    server: ClaudeServer, claude: ClaudeClient, escaped: bool
) -> None:
    data = {f"na{LOW}me": [f"Birch {HIGH} Ltd", SMILE], "rent": 1200}
    server.enqueue(json.dumps(data, ensure_ascii=escaped))
    done = await claude.complete(
        HAIKU,
        Form("Extract.", "The terms?", {"type": "object", "additionalProperties": False}),
        max_tokens=200,
        deadline=30,
        payer=Purse(),
    )
    assert done.data == {f"na{LOST}me": [f"Birch {LOST} Ltd", SMILE], "rent": 1200}
    json.dumps(done.data, ensure_ascii=False).encode()
