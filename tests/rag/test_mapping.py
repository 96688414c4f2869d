"""Long texts read in parts: the notes prove the originals, what is paid for is kept, what is left ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from rag.citable import places_of
from rag.claude import (
    CitationPointer,
    ClaudeClient,
    prompt,
)
from rag.deadline import Deadline
from rag.errors import AnswerCutOff, AnswerRefused, ClaudeUnavailable
from rag.events import Progress
from rag.purse import Purse
from rag.settings import Settings
from rag.synthesis import (
    Notes,
    PartCache,
    cut_into_parts,
    map_parts,
)
from tests.claude_server import (
    Cite,
    ClaudeServer,
    InvalidCitation,
    MaxTokens,
    MidStreamError,
    Part,
    Refusal,
    Slow,
    Text,
)
from tests.rag.long_text import citables_of, handbook
from tests.rag.part_reading import (
    ASKED,
    HAIKU,
    PARTS,
    CountingClaude,
    assert_proved,
    notes_of,
    reading,
    settings_with,
    sources,
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


# ---------------------------------------------------------------- one question


async def test_every_part_is_asked_once_and_the_notes_come_in_the_order_of_the_text(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    purse = Purse()
    async with aclosing(reading(claude, parallel=3, payer=purse)) as stream:
        events = [event async for event in stream]
    assert len(PARTS) > 3
    bodies = [request.body for request in server.requests]
    assert sorted(map(sources, bodies)) == sorted([one.source for one in part.citables] for part in PARTS)
    for body in bodies:
        assert body["model"] == HAIKU
        assert body["system"][0]["text"] == prompt("map")
    progress = [event for event in events if isinstance(event, Progress)]
    assert [(one.done, one.total) for one in progress] == [(n, len(PARTS)) for n in range(len(PARTS) + 1)]
    assert {one.title for one in progress} == {"Handbook"}
    (charge,) = purse.charges
    assert (charge.model, charge.requests) == (HAIKU, len(PARTS))
    assert charge.usd
    notes = events[-1]
    assert isinstance(notes, Notes)
    assert [one.title for one in notes.citables] == [part.title for part in PARTS]
    assert_proved(notes.citables)
    first = [places[0][1] for one in notes.citables for places in one.places[:1]]
    assert first == sorted(first)


async def test_a_note_proves_what_the_originals_say_and_not_what_stands_between(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    """Cited in the end, a note gives the exact sentences it was made from, each as a citation of its own."""
    (part, *_) = PARTS
    first, last = (0, 0), (0, len(part.citables[0].sentences) - 1)
    assert last[1] > 1
    server.enqueue(Text(Part("The first and the last.", Cite(*first, 1), Cite(*last, last[1] + 1))))
    notes = await notes_of(reading(claude))
    condensed = notes.citables[0]
    assert condensed.sentences == ("The first and the last.",)
    found = places_of([CitationPointer(0, 0, 1)], notes.citables)
    quotes = [evidence.parsed.text[start:end] for evidence, start, end in found]
    assert quotes == [part.citables[0].sentences[0], part.citables[0].sentences[-1]]


async def test_what_cites_nothing_is_no_note_but_the_beginning_of_its_sentence_is(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    server.enqueue(
        Text(
            "Valves matter, trust me. ",
            "- The first valve is ",
            Part("opened in the morning", Cite(0, 0, 1)),
            ".\n- ",
            Part("So is the second.", Cite(0, 1, 2)),
            "\nNobody knows more.",
        ),
        InvalidCitation("Made up."),
        *["Nothing in this part."] * len(PARTS),
    )
    notes = await notes_of(reading(claude))
    (only,) = notes.citables
    assert only.sentences == ("The first valve is opened in the morning", "So is the second.")


async def test_notes_that_reach_their_limit_are_kept_and_it_is_said(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    server.enqueue(MaxTokens("Valve 1-1-1 is"))
    notes = await notes_of(reading(claude))
    assert notes.cut_short == (PARTS[0].title,)


# ---------------------------------------------------------------- failures


async def test_a_part_that_breaks_off_is_asked_for_once_more(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    server.enqueue(MidStreamError("Valve 1-1-1 is"))
    notes = await notes_of(reading(claude))
    assert [one.title for one in notes.citables] == [part.title for part in PARTS]
    assert "Valve 1-1-1 is" not in notes.citables[0].sentences


async def test_asked_again_after_a_failure_only_the_missing_parts_are_read(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    good = Text(Part("Noted.", Cite(0, 0, 1)))
    server.enqueue(good, good, Refusal())
    finished = PartCache()
    with pytest.raises(AnswerRefused):
        await notes_of(reading(claude, finished=finished))
    assert len(server.requests) == len(finished) + 1 == 3
    server.requests.clear()
    async with aclosing(reading(claude, finished=finished)) as stream:
        events = [event async for event in stream]
    assert events[0] == Progress(2, len(PARTS), "Handbook")
    assert list(map(sources, [one.body for one in server.requests])) == [
        [one.source for one in part.citables] for part in PARTS[2:]
    ]
    assert isinstance(events[-1], Notes)
    assert events[-1].citables[0].sentences == ("Noted.",)
    assert_proved(events[-1].citables)


async def test_leaving_ends_all_requests_at_once(claude: ClaudeClient, server: ClaudeServer) -> None:
    hanging = Slow(Text("One two three four five six seven"), delay_per_chunk=60)
    server.enqueue(hanging, hanging, "Nothing in this part.", *[hanging] * len(PARTS))
    stream = reading(claude, parallel=3)
    async for event in stream:
        if isinstance(event, Progress) and event.done == 1:
            break  # the third request is answered, so the first two are under way
    await stream.aclose()
    hung = server.requests[:2] + server.requests[3:]
    assert len(hung) <= 3
    for request in hung:
        assert await asyncio.to_thread(request.wait)
        assert request.disconnected


@pytest.mark.parametrize("parallel", [1, 2, 3])
async def test_no_more_parts_are_read_at_a_time_than_allowed(parallel: int) -> None:
    claude = CountingClaude()
    await notes_of(reading(claude, parallel=parallel))
    assert claude.most_at_once == parallel
    assert len(claude.asked) == len(PARTS)


async def test_a_part_that_fails_twice_fails_the_whole_but_those_under_way_are_kept() -> None:
    claude = CountingClaude(fails=frozenset({PARTS[0].citables[0].source}))
    finished = PartCache()
    with pytest.raises(AnswerCutOff):
        await notes_of(reading(claude, parallel=2, finished=finished))
    assert claude.asked.count(PARTS[0].citables[0].source) == 2
    assert len(finished) == len(claude.asked) - 2 > 0
    assert len(set(claude.asked)) < len(PARTS)  # no further part was begun


async def test_no_part_is_begun_when_the_time_is_over() -> None:
    claude = CountingClaude()
    events = map_parts(
        claude,  # type: ignore[arg-type]
        ASKED,
        PARTS,
        model=HAIKU,
        parallel=2,
        max_tokens=1000,
        ends=Deadline(-1.0),
        finished=PartCache(),
        payer=Purse(),
    )
    with pytest.raises(ClaudeUnavailable, match="longer than it may"):
        await notes_of(events)
    assert claude.asked == []


async def test_notes_are_not_those_of_another_question_text_or_document() -> None:
    finished = PartCache()
    claude = CountingClaude()
    await notes_of(reading(claude, finished=finished))
    await notes_of(reading(claude, finished=finished, question="Who closes the valves?"))
    assert len(claude.asked) == 2 * len(PARTS)
    # The same words in a document of another name, which other readers may see, are asked for again.
    other = cut_into_parts(citables_of(handbook(3, 2, 3), "other.md"), 220)
    events = map_parts(
        claude,  # type: ignore[arg-type]
        ASKED,
        other,
        model=HAIKU,
        parallel=1,
        max_tokens=1000,
        ends=Deadline(60.0),
        finished=finished,
        payer=Purse(),
    )
    notes = await notes_of(events)
    assert len(claude.asked) == 3 * len(PARTS)
    assert {places[0][0].uri for one in notes.citables for places in one.places} == {
        "file:///library/other.md"
    }


async def test_the_notes_read_longest_ago_are_forgotten_first() -> None:
    finished = PartCache(most=len(PARTS) - 1)
    claude = CountingClaude()
    await notes_of(reading(claude, finished=finished))
    assert len(finished) == len(PARTS) - 1
    claude.asked.clear()
    await notes_of(reading(claude, finished=finished))
    assert claude.asked[0] == PARTS[0].citables[0].source
