"""What the rest of Citebox relies on, whichever Qdrant is behind it."""

from __future__ import annotations

import asyncio
import math

import pytest
from qdrant_client import models

from rag.documents import DocumentRecord, Filters, Reader
from rag.errors import IndexMismatch, StoreError, StoreUnavailable
from rag.fusion import LEXICAL_WEIGHT
from rag.settings import Settings
from rag.store import Store, open_store
from rag.store import store as store_module
from rag.store.connection import Connection
from rag.store.payload import BM25, DENSE
from rag.store.schema import Names

from .conftest import forget
from .making import ADDED, DIMENSION, MODEL, add, ask, chunk_of, record_of, towards, version_of

COSINE_ERROR = 5e-4
"""Vectors are stored as 16-bit floats."""

# ---------------------------------------------------------------- versions


async def test_a_version_is_found_only_once_it_is_live(store: Store) -> None:
    record = record_of("a.txt")
    await store.upsert_chunks(record, [chunk_of(record)])
    assert await ask(store) == []
    await store.make_live(record)
    assert [hit.version for hit in await ask(store)] == [record.version]


async def test_a_new_version_replaces_the_old_one_at_once_and_the_old_one_can_be_removed_later(
    store: Store,
) -> None:
    old, new = record_of("a.txt", "one"), record_of("a.txt", "two")
    await add(store, old, chunk_of(old, 0), chunk_of(old, 1))
    await store.upsert_chunks(new, [chunk_of(new, 0)])
    assert {hit.version for hit in await ask(store)} == {old.version}
    await store.make_live(new)
    assert {hit.version for hit in await ask(store)} == {new.version}
    assert await store.stored_versions() == {old.id: {old.version: 2, new.version: 1}}
    await store.remove_other_versions(old.id, keep=str(new.version))
    assert await store.stored_versions() == {old.id: {new.version: 1}}


async def test_dead_chunks_take_no_candidate_places_from_live_ones(store: Store) -> None:
    old, new = record_of("a.txt", "one"), record_of("a.txt", "two")
    await add(store, old, *(chunk_of(old, i, angle=0.0, words=(1,)) for i in range(30)))
    await add(store, new, chunk_of(new, 0, angle=1.5, words=(1, 2, 3, 4)))
    hits = await ask(store, angle=0.0, words=(1,), limit=5, candidates=5)
    assert [(hit.version, hit.position) for hit in hits] == [(new.version, 0)]


async def test_a_dead_version_of_one_document_does_not_hide_the_same_version_of_another(store: Store) -> None:
    await add(store, record_of("a.txt", "same"))
    alive = await add(store, record_of("b.txt", "same"))
    await store.make_live(record_of("a.txt", "other"))
    assert [hit.document_id for hit in await ask(store)] == [alive.id]


async def test_one_whole_version_answers_at_every_moment_while_versions_change(store: Store) -> None:
    size = 3
    await add(store, record_of("a.txt", "v0"), *(chunk_of(record_of("a.txt", "v0"), i) for i in range(size)))

    async def write() -> None:
        for number in range(1, 7):
            record = record_of("a.txt", f"v{number}")
            for position in range(size):
                await store.upsert_chunks(record, [chunk_of(record, position)])
            await store.make_live(record)
            await store.remove_other_versions(record.id, keep=str(record.version))

    writing = asyncio.create_task(write())
    seen = set()
    while not writing.done():
        hits = await ask(store)
        assert sorted(hit.position for hit in hits) == list(range(size))
        seen |= {hit.version for hit in hits}
        assert len({hit.version for hit in hits}) == 1
    await writing
    assert len(seen) > 1


async def test_writing_a_version_again_changes_nothing(store: Store) -> None:
    record = record_of("a.txt")
    for _ in range(2):
        await add(store, record, chunk_of(record, 0), chunk_of(record, 1))
    assert await store.stored_versions() == {record.id: {record.version: 2}}
    assert await store.records() == [record]


async def test_a_failed_document_keeps_its_live_version_and_says_why(store: Store) -> None:
    record = await add(store, record_of("a.txt"))
    failed = record.model_copy(update={"state": "failed", "failure": "the file is encrypted"})
    await store.put_record(failed)
    assert await store.record(record.id) == failed
    assert len(await ask(store)) == 1


