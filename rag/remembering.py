"""The answer cache bound to the store: what an answer rests on is read through the reader's own eyes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rag.cache import AnswerCache, CacheKey, Entry, Grounds
from rag.documents import Answer, DocumentRecord, Receipt
from rag.draft import Draft
from rag.errors import CiteboxError
from rag.events import Done, Question
from rag.retrieval import Candidates, Stopwatch
from rag.settings import Settings
from rag.store import Store

log = logging.getLogger(__name__)


class Remembered:
    """Keeps whole answers and serves them while they are true."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._cache = AnswerCache(settings.cache_answers, settings.cache_similarity)

    def key(self, question: Question) -> CacheKey | None:
        """What makes a question equal to another; None for one whose answer is not kept, as a follow-up's."""
        if self._settings.cache_answers == 0 or question.history or question.schema is not None:
            return None
        shape = (question.strict, question.review, question.purse.most == 0)
        return CacheKey.of(question.text, question.mode, question.filters, question.reader, shape)

    async def find(self, key: CacheKey, question: Question, found: Candidates) -> Entry | None:
        """The kept answer, if nothing that it rests on has changed. A store that fails finds none."""
        entry = self._cache.find(key, found.vector, _chunk_ids(found))
        if entry is None:
            return None
        try:
            records = await self._records(question, entry.documents)
        except CiteboxError as error:
            log.warning("a kept answer could not be checked: %s", error)
            return None
        if Grounds.of(entry.grounds.chunk_ids, records) != entry.grounds:
            self._cache.drop(entry)
            return None
        return entry

    async def keep(
        self, key: CacheKey, question: Question, found: Candidates, done: Done, draft: Draft
    ) -> None:
        """Keep an answer that is whole and that nothing went wrong with.

        One from whole documents is not kept: it rests on which documents there are, and on others than the
        search found. Nor is one of whose documents any was replaced while it was written.
        """
        answer = done.answer
        fell_back = draft.kind == "extractive" and self._settings.claude_configured
        if (
            answer.notice is not None
            or answer.outcome != "answered"
            or fell_back
            or draft.kind == "synthesis"
        ):
            return
        read = {(hit.document_id, hit.version) for hit in found.hits}
        read |= {(one.document_id, one.version) for one in answer.citations}
        documents = done.read | {document_id for document_id, _ in read}
        try:
            records = await self._records(question, documents)
        except CiteboxError as error:
            log.warning("an answer could not be kept: %s", error)
            return
        # Rights are a part of the version, so an equal version is one that may be read by the same groups.
        if len(records) < len(documents) or not read <= {(one.id, one.version) for one in records}:
            return
        vector = None if found.vector is None else tuple(found.vector)
        self._cache.put(Entry(answer, key, vector, Grounds.of(_chunk_ids(found), records), documents))

    def served(self, answer: Answer, ident: str, watch: Stopwatch) -> Answer:
        """The answer as it is given again: with an id and a time of its own, at no cost."""
        receipt = Receipt(
            model=answer.receipt.model,
            route=answer.receipt.route,
            reason=answer.receipt.reason,
            stages_ms=dict(watch.stages_ms),
            chunks_retrieved=answer.receipt.chunks_retrieved,
            chunks_cited=answer.receipt.chunks_cited,
            cached=True,
        )
        return answer.model_copy(update={"id": ident, "receipt": receipt})

    async def _records(self, question: Question, documents: frozenset[str]) -> Sequence[DocumentRecord]:
        found = [await self._store.visible_record(each, question.reader) for each in sorted(documents)]
        return [record for record in found if record is not None]


def _chunk_ids(found: Candidates) -> list[str]:
    return [hit.chunk_id for hit in found.hits]
