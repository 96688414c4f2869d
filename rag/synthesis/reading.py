"""Whole documents in reading order, section by section, each under its document's name and headings."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.citable import Citable, of_evidence
from rag.documents import Chunk, DocumentRecord, Evidence, Filters, Hit, Reader
from rag.errors import NotFound
from rag.parsed import ParsedDocument
from rag.settings import Settings
from rag.sparse import terms
from rag.store import Store
from rag.store.files import FileStore
from rag.synthesis.choosing import choose, reading_order
from rag.synthesis.sizes import tokens_of

MOST_PARTS = 40
"""More text than fills so many parts is not read: a question must not cost without end."""
SECTION_CHUNKS = 12
"""Chunks under one heading that share a search result: fewer results cost fewer frames and titles."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a synthesis reads, in order: `citables[i]` are the sentences of `sections[i]`.

    The titles of the citables tell documents apart also where the documents' own titles do not. `tokens` is
    the size of all citables, estimated on the safe side; `notice` says what had to be left out.
    """

    sections: tuple[Evidence, ...] = ()
    citables: tuple[Citable, ...] = ()
    documents: tuple[DocumentRecord, ...] = ()
    notice: str | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class _Section:
    evidence: Evidence
    citable: Citable
    tokens: int


@dataclass(frozen=True, slots=True)
class _Read:
    record: DocumentRecord
    sections: Sequence[_Section]
    whole: bool


def most_tokens(settings: Settings) -> int:
    """The most text that one question may read, part by part."""
    return max(settings.synthesis_input_tokens, MOST_PARTS * settings.map_part_tokens)


async def read_documents(
    question: str,
    hits: Sequence[Hit],
    reader: Reader,
    filters: Filters,
    store: Store,
    files: FileStore,
    budget_tokens: int,
) -> Reading:
    """The documents a question is about, section by section, as far as the token budget reaches.

    What is wanted most is read first, so that it is the rest that is cut; the result is in reading order.
    """
    visible = [record for record in await store.visible_records(reader, filters) if record.version]
    records = choose(question, hits, visible, filters)
    names = _names(records)
    left = budget_tokens
    read: list[_Read] = []
    for record in records:
        try:
            parsed = await files.parsed(record.id, str(record.version))
        except NotFound:  # replaced a moment ago
            continue
        chunks = await store.document_chunks(record.id, str(record.version), reader=reader)
        one = await asyncio.to_thread(_read, record, names[record.id], chunks, parsed, left)
        left -= sum(section.tokens for section in one.sections)
        read.append(one)
    read.sort(key=lambda one: reading_order(one.record))
    sections = [section for one in read for section in one.sections]
    return Reading(
        sections=tuple(section.evidence for section in sections),
        citables=tuple(section.citable for section in sections),
        documents=tuple(one.record for one in read if one.sections),
        notice=_left_out(read, names),
        tokens=sum(section.tokens for section in sections),
    )


def _read(
    record: DocumentRecord, name: str, chunks: Sequence[Chunk], parsed: ParsedDocument, budget: int
) -> _Read:
    sections: list[_Section] = []
    for group in _under_one_heading(chunks):
        section = _section(record, name, group, parsed)
        if section is None:
            continue
        if section.tokens <= budget:
            sections.append(section)
            budget -= section.tokens
            continue
        for chunk in group:
            section = _section(record, name, (chunk,), parsed)
            if section is None:
                continue
            if section.tokens > budget:
                break
            sections.append(section)
            budget -= section.tokens
        return _Read(record, sections, whole=False)
    return _Read(record, sections, whole=True)


def _section(
    record: DocumentRecord, name: str, chunks: Sequence[Chunk], parsed: ParsedDocument
) -> _Section | None:
    evidence = Evidence(record.uri, record.title, tuple(chunks), parsed)
    citable = of_evidence(evidence)
    if citable is None:
        return None
    citable = replace(citable, title=" > ".join((name, *chunks[0].headings)))
    return _Section(evidence, citable, tokens_of(citable))


def _under_one_heading(chunks: Sequence[Chunk]) -> Iterator[Sequence[Chunk]]:
    group: list[Chunk] = []
    for chunk in chunks:
        if group and (chunk.headings != group[0].headings or len(group) == SECTION_CHUNKS):
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group


def _names(records: Sequence[DocumentRecord]) -> Mapping[str, str]:
    """What each document is called in the titles, by id: no two alike, as versions often have one title."""
    plain = {record.id: _name(record) for record in records}
    times = Counter(plain.values())
    return {
        record.id: plain[record.id] if times[plain[record.id]] == 1 else f"{record.title} ({record.uri})"
        for record in records
    }


def _name(record: DocumentRecord) -> str:
    stem = record.name.rsplit(".", 1)[0]
    said = set(terms(record.title)) >= set(terms(" ".join(stem.replace("_", "-").split("-"))))
    return record.title if said else f"{record.title} ({record.name})"


def _left_out(read: Sequence[_Read], names: Mapping[str, str]) -> str | None:
    parts = []
    begun = [one for one in read if not one.whole and one.sections]
    for one in begun:
        last = one.sections[-1].citable.title.removeprefix(f"{names[one.record.id]} > ")
        reached = f" (read up to '{last}')" if last != names[one.record.id] else ""
        parts.append(f"Not read to the end, for length: {names[one.record.id]}{reached}.")
    unread = [names[one.record.id] for one in read if not one.whole and not one.sections]
    if unread:
        parts.append(f"Not read at all, for length: {', '.join(unread)}.")
    return " ".join(parts) or None