async def test_a_document_that_never_was_ready_has_a_record_and_no_hits(store: Store) -> None:
    failed = record_of("a.txt", version="x").model_copy(update={"version": None, "state": "failed"})
    await store.put_record(failed)
    assert await store.record(failed.id) == failed
    assert await ask(store) == []


async def test_chunks_of_another_document_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="is not of document"):
        await store.upsert_chunks(record_of("a.txt"), [chunk_of(record_of("b.txt"))])


# ---------------------------------------------------------------- removing


async def test_a_removed_document_is_gone_and_removing_it_again_is_no_error(store: Store) -> None:
    kept, removed = await add(store, record_of("kept.txt")), await add(store, record_of("removed.txt"))
    for _ in range(2):
        await store.remove_document(removed.id)
    assert [hit.document_id for hit in await ask(store)] == [kept.id]
    assert await store.record(removed.id) is None
    assert set(await store.stored_versions()) == {kept.id}


async def test_orphans_are_removed_and_live_chunks_are_not(store: Store) -> None:
    live = await add(store, record_of("live.txt", "two"), chunk_of(record_of("live.txt", "two")))
    before = record_of("live.txt", "one")
    await store.upsert_chunks(before, [chunk_of(before, i) for i in range(3)])
    unknown = record_of("unknown.txt")
    await store.upsert_chunks(unknown, [chunk_of(unknown, i) for i in range(2)])
    assert await store.remove_orphans() == 5
    assert await store.remove_orphans() == 0
    assert await store.stored_versions() == {live.id: {live.version: 1}}


# ---------------------------------------------------------------- rights and filters


async def test_a_reader_finds_only_what_their_groups_may_read(store: Store) -> None:
    await add(store, record_of("hr.txt", groups=("hr",)))
    shared = await add(store, record_of("shared.txt", groups=("hr", "sales")))
    sales = Reader(frozenset({"sales"}))
    assert [hit.document_id for hit in await ask(store, reader=sales)] == [shared.id]
    assert await ask(store, reader=Reader(frozenset())) == []


async def test_a_filter_cannot_widen_what_a_reader_may_read(store: Store) -> None:
    secret = await add(store, record_of("hr.txt", groups=("hr",), collection="people"))
    await add(store, record_of("shared.txt", groups=("hr", "sales")))
    sales = Reader(frozenset({"sales"}))
    for filters in (
        Filters(groups=("hr",)),
        Filters(document_ids=(secret.id,)),
        Filters(collections=("people",)),
    ):
        assert await ask(store, reader=sales, filters=filters) == []


async def test_filters_narrow_by_document_collection_and_group(store: Store) -> None:
    first = await add(store, record_of("1.txt", collection="x", groups=("a",)))
    second = await add(store, record_of("2.txt", collection="y", groups=("a", "b")))
    reader = Reader(frozenset({"a", "b"}))

    async def found(**filters: tuple[str, ...]) -> set[str]:
        return {hit.document_id for hit in await ask(store, reader=reader, filters=Filters(**filters))}

    assert await found() == {first.id, second.id}
    assert await found(document_ids=(first.id,)) == {first.id}
    assert await found(collections=("y",)) == {second.id}
    assert await found(collections=("x", "y")) == {first.id, second.id}
    assert await found(groups=("b",)) == {second.id}
    assert await found(groups=("b", "not mine")) == {second.id}
    assert await found(collections=("x",), groups=("b",)) == set()


async def test_a_right_that_was_taken_binds_before_the_chunks_have_followed(store: Store) -> None:
    record = await add(store, record_of("a.txt"))
    narrowed = record.model_copy(update={"groups": ("hr",)})
    await store.put_record(narrowed)
    assert await ask(store) == []
    assert await store.visible_record(record.id, Reader()) is None


