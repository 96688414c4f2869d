"""What a question is answered from: found as for a single one, kept as places, and read again from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from rag.bulk.state import Passage, Prepared, Stretch
from rag.citable import Citable, of_evidence
from rag.documents import Chunk, Evidence, Filters, Hit, Reader, chunk_id_of
from rag.errors import NotFound
from rag.events import Question
from rag.finding import Finder
from rag.judging import Judge
from rag.parsed import ParsedDocument
from rag.retrieval import Retriever, Stopwatch
from rag.routing import Mode, Plan, plan, ways
from rag.settings import Settings
from rag.store import Store
from rag.store.files import FileStore
from rag.synthesis import Reading, read_documents

Versions = dict[str, str | None]
"""The live version of every document that the reader may see."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where questions find their evidence."""

    settings: Settings
    store: Store
    files: FileStore
    retriever: Retriever
    reader: Reader

    async def ways(
        self, text: str, filters: Filters, mode: Mode
    ) -> AsyncGenerator[tuple[Prepared, Sequence[Citable]]]:
        """The ways to answer a question, the best first, by the rules for one that is asked alone.

        A way without anything to cite needs no model: it is not found, or asked back.
        """
        settings, watch = self.settings, Stopwatch()
        question = Question(text, self.reader, mode, filters)
        finder = Finder(settings, self.store, self.files, self.retriever)
        found = await finder.passages(question, await finder.candidates(question, text, watch), watch)
        judge = Judge(settings, self.store)
        chosen, back = await judge.judged(plan(text, mode, settings), question, text, found.hits)
        kept = Prepared(
            kind=chosen.kind,
            route=chosen.route,
            hits=tuple(hit.model_copy(update={"text": ""}) for hit in found.hits),
            stages_ms=watch.stages_ms,
            back=back,
        )
        if back or not found.passages or chosen.kind == "extractive":
            yield kept, ()
            return
        for way in ways(chosen, settings):
            given: Sequence[Citable] = ()
            notice = None
            if way.kind == "synthesis":
                with watch.stage("read"):
                    reading = await self._read(way, question, found.hits)
                if way.escalated and reading.tokens > settings.escalate_tokens:
                    continue
                given, notice = reading.citables, reading.notice
            if not given:
                cut = await asyncio.to_thread(lambda: [of_evidence(one) for one in found.passages])
                given = [one for one in cut if one is not None]
            passages = tuple(_kept(one) for one in given)
            told = {"kind": way.kind, "route": way.route, "notice": notice, "passages": passages}
            yield kept.model_copy(update=told), given

    async def _read(self, way: Plan, question: Question, hits: Sequence[Hit]) -> Reading:
        """As much of the documents as one request may hold: a batch cannot read in parts."""
        if way.escalated:
            hits = [hit for hit in hits if hit.document_id == hits[0].document_id]
        most = self.settings.synthesis_input_tokens
        return await read_documents(
            question.text, hits, self.reader, question.filters, self.store, self.files, most
        )

    async def versions(self) -> Versions:
        """What is live now, for `restore`."""
        return {record.id: record.version for record in await self.store.visible_records(self.reader)}

    async def restore(self, passages: Sequence[Passage], live: Versions) -> list[Citable | None]:
        """The search results as they were sent; None for one whose document is no longer what it was.

        That is a document that was replaced or removed since, or that may no longer be read.
        """
        return [await self._restore(passage, live) for passage in passages]

    async def _restore(self, passage: Passage, live: Versions) -> Citable | None:
        if live.get(passage.document_id) != passage.version:
            return None
        try:
            parsed = await self.files.parsed(passage.document_id, passage.version)
        except NotFound:  # replaced a moment ago
            return None
        return _restored(passage, parsed)


def _kept(given: Citable) -> Passage:
    evidence, _, _ = given.places[0][0]
    first = evidence.chunks[0]
    return Passage(
        document_id=first.document_id,
        version=first.version,
        uri=evidence.uri,
        title=evidence.title,
        label=given.title,
        chunks=tuple(
            Stretch(position=chunk.position, start=chunk.start, end=chunk.end) for chunk in evidence.chunks
        ),
        sentences=tuple((start, end) for ((_, start, end),) in given.places),
    )


def _restored(passage: Passage, parsed: ParsedDocument) -> Citable:
    """The search result with the sentences that were sent, which the pointers count."""
    chunks = tuple(_chunk(passage, parsed, one) for one in passage.chunks)
    evidence = Evidence(passage.uri, passage.title, chunks, parsed)
    return Citable(
        source=chunks[0].chunk_id,
        title=passage.label,
        sentences=tuple(parsed.text[start:end] for start, end in passage.sentences),
        places=tuple(((evidence, start, end),) for start, end in passage.sentences),
    )


def _chunk(passage: Passage, parsed: ParsedDocument, one: Stretch) -> Chunk:
    return Chunk(
        document_id=passage.document_id,
        version=passage.version,
        chunk_id=chunk_id_of(passage.document_id, passage.version, one.position),
        position=one.position,
        start=one.start,
        end=one.end,
        page=parsed.page_at(one.start),
        headings=parsed.heading_path_at(one.start),
        text=parsed.text[one.start : one.end],
    )
