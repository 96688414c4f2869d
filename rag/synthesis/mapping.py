"""The fast model reads the parts of a long text in parallel and takes cited notes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from rag.citable import Citable
from rag.claude import (
    CitationPointer,
    ClaudeClient,
    Finished,
    Payer,
    Prompt,
    SectionEnd,
    TextDelta,
    prompt,
)
from rag.deadline import Deadline, Share
from rag.errors import AnswerCutOff, AnswerError, CircuitOpen, ClaudeUnavailable, OverBudget
from rag.events import Progress
from rag.synthesis.notes import NoteTaker, PartCache, PartNotes, as_citable, key_of
from rag.synthesis.parts import Part


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes on all parts that say something, in the order of the parts.

    `cut_short` are the titles of the parts whose notes reached their length limit.
    """

    citables: tuple[Citable, ...]
    cut_short: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Request:
    """One part as it is asked for; `key` is what its notes are kept under."""

    index: int
    asked: Prompt
    key: str


@dataclass(frozen=True, slots=True)
class _Finished:
    index: int
    notes: PartNotes


@dataclass(slots=True)
class _Desk:
    """Where the workers of one reading take their requests from and put what comes of them."""

    claude: ClaudeClient
    model: str
    max_tokens: int
    ends: Deadline | Share
    payer: Payer
    waiting: deque[_Request] = field(default_factory=deque)
    news: asyncio.Queue[_Finished | None] = field(default_factory=asyncio.Queue)
    failure: Exception | None = None


async def map_parts(
    claude: ClaudeClient,
    question: str,
    parts: Sequence[Part],
    *,
    model: str,
    parallel: int,
    max_tokens: int,
    ends: Deadline | Share,
    finished: PartCache,
    payer: Payer,
) -> AsyncGenerator[Progress | Notes]:
    """Read all parts, `parallel` at a time, each in at most `max_tokens` of notes; `Notes` comes last.

    A part whose request fails is asked for once more. When that fails too, no further part is begun, those
    being read are read to their end because they are paid for, and the failure is raised; what is finished
    is kept in `finished`, so that the same call asks only for the rest. Closing the iterator ends all
    requests. `ends` is for all parts together; while it stands still, those under way are read on.

    Raises:
        AnswerError: a part could not be read, or the time is over.
        OverBudget: reading on would pass what may be spent.
    """
    desk = _Desk(claude, model, max_tokens, ends, payer)
    keys: list[str] = []
    made: dict[int, PartNotes] = {}
    for index, part in enumerate(parts):
        asked = Prompt(prompt("map"), [one.as_result() for one in part.citables], question)
        keys.append(key_of(model, asked, max_tokens))
        if (kept := finished.get(keys[index])) is not None:
            made[index] = kept
        else:
            desk.waiting.append(_Request(index, asked, keys[index]))
    if parts:
        yield Progress(len(made), len(parts), parts[0].document)
    # Tasks and a queue, not a task group: a group that fails cancels the task that entered it, which between
    # two steps of a generator is whoever iterates over it.
    workers = [asyncio.create_task(_work(desk)) for _ in range(min(parallel, len(desk.waiting)))]
    try:
        working = len(workers)
        while working:
            match await desk.news.get():
                case None:
                    working -= 1
                case _Finished(index, notes):
                    made[index] = notes
                    finished.put(keys[index], notes)
                    yield Progress(len(made), len(parts), parts[index].document)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    if desk.failure is not None:
        raise desk.failure
    found = [as_citable(part, made[index]) for index, part in enumerate(parts)]
    yield Notes(
        tuple(one for one in found if one is not None),
        tuple(part.title for index, part in enumerate(parts) if made[index].cut_short),
    )


async def _work(desk: _Desk) -> None:
    """Read one part after the other until none waits or one has failed."""
    try:
        while desk.waiting and desk.failure is None:
            request = desk.waiting.popleft()
            desk.news.put_nowait(_Finished(request.index, await _read_twice(desk, request)))
    except Exception as error:
        desk.failure = desk.failure or error
    finally:
        desk.news.put_nowait(None)


async def _read_twice(desk: _Desk, request: _Request) -> PartNotes:
    """The notes on one part; asked for again when the first reply did not come or broke off.

    What was refused would be refused again, and a model that is not asked for a while is not asked.
    """
    try:
        return await _read(desk, request)
    except CircuitOpen:
        raise
    except (ClaudeUnavailable, AnswerCutOff) as error:
        failure: AnswerError = error
    try:
        return await _read(desk, request)
    except OverBudget:
        raise failure from None


async def _read(desk: _Desk, request: _Request) -> PartNotes:
    left = desk.ends.left
    if left <= 0:
        raise ClaudeUnavailable(
            "reading the documents took longer than it may",
            remedy="ask again: the parts that were read are kept; or raise RAG_SYNTHESIS_DEADLINE",
        )
    taker = NoteTaker()
    cut_short = False
    events = desk.claude.stream(
        desk.model, request.asked, max_tokens=desk.max_tokens, deadline=left, payer=desk.payer
    )
    async with aclosing(events):
        async for event in events:
            match event:
                case TextDelta(text):
                    taker.write(text)
                case CitationPointer():
                    taker.point(event)
                case SectionEnd():
                    taker.end_section()
                case Finished(reached_limit):
                    cut_short = reached_limit
    return PartNotes(tuple(taker.notes), cut_short)