async def test_hidden_chunks_take_no_candidate_places_from_visible_ones(store: Store) -> None:
    hidden, shown = record_of("hidden.txt"), record_of("shown.txt")
    await add(store, hidden, *(chunk_of(hidden, i) for i in range(20)))
    await add(store, shown, chunk_of(shown, angle=1.0))
    await store.put_record(hidden.model_copy(update={"groups": ("hr",)}))
    assert [hit.document_id for hit in await ask(store, limit=3, candidates=3)] == [shown.id]


async def test_records_are_listed_by_uri_and_only_to_those_who_may_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_PAGE", 3)
    records = [record_of(f"{n:02}.txt", groups=("hr" if n % 2 else "everyone",)) for n in range(10)]
    for record in reversed(records):
        await store.put_record(record)
    assert await store.records() == records
    assert await store.visible_records(Reader()) == records[::2]
    assert await store.visible_records(Reader(frozenset())) == []
    assert await store.visible_record(records[0].id, Reader()) == records[0]
    assert await store.visible_record(records[1].id, Reader()) is None


# ---------------------------------------------------------------- search


async def test_a_hit_carries_all_that_a_citation_needs(store: Store) -> None:
    record = record_of("a.txt", "one")
    indexed = chunk_of(record, 3, text="Gr\u00fc\u00dfe \U0001f600 \u201equoted\u201c\r\nline")
    await add(store, record, indexed)
    (hit,) = await ask(store)
    chunk = indexed.chunk
    assert hit.model_dump(exclude={"score", "similarity", "relevance"}) == {
        **chunk.model_dump(),
        "uri": record.uri,
        "title": record.title,
    }
    assert hit.similarity == pytest.approx(1.0, abs=1e-5)


async def test_a_record_comes_back_as_it_was_written(store: Store) -> None:
    record = record_of(
        "a.txt",
        "one",
        collection="c",
        groups=("a", "b"),
        pages=3,
        pages_without_text=(2,),
        chunks=4,
        characters=5,
    )
    await store.put_record(record)
    assert await store.record(record.id) == record
    assert (await store.records())[0].added == ADDED
    assert await store.record(record_of("unknown.txt").id) is None
    assert await store.visible_record("not an id", Reader()) is None


async def test_both_searches_contribute_and_agreement_ranks_first(store: Store) -> None:
    meaning = record_of("meaning.txt")
    words = record_of("words.txt")
    both = record_of("both.txt")
    await add(store, meaning, chunk_of(meaning, angle=0.1, words=(90,)))
    await add(store, words, chunk_of(words, angle=2.0, words=(7,)))
    await add(store, both, chunk_of(both, angle=0.2, words=(7, 8)))
    hits = await ask(store, angle=0.0, words=(7,))
    assert hits[0].document_id == both.id
    assert {hit.document_id for hit in hits} == {meaning.id, words.id, both.id}


async def test_similarity_is_the_cosine_also_of_a_passage_found_by_words_alone(store: Store) -> None:
    record = record_of("a.txt")
    await add(
        store,
        record,
        *(chunk_of(record, i, angle=0.1 * i, words=(1,)) for i in range(3)),
        chunk_of(record, 9, angle=1.2, words=(5,)),
    )
    hits = await ask(store, angle=0.0, words=(5,), limit=4, candidates=3)
    cosines = {
        hit.position: hit.similarity for hit in await ask(store, angle=0.0, words=(5,), candidates=3, limit=1)
    }
    assert set(cosines) <= {0, 9}
    for hit in hits:
        angle = 1.2 if hit.position == 9 else 0.1 * hit.position
        assert hit.similarity == pytest.approx(math.cos(angle), abs=COSINE_ERROR)
    assert 9 in {hit.position for hit in hits}


async def test_a_chunk_has_both_scores_whichever_search_found_it(store: Store) -> None:
    record = record_of("a.txt")
    near, said = chunk_of(record, 0, angle=0.0, words=(1,)), chunk_of(record, 1, angle=1.5, words=(1, 2, 3))
    between = [chunk_of(record, i, angle=0.5, words=(1, 2)) for i in range(2, 9)]
    await add(store, record, near, said, *between)
    (first, _) = await ask(store, angle=0.0, words=(1, 2, 3), candidates=2, limit=2)
    # Words did not find the nearest chunk, but it has one: that is more than meaning alone would give.
    assert first.position == 0
    assert 1 - LEXICAL_WEIGHT < first.score < 1


