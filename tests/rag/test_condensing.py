"""Notes on a long text made small enough for one request; they still prove the originals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from rag.citable import Citable, places_of
from rag.claude import (
    CitationPointer,
    ClaudeClient,
    Prompt,
    prompt,
)
from rag.deadline import Deadline
from rag.documents import Filters, Reader
from rag.events import Progress
from rag.grounding import Citations
from rag.purse import Purse
from rag.settings import Settings
from rag.synthesis import (
    Condensed,
    PartCache,
    condense,
    cut_into_parts,
    most_tokens,
    read_documents,
)
from rag.synthesis.sizes import tokens_of
from tests.claude_server import (
    ClaudeServer,
)
from tests.claude_server.models import MODELS
from tests.claude_server.usage import prompt_tokens
from tests.fakes import put
from tests.rag.conftest import Library
from tests.rag.long_text import citables_of, handbook
from tests.rag.part_reading import (
    ASKED,
    GIVEN,
    HAIKU,
    SONNET,
    CountingClaude,
    assert_proved,
    settings_with,
)


@pytest.fixture(scope="module")
def server() -> Iterator[ClaudeServer]:
    with ClaudeServer() as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(server: ClaudeServer) -> None:
    server.reset()


@pytest.fixture
def with_claude(settings: Settings, server: ClaudeServer) -> Settings:
    return settings_with(settings, server.url)


@pytest.fixture
async def claude(with_claude: Settings) -> AsyncIterator[ClaudeClient]:
    client = ClaudeClient(with_claude)
    yield client
    await client.close()


async def condensed(
    claude: Any, citables: Sequence[Citable], settings: Settings
) -> tuple[Condensed, list[Progress]]:
    events = condense(
        claude,
        ASKED,
        citables,
        model=HAIKU,
        settings=settings,
        ends=Deadline(60.0),
        finished=PartCache(),
        payer=Purse(),
    )
    async with aclosing(events) as stream:
        seen = [event async for event in stream]
    last = seen[-1]
    assert isinstance(last, Condensed)
    return last, [event for event in seen if isinstance(event, Progress)]


async def test_the_final_answer_cites_the_exact_text_of_the_originals(
    library: Library, with_claude: Settings, claude: ClaudeClient, server: ClaudeServer
) -> None:
    small = with_claude.model_copy(update={"map_part_tokens": 2000, "synthesis_input_tokens": 3000})
    for name in ("alpha", "beta"):
        document = handbook(4, 3, 5, title=f"{name.title()} handbook")
        await put(library.store, library.files, document, name=f"{name}.md")
    whole = await read_documents(
        "Compare the alpha handbook and the beta handbook",
        [],
        Reader(),
        Filters(),
        library.store,
        library.files,
        most_tokens(small),
    )
    assert whole.notice is None
    assert whole.tokens > small.synthesis_input_tokens
    notes, progress = await condensed(claude, whole.citables, small)
    assert progress[-1].done == progress[-1].total == len(server.requests) > 2
    assert {one.title for one in progress} == {"Alpha handbook", "Beta handbook"}
    sent = [block["text"] for request in server.requests for block in texts(request.body)]
    assert sorted(sent) == sorted(sentence for one in whole.citables for sentence in one.sentences)
    for request in server.requests:
        documents = {**request.body, "system": []}
        assert prompt_tokens(documents, MODELS[HAIKU]) <= small.map_part_tokens
        assert len({source["title"].split(" > ")[0] for source in results(request.body)}) == 1

    server.requests.clear()
    pointers: list[CitationPointer] = []
    asked = Prompt(prompt("reduce"), [one.as_result() for one in notes.citables], ASKED)
    stream = claude.stream(SONNET, asked, max_tokens=4000, deadline=60.0, payer=Purse())
    async with aclosing(stream) as events:
        pointers = [event async for event in events if isinstance(event, CitationPointer)]
    assert pointers
    for evidence, start, end in places_of(pointers, notes.citables):
        made = Citations().cite(evidence, start, end)
        assert made is not None
        citation = made[0]
        stored = await library.files.text(citation.document_id, citation.version)
        assert stored[citation.start : citation.end] == citation.quote
        assert citation.quote.startswith("Valve ")


async def test_notes_still_too_large_are_condensed_once_more_and_prove_the_same_text(
    claude: ClaudeClient, with_claude: Settings, server: ClaudeServer
) -> None:
    given = citables_of(handbook(6, 5, 6))
    small = with_claude.model_copy(update={"map_part_tokens": 1000, "synthesis_input_tokens": 1200})
    notes, progress = await condensed(claude, given, small)
    first = len(cut_into_parts(given, 1000))
    assert progress[-1].done == progress[-1].total == len(server.requests) > first
    assert [one.done for one in progress] == sorted(one.done for one in progress)
    assert sum(tokens_of(one) for one in notes.citables) <= 1200
    assert_proved(notes.citables)
    quotes = {
        evidence.parsed.text[start:end]
        for one in notes.citables
        for places in one.places
        for evidence, start, end in places
    }
    assert quotes <= {sentence for one in given for sentence in one.sentences}


async def test_notes_that_do_not_get_shorter_are_cut_and_it_is_said(with_claude: Settings) -> None:
    given = citables_of(handbook(6, 5, 6))
    tiny = with_claude.model_copy(update={"map_part_tokens": 100, "synthesis_input_tokens": 300})
    notes, _ = await condensed(CountingClaude(), given, tiny)
    assert sum(tokens_of(one) for one in notes.citables) <= 300
    assert "Not everything was noted" in (notes.notice or "")


async def test_where_no_part_says_anything_there_is_nothing_to_write_from(
    claude: ClaudeClient, server: ClaudeServer, with_claude: Settings
) -> None:
    server.enqueue(*["Nothing in this part."] * 20)
    small = with_claude.model_copy(update={"map_part_tokens": 400})
    notes, _ = await condensed(claude, GIVEN, small)
    assert notes == Condensed(())


def results(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in body["messages"][0]["content"] if one["type"] == "search_result"]


def texts(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for one in results(body) for block in one["content"]]
