"""Citable text and a question -> what a model writes, its pointers turned into checked citations."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from rag.citable import Citable, places_of
from rag.claude import (
    CitationPointer,
    ClaudeClient,
    Finished,
    Form,
    Prompt,
    SectionEnd,
    TextDelta,
)
from rag.documents import Citation, Kind, Route
from rag.draft import Draft
from rag.errors import AnswerError, ClaudeUnavailable, ModelUnknown, OverBudget
from rag.events import Cited, Delta, Question
from rag.retrieval import Stopwatch
from rag.settings import Settings
from rag.structured import form_of

log = logging.getLogger(__name__)

FIRST_SHARE = 0.6
"""Of the time that is left: what the model that was chosen may use up before the other one takes over."""


@dataclass(frozen=True, slots=True)
class Task:
    """One answer that a model is to write: by which model, from what, under which prompt."""

    kind: Kind
    model: str
    system: str
    given: Sequence[Citable]
    keep: bool = False
    """Let Claude keep the documents: they will be asked about again."""


class Generator:
    """Writes answers by Claude, within a deadline and a budget."""

    def __init__(self, settings: Settings, claude: ClaudeClient) -> None:
        self._settings = settings
        self._claude = claude

    async def cost(self, task: Task, asked: str, question: Question, *, more: int = 0) -> float | None:
        """Dollars that one attempt at a task may cost at worst; None for a model of unknown price.

        `more` are tokens of what is to be given and is not there yet.
        """
        request: Prompt | Form
        if question.schema is None:
            request = _prompt(task, asked, question)
        else:
            request = form_of(asked, dict(question.schema), task.given)
        return await self._claude.worst(task.model, request, self._most(task.kind), more=more)

    async def write(
        self, task: Task, asked: str, question: Question, draft: Draft, watch: Stopwatch
    ) -> AsyncGenerator[Delta | Cited]:
        """The answer as it is written. The other model takes over where the first cannot be reached.

        Raises:
            AnswerError: neither model gave a whole answer; what was yielded is none.
            OverBudget: the first attempt would pass what may be spent.
        """
        other = self._other(task.model)
        first = draft.ends.left * (FIRST_SHARE if other else 1.0)
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
            if draft.ends.left <= 0 or not await self._affordable(second, asked, question, draft):
                raise
            log.warning("%s takes over from %s: %s", other, task.model, error)
        draft.start_again()
        draft.add_notice(f"{task.model} cannot be reached.")
        draft.route = Route(model=other, reason=f"{task.model} cannot be reached, so {other} took over.")
        left = draft.ends.left
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
        events = self._claude.stream(
            task.model,
            _prompt(task, asked, question),
            max_tokens=self._most(task.kind),
            deadline=deadline,
            payer=draft.purse,
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
                        case Finished(reached_limit):
                            if reached_limit:
                                draft.add_notice("The answer reached its length limit and stops early.")
            if rest := draft.text.finish():
                yield Delta(rest)

    async def _affordable(self, task: Task, asked: str, question: Question, draft: Draft) -> bool:
        """Whether the purse holds for this as well as for what has been spent."""
        try:
            await draft.purse.hold(await self.cost(task, asked, question))
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


def _prompt(task: Task, asked: str, question: Question) -> Prompt:
    results = [item.as_result() for item in task.given]
    return Prompt(task.system, results, asked, question.history, keep_results=task.keep)


def shown_as(made: Citation | str) -> Delta | Cited:
    return Delta(made) if isinstance(made, str) else Cited(made)
