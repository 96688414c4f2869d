"""The answer cache: never stale, never across rights."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from rag.cache import AnswerCache, CacheKey, Entry, Grounds
from rag.documents import (
    Answer,
    Citation,
    DocumentRecord,
    Filters,
    Hit,
    Reader,
    Receipt,
    Route,
    chunk_id_of,
    document_id_of,
    utc_now,
)
from rag.draft import Draft
from rag.errors import StoreUnavailable
from rag.events import Done, Question
from rag.remembering import Remembered
from rag.retrieval import Candidates
from rag.settings import Settings
from tests.fakes import hit_with

NAMES = ("a", "b")
WORDS = ("leave", "keys", "vault")
GROUPS = ("everyone", "hr")
READERS = (Reader(), Reader(frozenset(GROUPS)))
ASKED = (
    "How long is the {} kept by default?",
    "how long is the {}  kept by default",
    "By default, how long is the {} kept?",
)
ADDED = utc_now()


def answer_of(text: str) -> Answer:
    route = Route(model="m", reason="r")
    return Answer(id="1", text=text, citations=(), answered=True, route=route, receipt=Receipt())


def record_of(name: str, version: str, groups: Sequence[str]) -> DocumentRecord:
    return DocumentRecord(
        id=document_id_of(name),
        uri=name,
        title=name,
        version=version,
        state="ready",
        sha256="",
        media_type="text/plain",
        groups=tuple(groups),
        added=ADDED,
    )


def hit_of(record: DocumentRecord, said: str) -> Hit:
    assert record.version is not None
    return hit_with(
        document_id=record.id,
        version=record.version,
        chunk_id=chunk_id_of(record.id, record.version, 0),
        uri=record.uri,
        title=record.title,
        text=said,
    )


def citation_of(marker: int, hit: Hit) -> Citation:
    shared = hit.model_dump(include=set(Citation.model_fields))
    return Citation(marker=marker, quote=hit.text, **shared)


@dataclass
class Shelf:
    """The store as the cache sees it; `down` lets it fail."""

    documents: dict[str, tuple[DocumentRecord, str]] = field(default_factory=dict)
    down: bool = False

    async def visible_record(self, document_id: str, reader: Reader) -> DocumentRecord | None:
        if self.down:
            raise StoreUnavailable("it is down")
        return next((record for record, _ in self.seen(reader) if record.id == document_id), None)

    def seen(self, reader: Reader) -> list[tuple[DocumentRecord, str]]:
        return [each for each in self.documents.values() if not reader.groups.isdisjoint(each[0].groups)]

    def hits(self, word: str, reader: Reader) -> list[Hit]:
        found = [hit_of(record, said) for record, said in self.seen(reader) if word in said]
        return sorted(found, key=lambda hit: hit.document_id)

    def write(self, name: str, text: Sequence[str], groups: Sequence[str]) -> None:
        """The same text is the same version, so that what is undone is as it was.

        Rights make no other version here, as they do in the pipeline: that they are checked hangs on nothing.
        """
        said = " ".join(text)
        self.documents[name] = (record_of(name, f"version of {said}", groups), said)


Change = tuple[str, list[str] | None, list[str] | None]
"""Of which document; its new text and new groups, None for as they are; both None to remove it."""

TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True)
RIGHTS = st.lists(st.sampled_from(GROUPS), min_size=1, unique=True)
CHANGES = st.tuples(st.sampled_from(NAMES), st.none() | TEXTS, st.none() | RIGHTS)


class World(RuleBasedStateMachine):
    """Documents that change at any moment: between two questions, and while one is answered.

    What is served is what an answer made anew would say, and nothing that it rests on has changed.
    """

    @initialize()
    def begin(self) -> None:
        self.shelf = Shelf()
        settings = Settings(cache_answers=6, cache_similarity=0.95)
        self.remembered = Remembered(settings, self.shelf)  # type: ignore[arg-type]
        self.grounds: dict[str, set[tuple[str, str, tuple[str, ...] | None]]] = {}
        self.answers = 0

    @rule(name=st.sampled_from(NAMES), text=TEXTS, groups=RIGHTS)
    def write(self, name: str, text: list[str], groups: list[str]) -> None:
        self.shelf.write(name, text, groups)

    @rule(change=CHANGES)
    def change(self, change: Change) -> None:
        name, text, groups = change
        if name not in self.shelf.documents:
            return
        record, said = self.shelf.documents[name]
        if text is None and groups is None:
            del self.shelf.documents[name]
        else:
            self.shelf.write(name, text or said.split(), groups or record.groups)

    @rule(
        word=st.sampled_from(WORDS[:2]),
        reader=st.sampled_from(READERS),
        asked=st.sampled_from(ASKED),
        after_search=st.none() | CHANGES,
        while_written=st.none() | CHANGES,
    )
    def ask(
        self,
        word: str,
        reader: Reader,
        asked: str,
        after_search: Change | None,
        while_written: Change | None,
    ) -> None:
        question = Question(asked.format(word), reader)
        key = self.remembered.key(question)
        assert key is not None
        found = Candidates(
            word, [float(word == each) for each in WORDS], tuple(self.shelf.hits(word, reader))
        )
        if after_search is not None:
            self.change(after_search)
        entry = asyncio.run(self.remembered.find(key, question, found))
        if entry is not None:
            assert entry.answer.text == " | ".join(hit.text for hit in found.hits)
            seen = {(record.id, record.version, record.groups) for record, _ in self.shelf.seen(reader)}
            assert self.grounds[entry.answer.id] <= seen
            return
        # The passages are read after the search: where one was replaced in between, it is made once more.
        now = self.shelf.hits(word, reader)
        if {hit.chunk_id for hit in found.hits} <= {hit.chunk_id for hit in now}:
            now = list(found.hits)
        self.answers += 1
        answer = answer_of(" | ".join(hit.text for hit in now)).model_copy(
            update={
                "id": str(self.answers),
                "citations": tuple(citation_of(n, hit) for n, hit in enumerate(now, 1)),
            }
        )
        read = frozenset(hit.document_id for hit in now)
        if while_written is not None:
            self.change(while_written)
        rights = {record.id: record.groups for record, _ in self.shelf.seen(reader)}
        self.grounds[answer.id] = {(hit.document_id, hit.version, rights.get(hit.document_id)) for hit in now}
        draft = Draft(answer.route, found.hits, {}, kind="lookup")
        asyncio.run(self.remembered.keep(key, question, found, Done(answer, read), draft))

    @rule(
        word=st.sampled_from(WORDS[:2]),
        reader=st.sampled_from(READERS),
        asked=st.sampled_from(ASKED),
        after_search=CHANGES,
    )
    def ask_twice(self, word: str, reader: Reader, asked: str, after_search: Change) -> None:
        """A change where it matters most, which chance alone rarely brings about."""
        self.ask(word, reader, asked, None, None)
        self.ask(word, reader, asked, after_search, None)


TestWorld = World.TestCase
TestWorld.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)


# ---------------------------------------------------------------- one document, changed after the search


LEAVE = Question("What of the leave?", Reader())


async def remembered(shelf: Shelf) -> tuple[Remembered, Candidates]:
    """A cache that holds one answer, and what the search found for it."""
    shelf.write("a", ["leave"], ["everyone"])
    cache = Remembered(Settings(cache_answers=6), shelf)  # type: ignore[arg-type]
    found = Candidates(LEAVE.text, None, tuple(shelf.hits("leave", LEAVE.reader)))
    answer = answer_of("leave").model_copy(update={"citations": (citation_of(1, found.hits[0]),)})
    draft = Draft(answer.route, found.hits, {}, kind="lookup")
    await cache.keep(_key(cache), LEAVE, found, Done(answer), draft)
    assert await cache.find(_key(cache), LEAVE, found) is not None
    return cache, found


def _key(cache: Remembered) -> CacheKey:
    key = cache.key(LEAVE)
    assert key is not None
    return key


@pytest.mark.parametrize(
    ("text", "groups"),
    [(["leave", "keys"], ["everyone"]), (["leave"], ["hr"]), (["leave"], ["everyone", "hr"]), (None, [])],
    ids=["changed", "closed", "other rights", "removed"],
)
async def test_what_became_of_a_document_since_the_search_makes_its_answer_void_for_good(
    text: list[str] | None, groups: list[str]
) -> None:
    shelf = Shelf()
    cache, found = await remembered(shelf)
    if text is None:
        del shelf.documents["a"]
    else:
        shelf.write("a", text, groups)
    assert await cache.find(_key(cache), LEAVE, found) is None
    shelf.write("a", ["leave"], ["everyone"])
    assert await cache.find(_key(cache), LEAVE, found) is None


async def test_an_answer_whose_document_was_replaced_while_it_was_written_is_not_kept() -> None:
    shelf = Shelf()
    shelf.write("a", ["leave"], ["everyone"])
    cache = Remembered(Settings(cache_answers=6), shelf)  # type: ignore[arg-type]
    found = Candidates(LEAVE.text, None, tuple(shelf.hits("leave", LEAVE.reader)))
    answer = answer_of("leave").model_copy(update={"citations": (citation_of(1, found.hits[0]),)})
    shelf.write("a", ["leave", "keys"], ["everyone"])
    draft = Draft(answer.route, found.hits, {}, kind="lookup")
    await cache.keep(_key(cache), LEAVE, found, Done(answer), draft)
    assert await cache.find(_key(cache), LEAVE, found) is None


async def test_an_answer_that_cannot_be_checked_is_not_served_until_it_can(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf()
    cache, found = await remembered(shelf)
    shelf.down = True
    assert await cache.find(_key(cache), LEAVE, found) is None
    assert "could not be checked" in caplog.text
    shelf.down = False
    assert await cache.find(_key(cache), LEAVE, found) is not None


# ---------------------------------------------------------------- the cache by itself


def kept(question: str = "How long?", groups: frozenset[str] = frozenset({"everyone"})) -> Entry:
    key = CacheKey.of(question, "auto", Filters(), Reader(groups))
    return Entry(answer_of("Long."), key, (1.0, 0.0), Grounds.of(["c1", "c2"], []), frozenset())


def test_an_answer_is_found_again_however_its_question_is_written() -> None:
    cache = AnswerCache(3)
    cache.put(kept("How long are backups kept?"))
    for again in (
        "how long  are backups kept",
        "HOW LONG ARE BACKUPS KEPT ?",
        "How long are backups kept...",
    ):
        assert cache.find(kept(again).key, None, ["c1", "c2"]) is not None


@pytest.mark.parametrize("groups", [{"everyone", "hr"}, {"hr"}])
def test_a_reader_with_more_or_with_fewer_groups_gets_none_of_it(groups: set[str]) -> None:
    cache = AnswerCache(3)
    cache.put(kept())
    assert cache.find(kept(groups=frozenset(groups)).key, None, ["c1", "c2"]) is None


@pytest.mark.parametrize("chunk_ids", [["c1"], ["c2", "c1"], ["c1", "c2", "c3"], []])
def test_other_chunks_make_an_entry_void_for_good(chunk_ids: list[str]) -> None:
    cache = AnswerCache(3)
    cache.put(kept())
    assert cache.find(kept().key, None, chunk_ids) is None
    assert cache.find(kept().key, None, ["c1", "c2"]) is None


def test_another_mode_filter_or_shape_is_another_question() -> None:
    cache = AnswerCache(3)
    cache.put(kept())
    reader = Reader()
    for key in (
        CacheKey.of("How long?", "fast", Filters(), reader),
        CacheKey.of("How long?", "auto", Filters(collections=("wiki",)), reader),
        CacheKey.of("How long?", "auto", Filters(), reader, shape=("strict",)),
    ):
        assert cache.find(key, None, ["c1", "c2"]) is None


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = AnswerCache(2)
    for question in ("first", "second"):
        cache.put(kept(question))
    assert cache.find(kept("first").key, None, ["c1", "c2"])
    cache.put(kept("third"))
    assert cache.find(kept("first").key, None, ["c1", "c2"])
    assert cache.find(kept("second").key, None, ["c1", "c2"]) is None


def test_no_size_keeps_nothing() -> None:
    cache = AnswerCache(0)
    cache.put(kept())
    assert len(cache) == 0


def test_a_near_question_is_served_only_where_that_is_allowed() -> None:
    for similarity, served in ((1.0, False), (0.97, True)):
        cache = AnswerCache(3, similarity)
        cache.put(kept("Which port does the server use by default?"))
        near = kept("By default, which port does the server use?").key
        assert (cache.find(near, [1.0, 0.0], ["c2", "c1"]) is not None) is served
        assert cache.find(near, [0.5, 0.5], ["c2", "c1"]) is None