async def test_search_by_meaning_alone_scores_by_cosine(store: Store) -> None:
    record = record_of("a.txt")
    await add(store, record, *(chunk_of(record, i, angle=0.3 * i) for i in range(3)))
    hits = await ask(store, angle=0.0, words=None)
    assert [hit.position for hit in hits] == [0, 1, 2]
    assert [hit.score for hit in hits] == pytest.approx(
        [math.cos(0.3 * i) for i in range(3)], abs=COSINE_ERROR
    )
    assert [hit.score for hit in hits] == [hit.similarity for hit in hits]


async def test_search_by_words_alone_has_no_similarity(store: Store) -> None:
    record = record_of("a.txt")
    await add(store, record, chunk_of(record, 0, words=(1,)), chunk_of(record, 1, words=(2,)))
    hits = await ask(store, angle=None, words=(2,))
    assert [(hit.position, hit.similarity) for hit in hits] == [(1, None)]


async def test_a_rare_word_outweighs_a_common_one(store: Store) -> None:
    record = record_of("a.txt")
    await add(
        store, record, *(chunk_of(record, i, words=(1,)) for i in range(20)), chunk_of(record, 20, words=(2,))
    )
    hits = await ask(store, angle=None, words=(1, 2))
    assert hits[0].position == 20
    assert hits[0].score > 3 * hits[1].score


async def test_a_passage_without_any_word_is_found_by_meaning(store: Store) -> None:
    record = record_of("a.txt")
    await add(store, record, chunk_of(record, words=()))
    assert len(await ask(store, angle=0.0, words=(1,))) == 1
    assert await ask(store, angle=None, words=()) == []


async def test_equal_scores_are_ordered_by_document_and_position_every_time(store: Store) -> None:
    records = [record_of(f"copy-{n}.txt", "same") for n in range(6)]
    for record in records:
        await add(store, record, *(chunk_of(record, i) for i in range(3)))
    for words in ((1,), None):
        first = await ask(store, words=words)
        ties = [(-hit.score, hit.document_id, hit.position) for hit in first]
        assert ties == sorted(ties)
        for _ in range(5):
            assert await ask(store, words=words) == first


async def test_no_more_than_limit_hits_are_returned(store: Store) -> None:
    record = record_of("a.txt")
    await add(store, record, *(chunk_of(record, i, angle=0.1 * i) for i in range(8)))
    assert [hit.position for hit in await ask(store, words=None, limit=3, candidates=1)] == [0, 1, 2]
    assert await ask(store, limit=0) == []


async def test_chunks_are_read_by_position_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PAGE", 4)
    record, other = record_of("a.txt", "one"), record_of("a.txt", "two")
    indexed = [chunk_of(record, i) for i in range(10)]
    await store.upsert_chunks(record, indexed[::-1])
    await store.upsert_chunks(other, [chunk_of(other, 4)])
    version = version_of("one")
    expected = [each.chunk for each in indexed]
    assert await store.document_chunks(record.id, version) == expected
    assert await store.chunks(record.id, version, 3, 5) == expected[3:6]
    assert await store.chunks(record.id, version, -1, 0) == expected[:1]
    assert await store.chunks(record.id, version, 50, 60) == []
    assert await store.chunks(record.id, version, 3, 5, reader=Reader(frozenset({"hr"}))) == []
    assert await store.document_chunks(record.id, version, reader=Reader()) == expected
    named = [expected[7].chunk_id, expected[2].chunk_id, chunk_of(record, 99).chunk.chunk_id]
    found = await store.chunks_by_id(named)
    assert sorted(found, key=lambda chunk: chunk.position) == [expected[2], expected[7]]
    assert await store.chunks_by_id([]) == []


async def test_many_chunks_are_written_in_batches(store: Store) -> None:
    record = record_of("a.txt")
    await add(store, record, *(chunk_of(record, i) for i in range(150)))
    assert await store.stored_versions() == {record.id: {record.version: 150}}


