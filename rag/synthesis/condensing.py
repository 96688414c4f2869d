"""A text too long for one request becomes notes that fit into one and still prove the originals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from rag.citable import Citable
from rag.claude import ClaudeClient, Payer, Prompt, prompt
from rag.deadline import Deadline, Share
from rag.events import Progress
from rag.settings import Settings
from rag.synthesis.mapping import Notes, map_parts
from rag.synthesis.notes import PartCache
from rag.synthesis.parts import Part, cut_into_parts
from rag.synthesis.sizes import tokens_of

NOTES_TOKENS = 4000
"""Longest notes on one part: those on 40 parts fit into one request of the usual size."""


@dataclass(frozen=True, slots=True)
class Condensed:
    """What the final answer is written from, in reading order; empty when no part held anything of use.

    `places` of the citables are those of the original text. `notice` says what is missing.
    """

    citables: tuple[Citable, ...]
    notice: str | None = None


async def condense(
    claude: ClaudeClient,
    question: str,
    citables: Sequence[Citable],
    *,
    model: str,
    settings: Settings,
    ends: Deadline | Share,
    finished: PartCache,
    payer: Payer,
) -> AsyncGenerator[Progress | Condensed]:
    """Notes by `model` on all of `citables`, small enough for one request; `Condensed` comes last.

    Notes that are still too large are condensed once more. `ends` is for all of it; failures, closing and
    `finished` are as in `map_parts`.

    Raises:
        AnswerError: a part could not be read, or the time is over.
        OverBudget: reading on would pass what may be spent.
    """
    most = settings.synthesis_input_tokens
    cut_short: dict[str, None] = {}
    parts = await asyncio.to_thread(cut_into_parts, citables, settings.map_part_tokens)
    before = 0
    notes = Notes(())
    for _ in range(2):
        events = map_parts(
            claude,
            question,
            parts,
            model=model,
            parallel=settings.map_parallel,
            max_tokens=NOTES_TOKENS,
            ends=ends,
            finished=finished,
            payer=payer,
        )
        async with aclosing(events):
            async for event in events:
                match event:
                    case Progress(done, total, title):
                        yield Progress(before + done, before + total, title)
                    case Notes():
                        notes = event
        cut_short.update(dict.fromkeys(notes.cut_short))
        before += len(parts)
        if sum(tokens_of(one) for one in notes.citables) <= most:
            break
        parts = _together(notes.citables, settings.map_part_tokens)
    kept, shortened = _fitting(notes.citables, most)
    yield Condensed(kept, _notice(list(cut_short), shortened))


async def condensing_cost(
    claude: ClaudeClient, question: str, parts: Sequence[Part], *, model: str, settings: Settings
) -> float | None:
    """Dollars that condensing these parts may cost at worst, each part read once."""
    sizes = [part.tokens for part in parts]
    if len(parts) * NOTES_TOKENS > settings.synthesis_input_tokens:
        # Each of the notes alone is the dearest way to read them once more.
        sizes += [NOTES_TOKENS] * len(parts)
    asked = Prompt(prompt("map"), (), question)
    costs = [await claude.worst(model, asked, NOTES_TOKENS, more=size) for size in sizes]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _together(notes: Sequence[Citable], part_tokens: int) -> list[Part]:
    """Notes on neighbouring parts, as many as fit, as the parts of a second reading."""
    groups: list[list[Citable]] = []
    held = 0
    for note in notes:
        size = tokens_of(note)
        if not groups or held + size > part_tokens:
            groups.append([])
            held = 0
        groups[-1].append(note)
        held += size
    return [
        Part(
            " to ".join(dict.fromkeys((group[0].title, group[-1].title))),
            number=1,
            of=1,
            citables=tuple(group),
            tokens=sum(tokens_of(one) for one in group),
        )
        for group in groups
    ]


def _fitting(notes: Sequence[Citable], most: int) -> tuple[tuple[Citable, ...], list[str]]:
    """The notes within `most` tokens, and the titles of those that lose their end: each the same share."""
    total = sum(tokens_of(one) for one in notes)
    if total <= most:
        return tuple(notes), []
    kept: list[Citable] = []
    for note in notes:
        count = len(note.sentences)
        while count and tokens_of(_first(note, count)) > tokens_of(note) * most / total:
            count -= 1
        if count:
            kept.append(_first(note, count))
    return tuple(kept), [note.title for note in notes]


def _first(note: Citable, count: int) -> Citable:
    return replace(note, sentences=note.sentences[:count], places=note.places[:count])


def _notice(cut_short: Sequence[str], shortened: Sequence[str]) -> str | None:
    titles = list(dict.fromkeys([*cut_short, *shortened]))
    return f"Not everything was noted, for length, of: {', '.join(titles)}." if titles else None
