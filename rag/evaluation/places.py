"""The places that prove an answer, as ranges of stored texts that the reader may read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from rag.documents import DocumentRecord, Reader
from rag.errors import NotFound
from rag.evaluation.questions import Relevant, Row
from rag.jsonl import BadLine
from rag.parsed import ParsedDocument
from rag.store import Store
from rag.store.files import FileStore


class Place(BaseModel):
    """`[start, end)` of a document's stored text; not `exact` where only a page or document was named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document_id: str
    title: str
    page: int | None
    start: int
    end: int
    exact: bool
    quote: str


@dataclass(frozen=True, slots=True)
class Posed:
    """A question and its places, each of them once."""

    row: Row
    places: tuple[Place, ...]


LONGEST_QUOTE = 400
"""Characters of a place that are kept to be shown."""


class Unplaced(Exception):
    """Why a place is not there."""


@dataclass(frozen=True, slots=True)
class Shelves:
    """The documents of a reader by all their names: id, uri, title, file name with and without its end."""

    files: FileStore
    by_name: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    by_stem: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    records: dict[str, DocumentRecord] = field(default_factory=dict)

    def add(self, records: Iterable[DocumentRecord]) -> None:
        for record in records:
            if record.version is None:
                continue
            self.records[record.id] = record
            for name in (record.id, record.uri, record.name, record.title):
                self.by_name[name].add(record.id)
            self.by_stem[record.name.rpartition(".")[0] or record.name].add(record.id)

    def named(self, name: str) -> DocumentRecord:
        """Raises Unplaced when none or several documents are called so."""
        if name in self.records:
            return self.records[name]
        found = self.by_name.get(name) or self.by_stem.get(name) or set()
        if not found:
            raise Unplaced(f"there is no document {name!r} that you may read")
        if len(found) > 1:
            uris = ", ".join(sorted(self.records[one].uri for one in found)[:3])
            raise Unplaced(f"{name!r} may be any of {len(found)} documents ({uris}); name it by its uri")
        (only,) = found
        return self.records[only]

    async def place(self, wanted: Relevant) -> Place:
        """Raises Unplaced when it is not there."""
        record = self.named(wanted.document)
        try:
            parsed = await self.files.parsed(record.id, record.version or "")
        except NotFound:
            raise Unplaced(f"the stored text of {wanted.document!r} is gone; add it again") from None
        start, end, exact = _range(parsed, wanted)
        return Place(
            document_id=record.id,
            title=record.title,
            page=parsed.page_at(start),
            start=start,
            end=end,
            exact=exact,
            quote=parsed.text[start : min(end, start + LONGEST_QUOTE)],
        )


async def pose(
    rows: Sequence[Row], store: Store, files: FileStore, reader: Reader
) -> tuple[list[Posed], list[BadLine]]:
    """Each question with its places; those one of whose places is not there are named."""
    shelves = Shelves(files)
    shelves.add(await store.visible_records(reader))
    posed: list[Posed] = []
    bad: list[BadLine] = []
    for row in rows:
        try:
            places = [await shelves.place(one) for one in row.relevant] if row.answerable else []
        except Unplaced as error:
            bad.append(BadLine(line=row.number, reason=str(error)))
            continue
        posed.append(Posed(row, tuple({(p.document_id, p.start, p.end): p for p in places}.values())))
    return posed, bad


def _range(parsed: ParsedDocument, wanted: Relevant) -> tuple[int, int, bool]:
    text, start, end = parsed.text, wanted.start, wanted.end
    words = (wanted.quote or "").split()
    if start is not None and end is not None:
        there = text[start:end]
        if end <= len(text) and there.strip() and (not words or there.split() == words):
            return start, end, True
        if not words:
            raise Unplaced(f"{wanted.document!r} has {len(text)} characters and no text at {start} to {end}")
    if words:
        found = [match.span() for match in spelt(words).finditer(text)]
        if not found:
            raise Unplaced(f"the quote {_short(words)!r} does not stand in {wanted.document!r}")
        # Of several, the one where it was said to be; pages may be counted otherwise, so they only choose.
        best = min(
            found,
            key=lambda span: (
                wanted.page is not None and parsed.page_at(span[0]) != wanted.page,
                abs(span[0] - start) if start is not None else 0,
            ),
        )
        return *best, True
    if wanted.page is not None:
        for page in parsed.pages:
            if page.number == wanted.page and page.start < page.end:
                return page.start, page.end, False
        raise Unplaced(f"{wanted.document!r} has no text on a page {wanted.page}")
    return 0, len(text), False


def spelt(words: Sequence[str]) -> re.Pattern[str]:
    """The words, whatever white space stands between them."""
    return re.compile(r"\s+".join(map(re.escape, words)))


def _short(words: Sequence[str]) -> str:
    said = " ".join(words)
    return said if len(said) <= 60 else f"{said[:59]}…"
