"""Questions drafted by Claude from the user's own documents, each with a quote that stands in its passage."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.claude import ClaudeClient, Completion, Form, Payer, prompt
from rag.documents import DocumentRecord, Filters
from rag.errors import AnswerError, CiteboxError, ClaudeRejected, NotFound, OverBudget
from rag.evaluation.places import spelt
from rag.purse import Purse
from rag.service import Service
from rag.terminal import Progress

NAME = "draft"
MAX_TOKENS = 600
SPARE = 0.5
"""Of the questions that are wanted: how many more passages may be tried, since some hold nothing to ask."""
SHORTEST = 200
"""Characters of a passage that is worth a question."""
LONGEST_QUESTION = 400
AT_ONCE = 4
CHUNKS = 2
"""Adjoining chunks of a passage."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "usable": {"type": "boolean"},
        "question": {"type": "string"},
        "answer": {"type": "string"},
        "quote": {"type": "string"},
    },
    "required": ["usable", "question", "answer", "quote"],
    "additionalProperties": False,
}

Drafted = dict[str, Any]
"""A line of a file of questions."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document that a question is drafted from."""

    record: DocumentRecord
    headings: tuple[str, ...]
    start: int
    page: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Made:
    """The questions; how many passages gave none, and what ended the work early."""

    rows: tuple[Drafted, ...]
    passed_over: int
    usd: float
    failure: CiteboxError | None = None


async def sample(service: Service, wanted: int, filters: Filters, seed: int) -> list[Passage]:
    """Passages of the documents that the reader may read, of each document in turn, in a random order."""
    chance = random.Random(seed)  # noqa: S311
    records = await service.store.visible_records(service.reader, filters)
    places: list[list[tuple[DocumentRecord, int]]] = []
    for record in records:
        if record.version is not None and record.chunks:
            positions = list(range(0, record.chunks, CHUNKS))
            chance.shuffle(positions)
            places.append([(record, position) for position in positions])
    chance.shuffle(places)
    passages: list[Passage] = []
    most = wanted + int(wanted * SPARE)
    while places and len(passages) < most:
        for left in list(places):
            if not left:
                places.remove(left)
            elif len(passages) < most and (found := await _passage(service, *left.pop())):
                passages.append(found)
    return passages


async def _passage(service: Service, record: DocumentRecord, position: int) -> Passage | None:
    version = record.version or ""
    last = position + CHUNKS - 1
    chunks = await service.store.chunks(record.id, version, position, last, reader=service.reader)
    if not chunks:
        return None
    try:
        text = await service.files.text(record.id, version)
    except NotFound:  # replaced just now
        return None
    first = chunks[0]
    stretch = text[first.start : chunks[-1].end]
    if len(stretch.strip()) < SHORTEST:
        return None
    return Passage(record, first.headings, first.start, first.page, stretch)


async def most_to_make(claude: ClaudeClient, model: str, passages: Sequence[Passage]) -> float | None:
    """The most dollars that drafting from all of these may cost; None for a model of unknown price."""
    costs = [await claude.worst(model, _form(one), MAX_TOKENS) for one in passages]
    known = [usd for usd in costs if usd is not None]
    return sum(known) if len(known) == len(costs) else None


async def make(
    service: Service,
    claude: ClaudeClient,
    passages: Sequence[Passage],
    wanted: int,
    progress: Progress,
    *,
    max_usd: float | None = None,
) -> Made:
    """Draft a question from one passage after the other until there are enough.

    A draft counts only if its quote stands in the passage. What was made before Claude refused or the budget
    was spent is kept.
    """
    caller = service.caller
    purse = Purse(caller.name, most=max_usd, day=caller.max_usd_per_day, ledger=service.ledger)
    rows: list[Drafted] = []
    seen: set[str] = set()
    passed_over, failure = 0, None
    model, deadline = service.settings.fast_model, service.settings.answer_deadline
    try:
        left = list(passages)
        while left and len(rows) < wanted and failure is None:
            progress("Drafting questions", len(rows), wanted)
            turn = left[: min(AT_ONCE, wanted - len(rows))]
            del left[: len(turn)]
            asked = (_asked(claude, model, one, deadline, purse) for one in turn)
            for passage, reply in zip(turn, await asyncio.gather(*asked), strict=True):
                if isinstance(reply, ClaudeRejected | OverBudget):
                    failure = failure or reply
                    continue
                row = None if isinstance(reply, CiteboxError) else _row(reply.data, passage)
                if row is None or row["question"].casefold() in seen:
                    passed_over += 1
                    continue
                seen.add(row["question"].casefold())
                rows.append({"id": f"q{len(rows) + 1:03}", **row})
    finally:
        await purse.settle(None)
    return Made(tuple(rows), passed_over, round(sum(one.usd or 0.0 for one in purse.charges), 8), failure)


async def _asked(
    claude: ClaudeClient, model: str, passage: Passage, deadline: float, payer: Payer
) -> Completion | CiteboxError:
    try:
        form = _form(passage)
        return await claude.complete(model, form, max_tokens=MAX_TOKENS, deadline=deadline, payer=payer)
    except (AnswerError, OverBudget) as error:
        return error


def _form(passage: Passage) -> Form:
    said = {"document": passage.record.title, "headings": passage.headings, "passage": passage.text}
    return Form(prompt(NAME), json.dumps(said, ensure_ascii=False), SCHEMA)


def _row(data: Any, passage: Passage) -> Drafted | None:
    """A draft as a line of questions; None where it is none, or its quote does not stand in the passage."""
    if not isinstance(data, Mapping) or data.get("usable") is not True:
        return None
    said = [data.get(name) for name in ("question", "answer", "quote")]
    if not all(isinstance(one, str) and one.strip() for one in said):
        return None
    question, answer, quote = (" ".join(str(one).split()) for one in said)
    found = spelt(quote.split()).search(passage.text)
    if found is None or len(question) > LONGEST_QUESTION:
        return None
    place: Drafted = {
        "document": passage.record.uri,
        "start": passage.start + found.start(),
        "end": passage.start + found.end(),
        "quote": found[0],
    }
    if passage.page is not None:
        place["page"] = passage.page
    return {"question": question, "answer": answer, "relevant": [place]}
