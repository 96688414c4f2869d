"""Retrieval: the stages, what switches them off, and what a reader may find."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rag.documents import Filters, Reader
from rag.rationing import WINDOW_WORDS, best_window
from rag.reranking import Reranker
from rag.retrieval import Retriever, Stopwatch, _distinct
from rag.sparse import terms
from tests.fakes import OverlapReranker, WordEmbedder, parsed, put
from tests.rag.conftest import Library
from tests.rag.test_rationing import hit as hit_of

EVERYBODY = Reader()


def retriever(library: Library, reranker: Reranker | None = None, **switches: Any) -> Retriever:
    settings = library.settings.model_copy(update=switches)
    return Retriever(settings, library.store, library.files, WordEmbedder(), reranker)  # type: ignore[arg-type]


async def test_the_passage_that_answers_comes_first(library: Library) -> None:
    found = await retriever(library, OverlapReranker()).search(
        "How often do encryption keys rotate?", EVERYBODY, Filters(), 3
    )
    assert "Encryption keys rotate every year" in found.hits[0].text
    assert set(found.stages_ms) == {"embed", "search", "rerank"}
    assert found.hits[0].relevance is not None


@pytest.mark.parametrize("switches", [{"dense": False}, {"sparse": False}])
async def test_either_search_alone_finds_it(library: Library, switches: dict[str, bool]) -> None:
    found = await retriever(library, **switches).search("annual leave days", EVERYBODY, Filters(), 1)
    assert "Annual leave is thirty days" in found.hits[0].text
    assert "rerank" not in found.stages_ms


async def test_a_query_without_a_word_finds_nothing_by_words_alone(library: Library) -> None:
    found = await retriever(library, dense=False).search("the of?", EVERYBODY, Filters(), 5)
    assert found.hits == ()


async def test_reranking_scores_only_the_rationed_candidates(library: Library) -> None:
    class Counting(OverlapReranker):
        scored = 0

        def score(self, question: str, passages: Any) -> list[float]:
            self.scored += len(passages)
            return super().score(question, passages)

    counting = Counting()
    found = await retriever(library, counting, rerank_candidates=2, chunk_tokens=40).search(
        "backup leave keys", EVERYBODY, Filters(), 5
    )
    assert counting.scored == 2
    assert sum(hit.relevance is not None for hit in found.hits) == 2
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


async def with_code(library: Library) -> None:
    """A function, and twenty passages that say its name more often than the one that defines it."""
    for number in range(20):
        uses = f"key{number} = rotate_keys(yearly, officer)"
        await put(library.store, library.files, parsed(uses, title="uses"), name=f"uses{number}.py")
    defines = "def rotate_keys(every, officer):\n    return every"
    await put(library.store, library.files, parsed(defines, title="vault"), name="vault.py")


@pytest.mark.parametrize("reranker", [None, OverlapReranker()])
async def test_what_defines_a_name_is_found_below_what_uses_it(
    library: Library, reranker: Reranker | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_code(library)
    found = retriever(library, reranker, rerank_candidates=3)
    asked = "What does rotate_keys do?"
    assert "def rotate_keys" in (await found.search(asked, EVERYBODY, Filters(), 3)).hits[0].text
    assert "def rotate_keys" in (await found.glance(asked, EVERYBODY, Filters(), 3)).hits[0].text
    monkeypatch.setattr("rag.retrieval.NAMED", 0)
    shallow = (await found.search(asked, EVERYBODY, Filters(), 3)).hits
    assert not any("def rotate_keys" in hit.text for hit in shallow)


async def test_a_question_on_prose_is_not_answered_by_code_of_that_name(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    defines = "def encryption(text, padding, cipher):\n    return cipher(text + padding)"
    await put(library.store, library.files, parsed(defines, title="vault"), name="vault.py")
    asked = "How often do keys rotate every year in the encryption method?"
    left = (await retriever(library).glance(asked, EVERYBODY, Filters(), 9)).hits
    assert "Encryption keys rotate every year" in left[0].text
    monkeypatch.setattr("rag.retrieval.are_code", lambda hits: True)
    moved = (await retriever(library).glance(asked, EVERYBODY, Filters(), 9)).hits
    (before,), (after,) = ([hit for hit in hits if hit.text.startswith("def")] for hits in (left, moved))
    assert after.score > before.score


def test_a_copy_of_a_better_passage_is_no_further_evidence() -> None:
    first, copy, other = (hit_of(text, 0.9) for text in ("Keys  rotate.", "Keys\nrotate.", "Backups."))
    assert _distinct([first, copy, other]) == (first, other)


async def test_a_document_of_another_group_is_never_found(library: Library) -> None:
    salaries = library.records["salaries"].id
    search = retriever(library).search
    for filters in (Filters(), Filters(document_ids=(salaries,)), Filters(groups=("hr",))):
        hits = (await search("salary bands vault", EVERYBODY, filters, 10)).hits
        assert salaries not in {hit.document_id for hit in hits}
    hits = (await search("salary bands vault", Reader(frozenset({"hr"})), Filters(), 10)).hits
    assert {hit.document_id for hit in hits} == {salaries}


async def test_filters_narrow_to_documents_and_collections(library: Library) -> None:
    search = retriever(library).search
    by_collection = await search("backup leave", EVERYBODY, Filters(collections=("people",)), 10)
    assert {hit.uri.rsplit("/", 1)[-1] for hit in by_collection.hits} == {"leave.md"}
    backups = library.records["backups"].id
    by_document = await search("backup leave", EVERYBODY, Filters(document_ids=(backups,)), 10)
    assert {hit.document_id for hit in by_document.hits} == {backups}


def test_a_filter_may_be_one_string_and_in_the_singular() -> None:
    given = Filters.model_validate({"collection": "people", "document_ids": "d", "groups": ["hr"]})
    assert given == Filters(collections=("people",), document_ids=("d",), groups=("hr",))
    with pytest.raises(ValidationError, match="given twice"):
        Filters.model_validate({"collection": "people", "collections": ["wiki"]})


async def test_neighbours_are_joined_and_can_be_switched_off(library: Library) -> None:
    hits = (await retriever(library).search("duty officer restore", EVERYBODY, Filters(), 1)).hits
    joined = await retriever(library).evidence(hits, Stopwatch())
    alone = await retriever(library, neighbours=False).evidence(hits, Stopwatch())
    assert len(joined) == len(alone) == 1
    assert [chunk.chunk_id for chunk in alone[0].chunks] == [hits[0].chunk_id]
    assert joined[0].start <= alone[0].start
    assert joined[0].end >= alone[0].end
    assert len(joined[0].chunks) > 1


async def test_hits_that_meet_become_one_piece_of_evidence(library: Library) -> None:
    hits = (await retriever(library).search("backup vault officer keys", EVERYBODY, Filters(), 6)).hits
    evidence = await retriever(library).evidence(hits, Stopwatch())
    ids = [chunk.chunk_id for item in evidence for chunk in item.chunks]
    assert len(ids) == len(set(ids))
    assert {hit.chunk_id for hit in hits} <= set(ids)


def test_the_window_is_where_the_words_of_the_question_are() -> None:
    text = "filler " * 200 + "the vault key rotates yearly " + "filler " * 200
    window = best_window(text, set(terms("vault key rotates")))
    assert "vault key rotates" in window
    assert len(window.split()) <= WINDOW_WORDS
    assert best_window("short text", {"short"}) == "short text"
