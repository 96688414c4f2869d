"""The evidence that was found for a question, and what it makes of the plan: one judgement for all doors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from rag.clarification import unclear
from rag.documents import Hit
from rag.events import Question
from rag.routing import Plan, after_retrieval, is_at_hand
from rag.settings import Settings
from rag.store import Store
from rag.sufficiency import assess
from rag.synthesis import names


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides after retrieval and before any token is bought."""

    settings: Settings
    store: Store

    async def judged(
        self, chosen: Plan, question: Question, asked: str, hits: Sequence[Hit]
    ) -> tuple[Plan, str | None]:
        """The plan after a look at the evidence, and the question to ask back, if there is one.

        `asked` is the question as it stands alone.
        """
        if chosen.intent.whole_documents or chosen.chosen_by_user or not hits:
            return chosen, None
        if self.settings.clarify and question.schema is None:
            back = unclear(asked, hits, [turn.text for turn in question.history])
            if back:
                return chosen, back
        if chosen.kind != "lookup":
            return chosen, None
        if question.carried:  # the proof may be in what was cited before, which is not scored
            return chosen, None
        judged = await asyncio.to_thread(assess, asked, hits, self.settings.embedding_model)
        at_hand = judged.verdict == "doubtful" and await self._is_at_hand(question, asked, hits)
        return after_retrieval(chosen, judged, at_hand, self.settings), None

    async def _is_at_hand(self, question: Question, asked: str, hits: Sequence[Hit]) -> bool:
        record = await self.store.visible_record(hits[0].document_id, question.reader)
        return is_at_hand(hits, question.filters, record is not None and names(asked, record))
