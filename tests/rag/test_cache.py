"""The answer cache: never stale, never across rights."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rag.cache import AnswerCache, CacheKey, Entry, Grounds
from rag.documents import Answer, DocumentRecord, Filters, Reader, Receipt, Route, document_id_of, utc_now

NAMES = ("a", "b", "c", "d")
WORDS = ("backup", "leave", "keys", "vault")
GROUPS = ("everyone", "hr", "board")


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
        added=utc_now(),
    )


class World(RuleBasedStateMachine):
    """Documents that change under a cache. What it serves is what an answer made anew would say."""

    @initialize()
    def begin(self) -> None:
        self.cache = AnswerCache(6, 0.95)
        self.documents: dict[str, tuple[DocumentRecord, str]] = {}
        self.versions = 0

    @rule(
        name=st.sampled_from(NAMES),
        text=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True),
        groups=st.lists(st.sampled_from(GROUPS), min_size=1, unique=True),
    )
    def write(self, name: str, text: list[str], groups: list[str]) -> None:
        self.versions += 1
        said = f"{' '.join(text)} number {self.versions}"
        self.documents[name] = (record_of(name, str(self.versions), groups), said)

    @rule(name=st.sampled_from(NAMES), groups=st.lists(st.sampled_from(GROUPS), min_size=1, unique=True))
    def change_groups(self, name: str, groups: list[str]) -> None:
        if name in self.documents:
            record, said = self.documents[name]
            self.documents[name] = (record.model_copy(update={"groups": tuple(groups)}), said)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.documents.pop(name, None)

    @rule(
        word=st.sampled_from(WORDS),
        groups=st.sets(st.sampled_from(GROUPS), min_size=1),
        loud=st.booleans(),
    )
    def ask(self, word: str, groups: set[str], loud: bool) -> None:
        reader = Reader(frozenset(groups))
        question = f"  What of the {word.upper() if loud else word} ? "
        key = CacheKey.of(question, "auto", Filters(), reader)
        seen = [
            (record, said)
            for record, said in self.documents.values()
            if not reader.groups.isdisjoint(record.groups)
        ]
        hits = sorted((record.id, record.version, said) for record, said in seen if word in said)
        chunk_ids = [f"{ident}/{version}" for ident, version, _ in hits]
        records = {record.id: record for record, _ in seen}
        true = answer_of(" | ".join(said for *_, said in hits))
        vector = [float(word == each) for each in WORDS]
        entry = self.cache.find(key, vector, chunk_ids)
        if entry is not None:
            behind = [records[each] for each in entry.documents if each in records]
            if Grounds.of(entry.grounds.chunk_ids, behind) == entry.grounds:
                assert entry.answer.text == true.text
                return
            self.cache.drop(entry)
        ids = frozenset(ident for ident, _, _ in hits)
        grounds = Grounds.of(chunk_ids, [records[ident] for ident in ids])
        self.cache.put(Entry(true, key, tuple(vector), grounds, ids))

    @invariant()
    def stays_small(self) -> None:
        assert len(self.cache) <= 6


TestWorld = World.TestCase
TestWorld.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)


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
