"""What a model writes from: passages, whole documents, or notes on what is too long for one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from rag.citable import Citable, of_evidence
from rag.claude import ClaudeClient, prompt
from rag.documents import Evidence
from rag.draft import Draft
from rag.errors import AnswerCutOff
from rag.events import Cited, Delta, Progress, Question
from rag.generation import Generator, Task
from rag.retrieval import Stopwatch
from rag.routing import Plan
from rag.settings import Settings
from rag.store import Store
from rag.store.files import FileStore
from rag.synthesis import (
    Condensed,
    PartCache,
    Reading,
    condense,
    cut_into_parts,
    most_tokens,
    read_documents,
)
from rag.synthesis.condensing import NOTES_TOKENS, condensing_cost

CONDENSING_SHARE = 0.7
"""Of the time that is left, for the notes: the answer is written from them in the rest."""


@dataclass(frozen=True, slots=True)
class Work:
    """An answer that is ready to be written, and the dollars it may cost at worst.

    `reading` is set while it is too long to be given as it is; `too_long` when it is longer than a lookup
    in doubt is worth.
    """

    task: Task
    cost: float | None
    documents: frozenset[str]
    chunks: int
    notice: str | None = None
    reading: Reading | None = None
    too_long: bool = False


class Writer:
    """Prepares what a model is given and lets it write."""

    def __init__(self, settings: Settings, store: Store, files: FileStore, claude: ClaudeClient) -> None:
        self._settings = settings
        self._store = store
        self._files = files
        self._claude = claude
        self._generator = Generator(settings, claude)
        self._finished = PartCache()

    async def prepare(
        self,
        way: Plan,
        question: Question,
        asked: str,
        passages: Sequence[Evidence],
        draft: Draft,
        watch: Stopwatch,
    ) -> Work:
        """Gather what is to be given; nothing is spent yet."""
        model = way.route.model
        if way.kind == "synthesis":
            with watch.stage("read"):
                reading = await self._read(way, question, asked, draft)
            if reading.citables:
                return await self._whole(way, question, asked, reading)
        given = [item for item in await asyncio.to_thread(_cut, passages) if item is not None]
        task = Task("lookup" if way.kind == "lookup" else "synthesis", model, prompt(_prompt_of(way)), given)
        return Work(
            task,
            await self._generator.cost(task, asked, question),
            frozenset(chunk.document_id for item in passages for chunk in item.chunks),
            sum(len(item.chunks) for item in passages),
        )

    async def condensed(
        self, work: Work, question: Question, asked: str, draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[Progress | Work]:
        """The work as it can be given; the fast model reads first what is too long. The work comes last.

        Raises:
            AnswerError: a part could not be read; those that were are kept for the next time.
            OverBudget: reading on would pass what may be spent.
        """
        if work.reading is None:
            yield work
            return
        events = condense(
            self._claude,
            asked,
            work.reading.citables,
            model=self._settings.fast_model,
            settings=self._settings,
            ends=draft.ends.share(CONDENSING_SHARE),
            finished=self._finished,
            payer=draft.purse,
        )
        with watch.stage("map"):
            async with aclosing(events):
                async for event in events:
                    match event:
                        case Progress():
                            yield event
                        case Condensed(citables, notice):
                            if notice:
                                draft.add_notice(notice)
                            task = replace(work.task, system=prompt("reduce"), given=citables, keep=False)
                            work = replace(work, task=task, reading=None)
        if work.reading is not None:
            raise AnswerCutOff("the reading of the documents ended before it was whole")
        yield work

    async def write(
        self, work: Work, question: Question, asked: str, draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[Progress | Delta | Cited]:
        """The answer as it is written.

        Raises:
            AnswerError: no whole answer came; what was yielded is none.
            OverBudget: going on would pass what may be spent.
        """
        async with aclosing(self.condensed(work, question, asked, draft, watch)) as steps:
            async for step in steps:
                if isinstance(step, Progress):
                    yield step
                else:
                    work = step
        if not work.task.given:
            draft.add_notice("No part of the documents says anything of it.")
            return
        async with aclosing(self._generator.write(work.task, asked, question, draft, watch)) as events:
            async for event in events:
                yield event

    async def _read(self, way: Plan, question: Question, asked: str, draft: Draft) -> Reading:
        hits = draft.hits
        if way.escalated and hits:
            hits = [hit for hit in hits if hit.document_id == hits[0].document_id]
        return await read_documents(
            asked,
            hits,
            question.reader,
            question.filters,
            self._store,
            self._files,
            most_tokens(self._settings),
        )

    async def _whole(self, way: Plan, question: Question, asked: str, reading: Reading) -> Work:
        settings = self._settings
        long = reading.tokens > settings.synthesis_input_tokens
        task = Task(
            "synthesis", way.route.model, prompt(_prompt_of(way)), () if long else reading.citables, keep=True
        )
        if long:
            cost = await self._cost_of_parts(task, question, asked, reading.citables)
        else:
            cost = await self._generator.cost(task, asked, question)
        return Work(
            task,
            cost,
            frozenset(record.id for record in reading.documents),
            sum(len(section.chunks) for section in reading.sections),
            notice=reading.notice,
            reading=reading if long else None,
            too_long=way.escalated and reading.tokens > settings.escalate_tokens,
        )

    async def _cost_of_parts(
        self, task: Task, question: Question, asked: str, citables: Sequence[Citable]
    ) -> float | None:
        """All parts read by the fast model, then the longest notes there can be read by the other."""
        settings = self._settings
        parts = await asyncio.to_thread(cut_into_parts, citables, settings.map_part_tokens)
        reading = await condensing_cost(
            self._claude, asked, parts, model=settings.fast_model, settings=settings
        )
        notes = min(len(parts) * NOTES_TOKENS, settings.synthesis_input_tokens)
        reducing = replace(task, system=prompt("reduce"), keep=False)
        writing = await self._generator.cost(reducing, asked, question, more=notes)
        return None if reading is None or writing is None else reading + writing


def _prompt_of(way: Plan) -> str:
    return "answer" if way.kind == "lookup" else "synthesis"


def _cut(passages: Sequence[Evidence]) -> list[Citable | None]:
    return [of_evidence(item) for item in passages]
