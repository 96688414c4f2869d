"""Answers to equal questions, served again as long as all that they rest on is as it was.

An entry is not trusted for its age. It is served only to a reader of the same groups, when the search done
now, under that reader's own filter, finds exactly the chunks that it found then (a chunk's id is made from
its document's version), and when the documents behind it have the same versions and groups. So what was
added, changed, removed or closed since makes it void by the one path that binds rights everywhere.

In memory, one for a process; nothing of it is written anywhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rag.documents import Answer, DocumentRecord, Filters, Reader
from rag.wording import means_the_same, normalised


@dataclass(frozen=True, slots=True)
class CacheKey:
    """All that shapes an answer beside the documents; `shape` is whatever else the caller knows of."""

    question: str
    mode: str
    filters: Filters
    groups: frozenset[str]
    shape: Hashable = ()

    @classmethod
    def of(cls, question: str, mode: str, filters: Filters, reader: Reader, shape: Hashable = ()) -> CacheKey:
        return cls(question, mode, filters, reader.groups, shape)

    @property
    def exact(self) -> tuple[Hashable, ...]:
        return (normalised(self.question), *self.beside)

    @property
    def beside(self) -> tuple[Hashable, ...]:
        """The key without the question."""
        return (self.mode, self.filters, self.groups, self.shape)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an answer rests on: the chunks that the search found, in order, and the documents behind it."""

    chunk_ids: tuple[str, ...]
    documents: frozenset[tuple[str, str | None, tuple[str, ...]]]

    @classmethod
    def of(cls, chunk_ids: Sequence[str], records: Sequence[DocumentRecord]) -> Grounds:
        return cls(tuple(chunk_ids), frozenset((one.id, one.version, one.groups) for one in records))


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept answer. `documents` are the ids of those it rests on."""

    answer: Answer
    key: CacheKey
    vector: tuple[float, ...] | None
    grounds: Grounds
    documents: frozenset[str]


class AnswerCache:
    """At most `size` answers; the one that was used longest ago goes first. For one event loop.

    Args:
        similarity: cosine of two questions from which one may be answered by the other's answer; from 1 up,
            only equal questions are.
    """

    def __init__(self, size: int, similarity: float = 1.0) -> None:
        self._size = size
        self._similarity = similarity
        self._kept: OrderedDict[tuple[Hashable, ...], Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: CacheKey, vector: Sequence[float] | None, chunk_ids: Sequence[str]) -> Entry | None:
        """An entry that rests on exactly these chunks; the documents behind it are yet to be checked."""
        entry = self._kept.get(key.exact)
        if entry is not None and entry.grounds.chunk_ids != tuple(chunk_ids):
            self.drop(entry)
            entry = None
        if entry is None:
            entry = self._near(key, vector)
            # Two near questions find the same chunks in orders of their own.
            if entry is None or set(entry.grounds.chunk_ids) != set(chunk_ids):
                return None
        self._kept.move_to_end(entry.key.exact)
        return entry

    def put(self, entry: Entry) -> None:
        """Keep an answer in place of the one to the same question."""
        if self._size == 0:
            return
        self._kept[entry.key.exact] = entry
        self._kept.move_to_end(entry.key.exact)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def drop(self, entry: Entry) -> None:
        """Forget an entry that is void, unless another has taken its place."""
        if self._kept.get(entry.key.exact) is entry:
            del self._kept[entry.key.exact]

    def _near(self, key: CacheKey, vector: Sequence[float] | None) -> Entry | None:
        if self._similarity >= 1 or vector is None:
            return None
        asked = np.asarray(vector)
        alike = [
            (float(np.dot(asked, np.asarray(entry.vector))), entry)
            for entry in self._kept.values()
            if entry.vector is not None
            and entry.key.beside == key.beside
            and means_the_same(entry.key.question, key.question)
        ]
        best, entry = max(alike, key=lambda pair: pair[0], default=(0.0, None))
        return entry if best >= self._similarity else None
