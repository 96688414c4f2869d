"""One answer has one end: what a step has used up is not there for the next."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from rag.answering import REWRITING_SHARE, Answerer
from rag.claude import ClaudeClient, Completion, Form, Prompt, StreamEvent, Turn, prompt
from rag.deadline import Deadline
from rag.documents import Reader
from rag.draft import NOT_FOUND
from rag.events import Progress, Question, Sources
from rag.generation import FIRST_SHARE
from rag.writing import CONDENSING_SHARE
from tests.claude_server import Cite, ClaudeServer, Part, Slow, Text
from tests.fakes import put
from tests.rag.conftest import Library
from tests.rag.desks import answerer_of, settings_of
from tests.rag.long_text import handbook

KEYS = "How often do encryption keys rotate?"
EARLIER = (Turn("user", "Who keeps the encryption keys?"), Turn("assistant", "The key officer."))
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"years": {"type": "integer"}}}
FAST, THOROUGH = 30.0, 300.0
SLOW = 1.0
"""Seconds that a step takes on purpose."""


class Timed(ClaudeClient):
    """Notes how long each request may take, under the name of its prompt."""

    allowed: dict[str, float]

    async def stream(
        self, model: str, asked: Prompt, *, deadline: float, **more: Any
    ) -> AsyncGenerator[StreamEvent]:
        self._note(asked.system, deadline)
        async with aclosing(super().stream(model, asked, deadline=deadline, **more)) as events:
            async for event in events:
                yield event

    async def complete(self, model: str, asked: Form, *, deadline: float, **more: Any) -> Completion:
        self._note(asked.system, deadline)
        return await super().complete(model, asked, deadline=deadline, **more)

    def _note(self, system: str, deadline: float) -> None:
        names = ("answer", "synthesis", "map", "reduce", "extract", "review", "rewrite")
        (name,) = (name for name in names if prompt(name) == system)
        self.allowed[name] = deadline


@pytest.fixture(scope="module")
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(not_found_text=NOT_FOUND) as server:
        yield server


@pytest.fixture
async def timed(library: Library, claude: ClaudeServer) -> AsyncIterator[Timed]:
    claude.reset()
    client = Timed(settings_of(library, claude.url))
    client.allowed = {}
    yield client
    await client.close()


def answerer(library: Library, claude: ClaudeServer, timed: Timed, **changes: Any) -> Answerer:
    deadlines = {"answer_deadline": FAST, "synthesis_deadline": THOROUGH}
    return answerer_of(library, settings_of(library, claude.url, **deadlines, **changes), timed)


def slow(text: str) -> Slow:
    return Slow(Text(text), before_first=SLOW)


async def test_what_rewriting_takes_is_not_there_for_the_answer(
    library: Library, claude: ClaudeServer, timed: Timed
) -> None:
    claude.enqueue(slow(json.dumps({"question": KEYS})))
    question = Question("And how often do they rotate?", Reader(), history=EARLIER)
    await answerer(library, claude, timed).answer(question)
    assert timed.allowed["rewrite"] == pytest.approx(FAST * REWRITING_SHARE, abs=0.5)
    assert 0 < timed.allowed["answer"] < (FAST - SLOW) * FIRST_SHARE


async def test_what_condensing_takes_is_not_there_for_the_answer(
    library: Library, claude: ClaudeServer, timed: Timed
) -> None:
    await put(library.store, library.files, handbook(4, 3, 5), name="handbook.md")
    claude.enqueue(Slow(Text(Part("Noted.", Cite(0, 0, 1))), before_first=SLOW))
    small = {"map_part_tokens": 2000, "synthesis_input_tokens": 2000}
    await answerer(library, claude, timed, **small).answer(Question("Summarise the handbook", Reader()))
    assert 0 < timed.allowed["map"] <= THOROUGH * CONDENSING_SHARE
    assert 0 < timed.allowed["reduce"] < (THOROUGH - SLOW) * FIRST_SHARE


async def test_what_condensing_takes_is_not_there_for_values(
    library: Library, claude: ClaudeServer, timed: Timed
) -> None:
    await put(library.store, library.files, handbook(4, 3, 5), name="handbook.md")
    claude.enqueue(Slow(Text(Part("Noted.", Cite(0, 0, 1))), before_first=SLOW))
    small = {"map_part_tokens": 2000, "synthesis_input_tokens": 2000}
    question = Question("Summarise the handbook", Reader(), schema=SCHEMA)
    asking = answerer(library, claude, timed, **small)
    await asyncio.gather(asking.answer(question), return_exceptions=True)
    assert 0 < timed.allowed["extract"] < THOROUGH - SLOW


async def test_a_review_has_what_the_answer_has_left_of_the_longer_deadline(
    library: Library, claude: ClaudeServer, timed: Timed
) -> None:
    asking = answerer(library, claude, timed)
    async with aclosing(asking.stream(Question(KEYS, Reader(), review=True))) as events:
        async for _ in events:
            pass
    assert timed.allowed["answer"] <= FAST * FIRST_SHARE
    assert FAST < timed.allowed["review"] < THOROUGH


async def test_the_answer_is_given_by_its_end_whatever_hangs(
    library: Library, claude: ClaudeServer, timed: Timed
) -> None:
    """Rewriting, the first model and the one that takes over: all of them hang."""
    claude.enqueue(*[Slow(Text("late"), before_first=60)] * 9)
    settings = settings_of(library, claude.url, answer_deadline=3.0)
    question = Question("And how often do they rotate?", Reader(), history=EARLIER)
    began = asyncio.get_running_loop().time()
    answer = await answerer_of(library, settings, timed).answer(question)
    assert asyncio.get_running_loop().time() - began < 3.9
    assert answer.route.model == "extractive"
    assert set(timed.allowed) == {"rewrite", "answer"}


async def test_a_reader_who_takes_the_answer_slowly_uses_up_none_of_its_time(
    library: Library, claude: ClaudeServer, timed: Timed
) -> None:
    async with aclosing(answerer(library, claude, timed).stream(Question(KEYS, Reader()))) as events:
        async for event in events:
            if isinstance(event, Sources):
                await asyncio.sleep(4.0)
    assert timed.allowed["answer"] > (FAST - 3.5) * FIRST_SHARE


async def test_a_reader_who_takes_the_progress_of_a_reading_slowly_uses_up_none_of_its_time(
    library: Library, claude: ClaudeServer, timed: Timed
) -> None:
    await put(library.store, library.files, handbook(4, 3, 5), name="handbook.md")
    small = {"map_part_tokens": 2000, "synthesis_input_tokens": 2000}
    asked = Question("Summarise the handbook", Reader())
    claude.enqueue(Text(Part("Noted.", Cite(0, 0, 1))))
    waited = False
    async with aclosing(answerer(library, claude, timed, **small).stream(asked)) as events:
        async for event in events:
            if isinstance(event, Progress) and not waited:
                waited = True
                await asyncio.sleep(4.0)
    assert waited
    assert timed.allowed["map"] > (THOROUGH - 3.5) * CONDENSING_SHARE
    assert timed.allowed["reduce"] > (THOROUGH - 3.5) * FIRST_SHARE


async def test_a_share_of_a_deadline_leaves_the_rest_and_stands_still_with_it() -> None:
    ends = Deadline(10.0)
    share = ends.share(0.7)
    assert 6.9 < share.left <= 7.0
    with ends.stopped():
        await asyncio.sleep(0.2)
    assert 6.9 < share.left <= 7.0
    assert Deadline().share(0.7).left == math.inf


async def test_a_deadline_counts_from_its_beginning_but_not_while_it_stands_still() -> None:
    ends = Deadline(10.0)
    await asyncio.sleep(0.2)
    assert 9.5 < ends.left <= 9.8
    ends.allow(20.0)
    assert 19.5 < ends.left <= 19.8
    left = ends.left
    with ends.stopped():
        await asyncio.sleep(0.2)
    assert ends.left > left - 0.15
