"""Question -> the passages that its answer may rest on: those found, and those that earlier answers cited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.documents import Evidence, Hit
from rag.errors import NotFound
from rag.events import CarriedPassage, Question
from rag.retrieval import Candidates, Retriever, Stopwatch
from rag.settings import Settings
from rag.store import Store
from rag.store.files import FileStore


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, best first, and the text they lie in with its neighbours; carried passages come after it."""

    hits: tuple[Hit, ...] = ()
    passages: tuple[Evidence, ...] = ()
    notice: str | None = None


class Finder:
    """Finds what a reader's answer may rest on."""

    def __init__(self, settings: Settings, store: Store, files: FileStore, retriever: Retriever) -> None:
        self._limit = settings.context_chunks
        self._store = store
        self._files = files
        self._retriever = retriever

    async def candidates(self, question: Question, asked: str, watch: Stopwatch) -> Candidates:
        """What the fused search finds for `asked`, before the costly part."""
        return await self._retriever.candidates(asked, question.reader, question.filters, self._limit, watch)

    async def passages(self, question: Question, found: Candidates, watch: Stopwatch) -> Found:
        """The best of the candidates; searched once more when a document was replaced in between."""
        for last in (False, True):
            ranked = await self._retriever.rank(found, self._limit, watch)
            passages = await self._retriever.evidence(ranked.hits, watch)
            held = {chunk.chunk_id for passage in passages for chunk in passage.chunks}
            if last or all(hit.chunk_id in held for hit in ranked.hits):
                break
            found = await self.candidates(question, found.query, watch)
        carried = await self._carried(question, held)
        return Found(ranked.hits, (*passages, *carried), ranked.notice)

    async def _carried(self, question: Question, held: set[str]) -> Sequence[Evidence]:
        """What earlier answers cited, read again under the reader's rights and filters of now."""
        found: list[Evidence] = []
        for passage in question.carried:
            evidence = await self._read_again(question, passage)
            if evidence is not None and evidence.chunks[0].chunk_id not in held:
                found.append(evidence)
        return found

    async def _read_again(self, question: Question, passage: CarriedPassage) -> Evidence | None:
        records = await self._store.visible_records(
            question.reader, question.filters.model_copy(update={"document_ids": (passage.document_id,)})
        )
        allowed = question.filters.document_ids
        if not records or (allowed and passage.document_id not in allowed):
            return None
        (record,) = records
        if record.version != passage.version:
            return None
        chunks = await self._store.chunks(
            passage.document_id, passage.version, passage.position, passage.position, reader=question.reader
        )
        if not chunks:
            return None
        try:
            parsed = await self._files.parsed(passage.document_id, passage.version)
        except NotFound:
            return None
        return Evidence(record.uri, record.title, tuple(chunks), parsed)
