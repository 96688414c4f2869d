"""Citable text and a question -> what a model writes, its pointers turned into checked citations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from rag.citable import Citable, places_of
from rag.claude import (
    CitationPointer,
    ClaudeClient,
    Finished,
    Prompt,
    SearchResult,
    SectionEnd,
    Spent,
    TextDelta,
)
from rag.documents import Citation, Kind, Route
from rag.draft import Draft
from rag.errors import AnswerError, ClaudeUnavailable, ModelUnknown, OverBudget
from rag.events import Cited, Delta, Question
from rag.retrieval import Stopwatch
from rag.settings import Settings
from rag.synthesis.sizes import tokens_of, tokens_of_text

log = logging.getLogger(__name__)

FIRST_SHARE = 0.6
"""Of the deadline: what the model that was chosen may use up before the other one takes over."""


@dataclass(frozen=True, slots=True)
class Task:
    """One answer that a model is to write: by which model, from what, under which prompt."""

    kind: Kind
    model: str
    system: str
    given: Sequence[Citable]
    keep: bool = False
    """Let Claude keep the documents: they will be asked about again."""

    @property
    def results(self) -> list[SearchResult]:
        return [item.as_result() for item in self.given]


class Generator:
    """Writes answers by Claude, within a deadline and a budget."""

    def __init__(self, settings: Settings, claude: ClaudeClient) -> None:
        self._settings = settings
        self._claude = claude

    def cost(self, task: Task, question: Question) -> float | None:
        """Dollars that a task may cost at worst; None for a model of unknown price."""
        return self._claude.estimate(task.model, self._tokens(task, question), self._most(task.kind))

    async def write(
        self, task: Task, asked: str, question: Question, draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[Delta | Cited]:
        """The answer as it is written. The other model takes over where the first cannot be reached.

        Raises:
            AnswerError: neither model gave a whole answer; what was yielded is none.
        """
        deadline = (
            self._settings.answer_deadline if task.kind == "lookup" else self._settings.synthesis_deadline
        )
        other = self._other(task.model)
        ends = asyncio.get_running_loop().time() + deadline
        first = deadline * FIRST_SHARE if other else deadline
        shown = False
        try:
            async with aclosing(self._write(task, asked, question, draft, watch, first)) as events:
                async for event in events:
                    shown = True
                    yield event
            return
        except AnswerError as error:
            if shown or other is None or not isinstance(error, ClaudeUnavailable | ModelUnknown):
                raise
            second = Task(task.kind, other, task.system, task.given, task.keep)
            left = ends - asyncio.get_running_loop().time()
            if left <= 0 or not await self._affordable(second, question, draft):
                raise
            log.warning("%s takes over from %s: %s", other, task.model, error)
        draft.start_again()
        draft.add_notice(f"{task.model} cannot be reached.")
        draft.route = Route(model=other, reason=f"{task.model} cannot be reached, so {other} took over.")
        async with aclosing(self._write(second, asked, question, draft, watch, left)) as events:
            async for event in events:
                yield event

    async def _write(
        self,
        task: Task,
        asked: str,
        question: Question,
        draft: Draft,
        watch: Stopwatch,
        deadline: float,
    ) -> AsyncGenerator[Delta | Cited]:
        pointers: list[CitationPointer] = []
        request = Prompt(task.system, task.results, asked, question.history, keep_results=task.keep)

        def left(spent: Spent) -> None:
            draft.account(task.model, spent.usage, spent.usd)

        events = self._claude.stream(
            task.model, request, max_tokens=self._most(task.kind), deadline=deadline, on_left=left
        )
        with watch.stage("generate"):
            async with aclosing(events):
                async for event in events:
                    match event:
                        case TextDelta(text):
                            if shown := draft.text.feed(text):
                                yield Delta(shown)
                        case CitationPointer():
                            pointers.append(event)
                        case SectionEnd():
                            for made in draft.cite(places_of(pointers, task.given)):
                                yield shown_as(made)
                            pointers.clear()
                        case Spent(usage, usd):
                            draft.account(task.model, usage, usd)
                        case Finished(reached_limit):
                            if reached_limit:
                                draft.add_notice("The answer reached its length limit and stops early.")
            if rest := draft.text.finish():
                yield Delta(rest)

    async def _affordable(self, task: Task, question: Question, draft: Draft) -> bool:
        """Whether the purse holds for this as well as for what has been spent."""
        cost = self.cost(task, question)
        try:
            await question.purse.hold(None if cost is None else cost + draft.receipt().usd)
        except OverBudget:
            return False
        return True

    def _other(self, model: str) -> str | None:
        fast, thorough = self._settings.fast_model, self._settings.thorough_model
        other = thorough if model == fast else fast
        return other if other != model else None

    def _most(self, kind: Kind) -> int:
        settings = self._settings
        return settings.answer_max_tokens if kind == "lookup" else settings.synthesis_max_tokens

    def _tokens(self, task: Task, question: Question) -> int:
        """Tokens of the whole prompt, estimated on the safe side."""
        said = [task.system, question.text, *(turn.text for turn in question.history)]
        return sum(map(tokens_of_text, said)) + sum(map(tokens_of, task.given))


def shown_as(made: Citation | str) -> Delta | Cited:
    return Delta(made) if isinstance(made, str) else Cited(made)
