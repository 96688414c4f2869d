"""A question at one of the doors: its conversation, its budget, its place on the account."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rag.answering import Answerer
from rag.claude import Turn
from rag.documents import Answer, Filters
from rag.events import AnswerEvent, Done, Question
from rag.keys import Caller
from rag.routing import Mode
from rag.settings import Settings
from rag.usage import Ledger, Purse


@dataclass(frozen=True, slots=True)
class Asked:
    """What came through a door. `messages` and `conversation_id` exclude one another."""

    text: str
    mode: Mode = "auto"
    filters: Filters = field(default_factory=Filters)
    strict: bool = False
    review: bool = False
    schema: Mapping[str, Any] | None = None
    max_usd: float | None = None
    messages: tuple[Turn, ...] = ()
    conversation_id: str | None = None


class Desk:
    """Takes questions from callers; one for the life of a process."""

    def __init__(self, settings: Settings, answerer: Answerer, ledger: Ledger) -> None:
        self._settings = settings
        self._answerer = answerer
        self._ledger = ledger

    async def answer(self, asked: Asked, caller: Caller) -> Answer:
        """The whole answer at once; errors as `stream`."""
        async with aclosing(self.stream(asked, caller)) as events:
            async for event in events:
                if isinstance(event, Done):
                    return event.answer
        raise AssertionError("a stream of an answer ends with Done or raises")

    async def stream(self, asked: Asked, caller: Caller) -> AsyncGenerator[AnswerEvent]:
        """The answer as it comes into being; `Done` comes last.

        Raises:
            OverBudget: it would cost more than may be spent, and RAG_OVER_BUDGET is `refuse`.
            NotFound: there is no such conversation of this caller.
        """
        limits = [each for each in (asked.max_usd, self._settings.max_usd_per_request) if each is not None]
        purse = Purse(
            key=caller.name,
            most=min(limits, default=None),
            day=caller.max_usd_per_day,
            ledger=self._ledger,
        )
        question = Question(
            text=asked.text,
            reader=caller.reader,
            mode=asked.mode,
            filters=asked.filters,
            strict=asked.strict or self._settings.strict,
            review=asked.review,
            schema=asked.schema,
            history=asked.messages,
            purse=purse,
        )
        async with aclosing(self._answerer.stream(question)) as events:
            async for event in events:
                yield event
