"""The write path below the command line: versions, failures, placement, and hostile parsers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ingest.pipeline import Pipeline, Placement
from ingest.report import Outcome
from ingest.sources import Source, discover
from ingest.workers import ParserProcess
from rag.documents import DocumentRecord, Filters, Reader, document_id_of
from rag.embedding import Vectors
from rag.errors import NotFound, SourceDamaged, SourceUnreadable
from rag.settings import Settings
from rag.sparse import encode_query
from rag.store import Store, open_store
from tests.fakes import DIMENSION, WordEmbedder

FIRST = "# Rules\n\nThe canary is called Tweety.\n"
SECOND = "# Rules\n\nThe canary is called Sylvester.\n"


@dataclass
class Bench:
    store: Store
    pipeline: Pipeline
    path: Path

    async def add(self, content: str | None = None, placement: Placement | None = None) -> Outcome:
        if content is not None:
            self.path.write_text(content, encoding="utf-8")
        return await self.pipeline.ingest(self.source(), placement or Placement())

    def source(self) -> Source:
        (source,) = discover([str(self.path)], max_bytes=10**6)
        assert isinstance(source, Source)
        return source

    async def record(self) -> DocumentRecord:
        record = await self.store.record(document_id_of(self.source().uri))
        assert record is not None
        return record

    async def texts(self, reader: Reader | None = None) -> list[str]:
        hits = await self.store.search(
            reader=reader or Reader(),
            filters=Filters(),
            dense=None,
            sparse=encode_query("canary called"),
            limit=10,
            candidates=10,
        )
        return [hit.text for hit in hits]


@pytest.fixture
async def bench(settings: Settings, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_store(settings, dimension=DIMENSION, model=WordEmbedder.name) as store:
        with ParserProcess(30) as parser:
            pipeline = Pipeline(settings, store, WordEmbedder, parser)  # type: ignore[arg-type]
            yield Bench(store, pipeline, tmp_path / "rules.md")


async def test_a_changed_file_replaces_its_old_chunks(bench: Bench) -> None:
    assert (await bench.add(FIRST)).status == "new"
    assert (await bench.add()).status == "unchanged"
    first = await bench.record()
    assert (await bench.add(SECOND)).status == "changed"
    second = await bench.record()
    assert first.version != second.version
    assert [text.count("Sylvester") for text in await bench.texts()] == [1]
    assert await bench.store.stored_versions() == {second.id: {second.version: second.chunks}}


async def test_a_passage_is_also_found_by_the_words_of_its_neighbours(bench: Bench) -> None:
    filler = "Every rule in this paragraph is about the doors and windows of the house. " * 8
    await bench.add(f"# The canary\n\n{filler}\n\n# Seeds\n\n{filler}\n\n# Water\n\n{filler}")
    first, second, *others = await bench.texts()
    assert first.startswith("The canary")
    assert second.startswith("Every rule") or second.startswith("Seeds")
    assert not any(text.startswith("Water") for text in (first, second, *others))


async def test_a_file_that_breaks_keeps_its_old_version_and_says_why(bench: Bench) -> None:
    await bench.add(FIRST)
    outcome = await bench.add("\0\1\2\3" * 500)
    assert outcome.status == "failed"
    record = await bench.record()
    assert record.state == "failed"
    assert record.failure == outcome.reason
    assert "Tweety" in (await bench.texts())[0]
    assert (await bench.add(FIRST)).status == "changed"
    assert (await bench.record()).failure is None


async def test_an_empty_file_fails_and_is_listed_with_the_reason(bench: Bench) -> None:
    outcome = await bench.add("")
    assert (outcome.status, outcome.reason) == ("failed", "is empty")
    record = await bench.record()
    assert (record.state, record.failure) == ("failed", "is empty")


async def test_adding_again_does_not_widen_who_may_read(bench: Bench) -> None:
    hr = Reader(frozenset({"hr"}))
    await bench.add(FIRST, Placement("people", ("hr",)))
    assert (await bench.add()).status == "unchanged"
    assert (await bench.add(SECOND)).status == "changed"
    record = await bench.record()
    assert (record.collection, record.groups) == ("people", ("hr",))
    assert await bench.texts() == []
    assert len(await bench.texts(hr)) == 1


async def test_a_change_of_groups_alone_is_a_new_version(bench: Bench) -> None:
    await bench.add(FIRST)
    before = await bench.record()
    assert (await bench.add(None, Placement(groups=("hr",)))).status == "changed"
    assert (await bench.record()).version != before.version
    assert await bench.texts() == []


async def test_reading_again_undoes_nothing_that_another_writer_has_done_meanwhile(bench: Bench) -> None:
    await bench.add(FIRST)
    found: list[DocumentRecord] = []

    async def find(record: DocumentRecord) -> Source:
        found.append(record)
        return bench.source()

    document_id = (await bench.record()).id
    async with bench.pipeline.lock(document_id):
        again = asyncio.create_task(bench.pipeline.ingest_again(document_id, find))
        await asyncio.sleep(0.2)
        assert not found  # what it is to be read from is chosen when nobody else writes any more
        narrowed = (await bench.record()).model_copy(update={"groups": ("hr",), "collection": "people"})
        await bench.store.put_record(narrowed)
    await again
    record = await bench.record()
    assert found == [narrowed]
    assert (record.collection, record.groups) == ("people", ("hr",))
    assert await bench.texts() == []


async def test_reading_again_does_not_bring_back_what_was_removed(bench: Bench) -> None:
    await bench.add(FIRST)
    document_id = (await bench.record()).id
    await bench.pipeline.remove(document_id)

    async def find(record: DocumentRecord) -> Source:
        raise AssertionError("there is nothing to be found for it")

    with pytest.raises(NotFound):
        await bench.pipeline.ingest_again(document_id, find)
    assert await bench.store.record(document_id) is None


async def test_another_chunk_size_counts_as_a_change(bench: Bench, settings: Settings) -> None:
    await bench.add(FIRST)
    with ParserProcess(30) as parser:
        other = settings.model_copy(update={"chunk_tokens": 64})
        pipeline = Pipeline(other, bench.store, WordEmbedder, parser)  # type: ignore[arg-type]
        assert (await pipeline.ingest(bench.source(), Placement())).status == "changed"


async def test_chunks_of_code_are_longer(bench: Bench, settings: Settings, tmp_path: Path) -> None:
    lines = "\n".join(f"    total = total + number_{n}  # the next one is added" for n in range(200))
    chunks = []
    with ParserProcess(30) as parser:
        pipeline = Pipeline(settings, bench.store, WordEmbedder, parser)  # type: ignore[arg-type]
        for name in ("sums.py", "sums.txt"):
            path = tmp_path / name
            path.write_text(f"def add(total):\n{lines}\n", encoding="utf-8")
            (source,) = discover([str(path)], max_bytes=10**6)
            assert isinstance(source, Source)
            chunks.append(len((await pipeline.read(source))[1]))
    assert chunks[0] < 0.7 * chunks[1]


async def test_a_document_that_is_given_up_is_not_embedded_to_its_end(
    bench: Bench, settings: Settings
) -> None:
    began, goes_on, seen = threading.Event(), threading.Event(), list[int]()

    class Held(WordEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> Vectors:
            seen.append(len(texts))
            began.set()
            assert goes_on.wait(20)
            return super().embed_passages(texts)

    one_by_one = settings.model_copy(update={"embedding_batch": 1, "chunk_tokens": 32})
    with ParserProcess(30) as parser:
        pipeline = Pipeline(one_by_one, bench.store, Held, parser)  # type: ignore[arg-type]
        bench.path.write_text("The canary sings. " * 400, encoding="utf-8")
        adding = asyncio.create_task(pipeline.ingest(bench.source(), Placement()))
        assert await asyncio.to_thread(began.wait, 20)
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        goes_on.set()
        await asyncio.get_running_loop().shutdown_default_executor()
    assert seen == [1]
    assert await bench.store.record(document_id_of(bench.source().uri)) is None


async def test_removing_takes_record_chunks_and_files_out(bench: Bench, settings: Settings) -> None:
    await bench.add(FIRST)
    record = await bench.record()
    await bench.pipeline.remove(record.id)
    assert await bench.store.record(record.id) is None
    assert await bench.store.stored_versions() == {}
    assert not list((settings.data_dir / "files").rglob("text.txt"))


async def test_a_file_that_vanishes_is_an_outcome_and_no_error(bench: Bench) -> None:
    bench.path.write_text(FIRST, encoding="utf-8")
    source = bench.source()
    bench.path.unlink()
    outcome = await bench.pipeline.ingest(source, Placement())
    assert outcome.status == "failed"
    assert "no such file" in (outcome.reason or "")


async def test_a_fault_of_one_document_is_its_outcome_and_not_the_end_of_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> str:
        raise SourceUnreadable("cannot be read: input/output error")

    bench.path.write_text(FIRST, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr("ingest.pipeline.hash_file", broken)
        assert (await bench.add()).reason == "cannot be read: input/output error"
    with monkeypatch.context() as patch:
        patch.setattr(WordEmbedder, "embed_passages", lambda self, texts: 1 / 0)
        outcome = await bench.add()
    assert outcome.status == "failed"
    assert "ZeroDivisionError" in (outcome.reason or "")
    assert (await bench.add()).status == "new"


async def test_a_parser_that_takes_too_long_fails_its_file_and_not_the_next(tmp_path: Path) -> None:
    slow = tmp_path / "slow.md"
    slow.write_text("# Long\n\n" + "[" * 200_000, encoding="utf-8")
    good = tmp_path / "good.md"
    good.write_text(FIRST, encoding="utf-8")
    with ParserProcess(0.0) as hurried, pytest.raises(SourceDamaged, match="given up"):
        await hurried.parse(slow, "slow.md")
    with ParserProcess(60) as parser:
        assert (await parser.parse(good, "good.md")).title == "Rules"


async def test_a_parser_that_dies_fails_its_file_and_the_next_one_gets_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tmp_path / "good.md"
    good.write_text(FIRST, encoding="utf-8")
    with ParserProcess(60) as parser:
        parsing = asyncio.create_task(parser.parse(good, "good.md"))
        while not parser._workers():  # noqa: ASYNC110 - the pool has no event for it
            await asyncio.sleep(0)
        kill_workers(parser)
        with pytest.raises(SourceDamaged, match="died"):
            await parsing
        assert (await parser.parse(good, "good.md")).title == "Rules"
        # One that dies while it waits is not the fault of the next file, also where `is_alive` still says
        # yes: so it does for a moment when another thread is the first to hear of the death.
        kill_workers(parser)
        monkeypatch.setattr(BaseProcess, "is_alive", lambda _process: True)
        assert (await parser.parse(good, "good.md")).title == "Rules"


def kill_workers(parser: ParserProcess) -> None:
    for worker in parser._workers():
        worker.kill()
        worker.join()
