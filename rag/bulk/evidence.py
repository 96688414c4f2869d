"""What a question is answered from: found as for a single one, kept as places, and read again from them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from rag.bulk.state import Passage, Prepared, Stretch
from rag.citable import Citable, of_evidence
from rag.documents import Chunk, Evidence, Filters, ParsedDocument, Reader, chunk_id_of
from rag.errors import NotFound
from rag.retrieval import Retriever, Stopwatch
from rag.routing import Mode, plan
from rag.settings import Settings
from rag.store import Store
from rag.store.files import FileStore
from rag.synthesis import read_documents

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

    async def prepare(self, question: str, filters: Filters, mode: Mode) -> tuple[Prepared, list[Citable]]:
        """The evidence for a question, found as for one that is asked alone; perhaps none."""
        watch = Stopwatch()
        chosen = plan(question, mode, self.settings)
        limit = self.settings.context_chunks
        evidence: Sequence[Evidence]
        for _ in range(2):  # once more when a document was replaced in between
            found = await self.retriever.search(question, self.reader, filters, limit, watch)
            evidence = await self.retriever.evidence(found.hits, watch)
            held = {chunk.chunk_id for one in evidence for chunk in one.chunks}
            if all(hit.chunk_id in held for hit in found.hits):
                break
        notice = None
        if chosen.kind == "synthesis" and evidence:
            with watch.stage("read"):
                reading = await read_documents(
                    question,
                    found.hits,
                    self.reader,
                    filters,
                    self.store,
                    self.files,
                    self.settings.synthesis_input_tokens,
                )
            evidence, notice = reading.sections or evidence, reading.notice
        cut = await asyncio.to_thread(lambda: [of_evidence(one) for one in evidence])
        given = [one for one in cut if one is not None]
        prepared = Prepared(
            kind=chosen.kind,
            route=chosen.route,
            hits=tuple(hit.model_copy(update={"text": ""}) for hit in found.hits),
            passages=tuple(_kept(one) for one in given),
            stages_ms=watch.stages_ms,
            notice=notice,
        )
        return prepared, given

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
        chunks=tuple(
            Stretch(position=chunk.position, start=chunk.start, end=chunk.end) for chunk in evidence.chunks
        ),
        sentences=tuple((start, end) for ((_, start, end),) in given.places),
    )


def _restored(passage: Passage, parsed: ParsedDocument) -> Citable:
    """As `rag.citable.of_evidence`, but with the sentences that were sent, which the pointers count."""
    chunks = tuple(_chunk(passage, parsed, one) for one in passage.chunks)
    evidence = Evidence(passage.uri, passage.title, chunks, parsed)
    return Citable(
        source=chunks[0].chunk_id,
        title=" > ".join((passage.title, *chunks[0].headings)),
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
