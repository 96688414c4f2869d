"""A question at one of the doors: its conversation, its budget, its place on the account."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from rag.answering import Answerer
from rag.claude import ClaudeClient, Turn
from rag.claude.tokens import estimated_tokens
from rag.conversation import (
    Conversation,
    Recorded,
    answered,
    carried,
    documents_of,
    fit,
    fold_by_rule,
    history,
    without_unreadable,
)
from rag.conversation_store import ConversationStore
from rag.documents import Answer, Filters
from rag.errors import CiteboxError
from rag.events import AnswerEvent, CarriedPassage, Done, Question, whole
from rag.keys import Caller
from rag.purse import Purse
from rag.questions import QuestionLog, watched
from rag.rewriting import extend
from rag.routing import Mode
from rag.settings import Settings
from rag.store import Store
from rag.usage import Ledger

log = logging.getLogger(__name__)

NEW = "new"
"""The conversation id that begins one."""
MOST_CARRIED = 4
"""Passages that earlier answers cited and that are read again."""
CLOSING_SECONDS = 5.0
"""For the checkpoints, and for the questions to be logged, when the process ends."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came through a door. `messages` and `conversation_id` exclude one another.

    `logged` is false for what no reader asked, as an evaluation's questions.
    """

    text: str
    mode: Mode = "auto"
    filters: Filters = field(default_factory=Filters)
    strict: bool = False
    review: bool = False
    schema: Mapping[str, Any] | None = None
    max_usd: float | None = None
    messages: tuple[Turn, ...] = ()
    conversation_id: str | None = None
    logged: bool = True


class Desk:
    """Takes questions from callers; one for the life of a process. Close it at the end."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        answerer: Answerer,
        claude: ClaudeClient,
        ledger: Ledger,
        conversations: ConversationStore,
        questions: QuestionLog | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._answerer = answerer
        self._claude = claude
        self._ledger = ledger
        self._conversations = conversations
        self._questions = questions
        self._folding: dict[str, asyncio.Task[None]] = {}

    async def answer(self, asked: Asked, caller: Caller) -> Answer:
        """The whole answer at once; errors as `stream`."""
        return await whole(self.stream(asked, caller))

    async def stream(self, asked: Asked, caller: Caller) -> AsyncGenerator[AnswerEvent]:
        """The answer as it comes into being; `Done` comes last.

        Raises:
            NotFound: there is no such conversation of this caller.
            CiteboxError: as `Answerer.stream`.
        """
        answering = self._stream(asked, caller)
        if self._questions is not None and asked.logged:
            answering = watched(answering, self._questions, asked.text, caller.name)
        async with aclosing(answering) as events:
            async for event in events:
                yield event

    async def _stream(self, asked: Asked, caller: Caller) -> AsyncGenerator[AnswerEvent]:
        before = await self._before(asked, caller)
        question = await self._question(asked, caller, before)
        async with aclosing(self._answerer.stream(question)) as events:
            async for event in events:
                if before is not None and isinstance(event, Done):
                    answer = event.answer.model_copy(update={"conversation_id": before.id})
                    event = replace(event, answer=answer)
                    await self._remember(before, asked, event, caller)
                yield event

    async def close(self) -> None:
        """End what is done after answers; what it has cost by then is booked."""
        tasks = list(self._folding.values())
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._questions is not None and not await self._questions.written(CLOSING_SECONDS):
            log.warning("the last questions could not be logged in time")

    async def tidy(self) -> None:
        """Forget the conversations and questions whose time is over; to be called now and then."""
        sweeps = [self._conversations.sweep]
        if self._questions is not None:
            sweeps.append(self._questions.sweep)
        for sweep in sweeps:  # each for itself: one that fails keeps nothing of the other's
            try:
                await sweep()
            except CiteboxError as error:
                log.warning("what is old could not be forgotten: %s", error)

    async def forget(self, conversation_id: str, caller: Caller) -> None:
        """Forget a conversation.

        Raises:
            NotFound: there is no such conversation of this caller.
        """
        await self._conversations.delete(conversation_id, caller.name, caller.reader)

    async def _before(self, asked: Asked, caller: Caller) -> Conversation | None:
        """The conversation that a question belongs to, without what its reader may no longer read."""
        if asked.conversation_id is None:
            return None
        if asked.conversation_id == NEW:
            return await self._conversations.create(caller.name, caller.reader)
        found = await self._conversations.get(asked.conversation_id, caller.name, caller.reader)
        return without_unreadable(found, await self._readable(found, caller))

    async def _readable(self, conversation: Conversation, caller: Caller) -> set[str]:
        readable = set()
        for document_id in documents_of(conversation):
            if await self._store.visible_record(document_id, caller.reader) is not None:
                readable.add(document_id)
        return readable

    async def _question(self, asked: Asked, caller: Caller, before: Conversation | None) -> Question:
        turns: tuple[Turn, ...] = asked.messages if before is None else before.turns
        passages: tuple[CarriedPassage, ...] = () if before is None else carried(before, MOST_CARRIED)
        budget = self._settings.conversation_tokens
        checkpoint = before.checkpoint if before else None
        kept = await asyncio.to_thread(fit, turns, budget, checkpoint, estimated_tokens)
        folded = await asyncio.to_thread(fold_by_rule, kept, budget, estimated_tokens)
        limits = [each for each in (asked.max_usd, self._settings.max_usd_per_request) if each is not None]
        return Question(
            text=asked.text,
            reader=caller.reader,
            mode=asked.mode,
            filters=asked.filters,
            strict=asked.strict or self._settings.strict,
            review=asked.review,
            schema=asked.schema,
            history=history(folded, kept.recent),
            carried=passages,
            purse=Purse(
                key=caller.name,
                most=min(limits, default=None),
                day=caller.max_usd_per_day,
                ledger=self._ledger,
            ),
        )

    async def _remember(self, before: Conversation, asked: Asked, done: Done, caller: Caller) -> None:
        """Add the question and its answer; a memory that fails costs the reader no answer."""
        read = documents_of(before) | done.read
        turns = (
            Recorded("user", asked.text),
            answered(done.answer.text, done.answer.citations, read),
        )
        try:
            await self._conversations.append(before.id, caller.name, caller.reader, turns)
        except CiteboxError as error:
            log.warning("a conversation could not be kept: %s", error)
            return
        if before.id not in self._folding:
            task = asyncio.create_task(self._fold(before.id, asked, caller))
            self._folding[before.id] = task
            task.add_done_callback(lambda _: self._folding.pop(before.id))

    async def _fold(self, conversation_id: str, asked: Asked, caller: Caller) -> None:
        """Fold what no longer fits, so that the next question finds it done. No reader waits for it."""
        purse = Purse(caller.name, ledger=self._ledger)
        try:
            await self._keep_checkpoint(conversation_id, asked, caller, purse)
        except CiteboxError as error:
            log.warning("a checkpoint could not be kept: %s", error)
        finally:
            await purse.settle(None)

    async def _keep_checkpoint(
        self, conversation_id: str, asked: Asked, caller: Caller, purse: Purse
    ) -> None:
        kept = await self._conversations.get(conversation_id, caller.name, caller.reader)
        readable = without_unreadable(kept, await self._readable(kept, caller))
        budget = self._settings.conversation_tokens
        fitted = fit(readable.turns, budget, readable.checkpoint, estimated_tokens)
        # Under a budget nothing is spent beside the answer itself: the rule's checkpoint serves.
        limits = (asked.max_usd, self._settings.max_usd_per_request, caller.max_usd_per_day)
        limited = any(limit is not None for limit in limits)
        claude = self._claude if self._settings.claude_configured and not limited else None
        made = await extend(
            claude,
            self._settings.fast_model,
            fitted,
            budget,
            estimated_tokens,
            deadline=self._settings.answer_deadline,
            payer=purse,
        )
        if made.checkpoint is not None and made.by != "none":
            await self._conversations.keep_checkpoint(
                conversation_id, caller.name, caller.reader, made.checkpoint, instead_of=kept.checkpoint
            )
