"""A written answer is checked, each sentence against what it cites, here and by a stronger model if asked."""

from __future__ import annotations

import asyncio
import logging

from rag.claude import ClaudeClient
from rag.documents import Answer, Grounding
from rag.draft import Draft
from rag.errors import CiteboxError
from rag.events import Question
from rag.retrieval import Stopwatch
from rag.settings import Settings
from rag.support import SupportChecker
from rag.synthesis import review

log = logging.getLogger(__name__)


class Checking:
    """Marks what citations do not support; takes it out where that is asked for."""

    def __init__(self, settings: Settings, checker: SupportChecker, claude: ClaudeClient) -> None:
        self._settings = settings
        self._checker = checker
        self._claude = claude

    async def checked(self, question: Question, draft: Draft, watch: Stopwatch) -> Answer:
        """The whole answer with its grounding; not found where `strict` leaves nothing of it."""
        with watch.stage("check"):
            supports = await asyncio.to_thread(self._checker.check, draft.text.text, draft.citations.all)
        draft.grounding = Grounding(sentences=supports)
        if question.review and draft.kind != "extractive":
            with watch.stage("review"):
                await self._review(draft)
        if question.strict:
            draft.keep_supported(draft.grounding.sentences)
            if not draft.citations.all:
                draft.add_notice("No sentence of the model's answer is supported by what it cites.")
                return draft.not_found()
        return draft.whole()

    async def _review(self, draft: Draft) -> None:
        assert draft.grounding is not None
        # A thinking model reads the answer, be it one of the fast model's.
        draft.ends.allow(self._settings.synthesis_deadline)
        try:
            done = await review(
                self._claude,
                self._settings.review_model,
                draft.text.text,
                draft.grounding.sentences,
                draft.citations.all,
                deadline=draft.ends.left,
                payer=draft.purse,
            )
        except CiteboxError as error:
            log.warning("not reviewed: %s", error)
            draft.add_notice(f"The answer was not reviewed: {error.detail}.")
            return
        draft.grounding = Grounding(sentences=done.supports, reviewed_by=done.model)
