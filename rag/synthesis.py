"""The long path: whole documents in reading order, for a model that reads them all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.documents import DocumentRecord, Evidence, Filters, Hit, Reader
from rag.errors import NotFound
from rag.sparse import terms
from rag.store import Store
from rag.store.files import FileStore

MAX_DOCUMENTS = 3
CHARACTERS_PER_TOKEN = 3.0
"""Low on purpose: an estimate that is too high costs a little text, one too low fails the request."""

_NAME_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Reading:
    """The sections that a synthesis reads, in order, and what had to be left out."""

    sections: tuple[Evidence, ...]
    documents: tuple[DocumentRecord, ...]
    notice: str | None


async def read_documents(
    question: str,
    hits: Sequence[Hit],
    reader: Reader,
    filters: Filters,
    store: Store,
    files: FileStore,
    budget_tokens: int,
) -> Reading:
    """The documents a question is about, section by section, as far as the token budget reaches."""
    records = await _choose(question, hits, reader, filters, store)
    budget = int(budget_tokens * CHARACTERS_PER_TOKEN)
    sections: list[Evidence] = []
    read: list[DocumentRecord] = []
    cut: list[str] = []
    for record in records:
        if budget <= 0:
            cut.append(record.title)
            continue
        try:
            parsed = await files.parsed(record.id, str(record.version))
        except NotFound:  # replaced a moment ago
            continue
        chunks = await store.document_chunks(record.id, str(record.version))
        read.append(record)
        for chunk in chunks:
            budget -= chunk.end - chunk.start
            if budget < 0:
                cut.append(record.title)
                break
            sections.append(Evidence(record.uri, record.title, (chunk,), parsed))
    notice = f"Not read to the end, for length: {', '.join(dict.fromkeys(cut))}." if cut else None
    return Reading(tuple(sections), tuple(read), notice)


async def _choose(
    question: str, hits: Sequence[Hit], reader: Reader, filters: Filters, store: Store
) -> list[DocumentRecord]:
    """Documents the filters name, else those the question names, else those the best hits lie in."""
    visible = [record for record in await store.visible_records(reader, filters) if record.version]
    if filters.document_ids:
        return visible
    named = [record for record in visible if names(question, record)]
    if named:
        return named[:MAX_DOCUMENTS]
    weight: dict[str, float] = {}
    for rank, hit in enumerate(hits):
        weight[hit.document_id] = weight.get(hit.document_id, 0.0) + 1.0 / (rank + 1)
    found = [record for record in visible if record.id in weight]
    return sorted(found, key=lambda record: -weight[record.id])[:MAX_DOCUMENTS]


def names(question: str, record: DocumentRecord) -> bool:
    """Whether the question holds the title of the document, or its file name, word for word."""
    asked = set(terms(question))
    stem = record.name.rsplit(".", 1)[0]
    for name in (record.title, stem):
        wanted = {term for word in _NAME_WORD.findall(name) for term in terms(word) if not term.isdigit()}
        if wanted and wanted <= asked and (len(wanted) > 1 or len(next(iter(wanted))) > 4):
            return True
    return False