# ---------------------------------------------------------------- opening


async def test_what_was_written_is_there_when_the_store_is_opened_again(
    store: Store, settings: Settings
) -> None:
    record = await add(store, record_of("a.txt"))
    async with open_store(settings, dimension=DIMENSION, model=MODEL) as again:
        assert await again.records() == [record]
        assert len(await ask(again)) == 1


async def test_an_index_made_by_hand_keeps_what_was_set_for_it(settings: Settings) -> None:
    """So an administrator can choose shards and quantisation, and indexes of 0.1, of 32 bits, go on."""
    names = Names.of(settings.index, MODEL, DIMENSION)
    connection = Connection(settings)
    try:
        await connection.call(
            lambda client: client.create_collection(
                names.physical,
                vectors_config={DENSE: models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)},
                sparse_vectors_config={BM25: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
        )
        async with open_store(settings, dimension=DIMENSION, model=MODEL) as store:
            await add(store, record_of("a.txt"))
            (hit,) = await ask(store, angle=0.1)
            assert hit.similarity == pytest.approx(math.cos(0.1), abs=1e-6)
            info = await connection.call(lambda client: client.get_collection(names.chunks))
            assert isinstance(info.config.params.vectors, dict)
            assert info.config.params.vectors[DENSE].datatype in (None, models.Datatype.FLOAT32)
            await forget(store)
    finally:
        await connection.close()


async def test_a_new_index_stores_vectors_in_16_bits(store: Store) -> None:
    info = await store._connection.call(lambda client: client.get_collection(store._names.chunks))
    assert isinstance(info.config.params.vectors, dict)
    assert info.config.params.vectors[DENSE].datatype == models.Datatype.FLOAT16


async def test_another_embedding_model_is_refused_with_the_remedy(store: Store, settings: Settings) -> None:
    for model, dimension in (("tests/other", DIMENSION), (MODEL, DIMENSION * 2)):
        with pytest.raises(IndexMismatch, match=f"{MODEL}.*RAG_EMBEDDING_MODEL.*RAG_INDEX"):
            async with open_store(settings, dimension=dimension, model=model):
                pass


async def test_a_store_can_be_created_by_many_at_once(settings: Settings) -> None:
    async def opened(n: int) -> DocumentRecord:
        async with open_store(settings, dimension=DIMENSION, model=MODEL) as store:
            return await add(store, record_of(f"{n}.txt"))

    records = await asyncio.gather(*(opened(n) for n in range(5)))
    async with open_store(settings, dimension=DIMENSION, model=MODEL) as store:
        assert await store.records() == sorted(records, key=lambda record: record.uri)
        assert len(await ask(store)) == 5
        await forget(store)


async def test_health_says_what_the_store_is_and_holds(store: Store, settings: Settings) -> None:
    record = record_of("a.txt")
    await add(store, record, chunk_of(record, 0), chunk_of(record, 1))
    health = await store.health()
    assert (health.chunks, health.documents) == (2, 1)
    assert health.kind == ("embedded" if settings.qdrant_url is None else "server")
    assert health.url.startswith("http")
    assert health.collections == (f"{settings.index}_chunks_tests--made-up_8", f"{settings.index}_documents")


async def test_a_vector_of_another_dimension_is_an_error_in_qdrants_words(store: Store) -> None:
    with pytest.raises(StoreError, match="expected dim: 8, got 3"):
        await store.search(
            reader=Reader(), filters=Filters(), dense=towards(0)[:3], sparse=None, limit=1, candidates=1
        )


async def test_a_server_that_cannot_be_reached_is_named_without_its_secrets(data_dir: object) -> None:
    settings = Settings.model_validate(
        {
            "data_dir": data_dir,
            "qdrant_url": "http://someone:secret@127.0.0.1:9",
            "qdrant_api_key": "hidden-key",
        }
    )
    with pytest.raises(StoreUnavailable, match="RAG_QDRANT_URL") as caught:
        async with open_store(settings, dimension=DIMENSION, model=MODEL):
            pass
    assert "secret" not in str(caught.value)
    assert "hidden-key" not in str(caught.value)
