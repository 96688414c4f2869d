"""Contexts below the command line: what is asked, kept, paid and embedded, and what is never made worse."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingest.chunking import Chunker
from ingest.contexts.kept import ContextStore, Kept
from ingest.contexts.material import LONGEST, PART_TOKENS, asks, cleaned, tag_now
from ingest.contexts.planning import Quote
from ingest.contexts.report import ContextReport
from ingest.contexts.run import Contextualizer, Terms
from ingest.contexts.wanted import Choice, WantedContexts
from ingest.pipeline import Pipeline, Placement
from ingest.searchable import embedded_texts
from ingest.sources import Source, discover
from ingest.workers import ParserProcess
from rag.documents import Chunk, DocumentRecord, Filters, ParsedDocument, Reader, document_id_of
from rag.errors import InvalidRequest, KeyRejected, OverBudget
from rag.settings import Settings
from rag.sparse import encode_query
from rag.store import Store, open_store
from tests.claude_server import ClaudeServer, ErrorStatus, Refusal, spend_cap
from tests.fakes import DIMENSION, WordEmbedder, parsed
from tests.ingest.contextual import Contextual, bodies, passage_of

HOURS = "It opens at nine and closes at noon."
BIRDS = "Penguins are birds of the south."
CONTEXT = "Opening times of the aquarium."
PARAGRAPHS = [
    f"Rule {n}. " + f"The keeper of house {n} counts the animals every morning. " * 12 for n in range(6)
]
HAIKU = "claude-haiku-5-5"


def chunked(document: ParsedDocument, tokens: int) -> list[Chunk]:
    return Chunker(WordEmbedder().count_tokens, tokens).chunk(document, document_id_of("file:///a.md"), "v")


@pytest.fixture
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(default=Contextual({HOURS: CONTEXT})) as server:
        yield server


@dataclass
class Bench:
    settings: Settings
    store: Store
    parser: ParserProcess
    folder: Path
    claude: ClaudeServer
    quotes: list[Quote]

    def write(self, name: str, *paragraphs: str) -> None:
        (self.folder / name).write_text("# Rules\n\n" + "\n\n".join(paragraphs) + "\n", encoding="utf-8")

    async def add(
        self,
        choice: Choice | None = "now",
        *,
        max_usd: float | None = None,
        agreed: bool = True,
        placement: Placement | None = None,
        settings: Settings | None = None,
    ) -> tuple[dict[str, str], ContextReport]:
        """`ingest add` of the folder: what became of each file, and what is told of contexts."""
        settings, placement = settings or self.settings, placement or Placement()
        report = ContextReport(str(choice), settings.fast_model)
        wanted = WantedContexts(settings, choice)
        pipeline = Pipeline(settings, self.store, WordEmbedder, self.parser, wanted)  # type: ignore[arg-type]
        sources = [one for one in discover([str(self.folder)], max_bytes=10**7) if isinstance(one, Source)]
        if choice in ("now", "batch"):
            terms = Terms(choice, max_usd, 0.01, self._agree(agreed), lambda: nullcontext(lambda *_: None))
            writer = Contextualizer(settings, terms)
            if not await writer.write(pipeline, self.store, sources, placement, wanted, report):
                return {}, report
        outcomes = [await pipeline.ingest(source, placement) for source in sources]
        return {Path(one.path).name: one.status for one in outcomes}, report

    def _agree(self, agreed: bool) -> Callable[[Quote], bool]:
        def agree(quote: Quote) -> bool:
            self.quotes.append(quote)
            return agreed

        return agree

    async def record(self, name: str = "hours.md") -> DocumentRecord:
        (source,) = discover([str(self.folder / name)], max_bytes=10**7)
        assert isinstance(source, Source)
        record = await self.store.record(document_id_of(source.uri))
        assert record is not None
        return record

    async def found(self, words: str) -> list[str]:
        hits = await self.store.search(
            reader=Reader(),
            filters=Filters(),
            dense=None,
            sparse=encode_query(words),
            limit=10,
            candidates=10,
        )
        return [hit.text for hit in hits]

    def spent(self) -> float:
        with sqlite3.connect(self.settings.data_dir / "usage.sqlite") as db:
            (usd,) = db.execute("SELECT TOTAL(usd) FROM usage WHERE key = 'ingest'").fetchone()
            (held,) = db.execute("SELECT COUNT(*) FROM holds").fetchone()
        assert held == 0
        return float(usd)


@pytest.fixture
async def bench(settings: Settings, tmp_path: Path, claude: ClaudeServer) -> AsyncIterator[Bench]:
    settings = settings.model_copy(update={"anthropic_base_url": claude.url, "chunk_tokens": 100})
    (tmp_path / "docs").mkdir()
    async with open_store(settings, dimension=DIMENSION, model=WordEmbedder.name) as store:
        with ParserProcess(30) as parser:
            yield Bench(settings, store, parser, tmp_path / "docs", claude, [])


# ---------------------------------------------------------------- found by, and not shown


async def test_a_chunk_is_found_by_its_context_and_shown_without(bench: Bench) -> None:
    bench.write("hours.md", HOURS)
    assert await bench.add(None) == ({"hours.md": "new"}, ContextReport("None", HAIKU))
    plain = await bench.record()
    assert (plain.contexts, await bench.found("aquarium")) == (None, [])

    outcomes, report = await bench.add()
    assert (outcomes, report.written, report.missing) == ({"hours.md": "changed"}, 1, [])
    record = await bench.record()
    assert record.version != plain.version
    assert record.contexts is not None
    assert (record.contexts.chunks, record.contexts.model) == (1, HAIKU)
    (text,) = await bench.found("aquarium")
    assert HOURS in text
    assert CONTEXT not in text
    assert bench.spent() == pytest.approx(report.usd)


async def test_what_was_paid_for_is_kept_and_nobody_is_asked_again(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    _, first = await bench.add()
    sent = len(bench.claude.requests)
    assert (await bench.add())[0] == {"hours.md": "unchanged"}
    assert (await bench.add(None))[0] == {"hours.md": "unchanged"}
    moved, _ = await bench.add(None, placement=Placement("zoo"))
    assert (moved, len(await bench.found("aquarium"))) == ({"hours.md": "changed"}, 1)
    off, _ = await bench.add("off")
    assert (off, await bench.found("aquarium")) == ({"hours.md": "changed"}, [])
    assert (await bench.record()).contexts is None
    on, report = await bench.add("batch")
    assert (on, report.kept, report.usd) == ({"hours.md": "changed"}, first.written, 0)
    assert len(await bench.found("aquarium")) == 1
    assert len(bench.claude.requests) == sent
    assert len(bench.quotes) == 1


async def test_a_copy_of_a_document_costs_nothing(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    bench.write("copy.md", HOURS, *PARAGRAPHS)
    _, report = await bench.add()
    assert len(bench.claude.requests) == report.written / 2


async def test_a_changed_document_without_the_flag_keeps_what_still_fits(bench: Bench) -> None:
    bench.write("hours.md", HOURS)
    await bench.add()
    bench.write("hours.md", HOURS, BIRDS)
    assert (await bench.add(None))[0] == {"hours.md": "changed"}
    contexts = (await bench.record()).contexts
    assert contexts is not None
    assert contexts.chunks == 0
    assert (await bench.add(None))[0] == {"hours.md": "unchanged"}
    assert (await bench.add())[0] == {"hours.md": "changed"}


# ---------------------------------------------------------------- what is asked


async def test_the_document_stands_first_and_is_read_from_the_cache(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    _, report = await bench.add()
    asked = bodies(bench.claude.requests)
    assert len(asked) == report.written > 4
    for body in asked:
        document, passage = body["messages"][0]["content"]
        assert (document["type"], passage["type"]) == ("search_result", "text")
        assert document["cache_control"] == {"type": "ephemeral"}
        assert document["citations"] == {"enabled": False}
        assert "not messages to you" in body["system"][0]["text"]
        assert body["max_tokens"] <= 256
    assert len({str(body["messages"][0]["content"][0]) for body in asked}) == 1
    told = report.as_json()
    assert told["cache_read_tokens"] == told["cache_write_tokens"] * (len(asked) - 1) > 0
    (quote,) = bench.quotes
    assert quote.usd is not None
    assert quote.most_usd is not None
    assert quote.cached_tokens > 0
    assert report.usd < quote.usd < quote.most_usd


async def test_nothing_is_sent_or_ingested_where_the_cost_is_not_agreed_to(bench: Bench) -> None:
    bench.write("hours.md", HOURS)
    assert (await bench.add(agreed=False))[0] == {}
    assert (bench.claude.requests, await bench.store.records()) == ([], [])


def test_a_long_document_is_read_in_parts_that_hold_their_chunks(settings: Settings) -> None:
    body = "\n".join(
        f"# Chapter {n}\n"
        + "\n".join(f"Sentence {m} of chapter {n} says little of note." for m in range(150))
        for n in range(80)
    )
    document = parsed(body)
    chunks = chunked(document, 60)
    made = asks(document, chunks, tag_now(settings))
    parts = list(dict.fromkeys(ask.part.digest for ask in made))
    assert len(parts) > 2
    assert all(ask.part.tokens < PART_TOKENS * 1.15 for ask in made)
    assert all(chunk.text in ask.part.text for chunk, ask in zip(chunks, made, strict=True))
    assert {ask.part.title for ask in made} == {
        f"{document.title} (part {n + 1} of {len(parts)})" for n in range(len(parts))
    }
    assert all(ask.part.text.startswith("Chapter") for ask in made)


def test_another_model_or_document_is_another_request(settings: Settings) -> None:
    document = parsed("# One\nThe keeper counts.")
    chunks = chunked(document, 60)
    tag = tag_now(settings)
    (key,) = {ask.key for ask in asks(document, chunks, tag)}
    others = {
        asks(document, chunks, replace(tag, model="other"))[0].key,
        asks(document, chunks, replace(tag, prompt="other"))[0].key,
        asks(parsed("# One\nThe keeper counts. And sleeps."), chunks, tag)[0].key,
    }
    assert len({key, *others}) == 4


# ---------------------------------------------------------------- what of a reply is taken


@pytest.mark.parametrize(
    ("reply", "taken"),
    [
        ("  Context: **The** `opening`\ntimes. ", "The opening times."),
        ("<script>alert(1)</script> of [the zoo](http://x.test/a)", "alert(1) of the zoo"),
        ("# Title\n- point one\n- point two", "Title point one point two"),
        ("\x1b[31mred\x00", "[31mred"),
        ("---", ""),
        ("", ""),
    ],
)
def test_a_reply_is_taken_as_one_line_of_plain_text(reply: str, taken: str) -> None:
    assert cleaned(reply) == taken


def test_a_reply_that_is_too_long_is_cut_at_a_sentence() -> None:
    sentence = "The house of the penguins opens at nine. "
    assert cleaned(sentence * 40) == (sentence * (LONGEST // len(sentence))).strip()
    assert len(cleaned("word " * 400)) <= LONGEST
    assert len(cleaned("x" * 4000)) == LONGEST


def test_a_context_leaves_the_model_room_for_the_chunk() -> None:
    class Short(WordEmbedder):
        longest = 12

    document = parsed("# Hours\nIt opens at nine and closes.")
    (chunk,) = chunked(document, 60)
    (text,) = embedded_texts("T", [chunk], {0: "one two three four five six seven eight"}, Short())
    assert text.endswith(chunk.text)
    assert len(text.split()) == 12
    assert "one two" in text


# ---------------------------------------------------------------- what fails


async def test_a_chunk_without_a_context_goes_in_and_only_what_may_succeed_is_asked_again(
    bench: Bench, claude: ClaudeServer
) -> None:
    bench.write("hours.md", HOURS)
    bench.write("birds.md", BIRDS)
    claude.enqueue(Refusal(), ErrorStatus(400))
    outcomes, report = await bench.add(settings=bench.settings.model_copy(update={"map_parallel": 1}))
    assert outcomes == {"hours.md": "new", "birds.md": "new"}
    assert (report.failed, report.written) == (2, 0)
    assert sorted(one.reason for one in report.missing) == [
        "Claude did not accept the request (400 invalid_request_error)",
        "the model declined to answer this question",
    ]
    refused, rejected = (passage_of(body) for body in bodies(claude.requests))
    claude.requests.clear()
    outcomes, report = await bench.add()
    assert [passage_of(body) for body in bodies(claude.requests)] == [rejected]
    assert sorted(outcomes.values()) == ["changed", "unchanged"]
    assert (report.written, report.failed, len(report.missing)) == (1, 0, 1)
    assert refused != rejected


async def test_a_document_that_was_half_done_is_completed_in_its_version(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    bench.claude.enqueue("First.", spend_cap())
    _, report = await bench.add(settings=bench.settings.model_copy(update={"map_parallel": 1}))
    half = await bench.record()
    assert half.contexts is not None
    assert (half.contexts.chunks, report.written) == (1, 1)
    assert len(bench.claude.requests) == 2
    assert {one.reason.split(" (")[0] for one in report.missing} == {
        "the account at Claude may spend no more"
    }
    outcomes, _ = await bench.add()
    whole = await bench.record()
    assert whole.contexts is not None
    assert (outcomes, whole.version) == ({"hours.md": "changed"}, half.version)
    assert whole.contexts.chunks == whole.chunks
    assert len(bench.claude.requests) == 1 + whole.chunks
    assert await bench.store.stored_versions() == {whole.id: {whole.version: whole.chunks}}


async def test_a_wrong_key_ends_it_before_anything_goes_in(bench: Bench) -> None:
    bench.write("hours.md", HOURS)
    bench.claude.enqueue(ErrorStatus(401))
    with pytest.raises(KeyRejected):
        await bench.add()
    assert await bench.store.records() == []


# ---------------------------------------------------------------- money


async def test_the_budget_ends_it_before_it_is_passed(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    await bench.add(agreed=False)
    limit = (bench.quotes[0].most_usd or 0) / 3
    outcomes, report = await bench.add(max_usd=limit)
    assert outcomes == {"hours.md": "new"}
    assert 0 < report.usd <= limit
    assert report.missing
    assert all("the budget is spent" in one.reason for one in report.missing)


async def test_a_batch_is_only_as_large_as_the_budget(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    await bench.add("batch", agreed=False)
    limit = (bench.quotes[0].most_usd or 0) / 2
    outcomes, report = await bench.add("batch", max_usd=limit)
    assert outcomes == {"hours.md": "new"}
    assert 0 < report.usd <= limit
    assert 0 < report.written < (await bench.record()).chunks
    assert "--max-usd" in report.missing[0].reason


async def test_the_day_ends_it_too_and_an_unknown_price_keeps_no_budget(bench: Bench) -> None:
    bench.write("hours.md", HOURS)
    day = bench.settings.model_copy(update={"max_usd_per_day": 0.000001})
    for choice in ("now", "batch"):
        outcomes, report = await bench.add(choice, settings=day)  # type: ignore[arg-type]
        assert outcomes["hours.md"] in ("new", "unchanged")
        assert "of the day's" in report.missing[0].reason
    unknown = bench.settings.model_copy(update={"fast_model": "claude-new"})
    with pytest.raises(OverBudget, match="not known"):
        await bench.add(max_usd=1.0, settings=unknown)
    assert bodies(bench.claude.requests) == []


# ---------------------------------------------------------------- batches


async def test_a_batch_costs_half_and_is_kept_for_an_hour(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    outcomes, report = await bench.add("batch")
    assert outcomes == {"hours.md": "new"}
    (batch,) = bench.claude.batches.kept
    assert report.written == len(batch.requests) == (await bench.record()).chunks
    document = batch.requests[0]["params"]["messages"][0]["content"][0]
    assert document["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert bench.spent() == pytest.approx(report.usd)
    assert report.usd < (bench.quotes[0].usd or 0)
    assert len(await bench.found("aquarium")) == 1


async def test_a_batch_whose_creation_was_answered_by_an_error_is_found_again(bench: Bench) -> None:
    bench.write("hours.md", HOURS)
    bench.claude.batches.lost = 1
    outcomes, report = await bench.add("batch")
    assert (outcomes, report.failed) == ({"hours.md": "new"}, 1)
    assert "goes on with it" in report.missing[0].reason
    bench.claude.batches.end(bench.claude.batches.kept[0])
    outcomes, report = await bench.add("batch")
    assert (outcomes, report.kept, report.failed) == ({"hours.md": "changed"}, 1, 0)
    assert len(bench.claude.batches.kept) == 1
    assert bench.spent() == pytest.approx(report.usd)


async def test_what_a_batch_was_to_bring_is_taken_back_where_it_is_wanted_now(bench: Bench) -> None:
    bench.write("hours.md", HOURS)
    bench.claude.batches.lost, bench.claude.batches.looks = 1, None
    await bench.add("batch")
    store = ContextStore(bench.settings.data_dir)
    (sent,) = store.sent()
    sent.batch.id = bench.claude.batches.kept[0].id
    store.send(sent)
    await bench.add("now", agreed=False)
    assert bench.claude.batches.kept[0].canceled is None
    outcomes, report = await bench.add("now")
    assert (outcomes, report.written) == ({"hours.md": "changed"}, 1)
    assert bench.claude.batches.kept[0].canceled is not None
    assert store.sent() == []


async def test_two_runs_do_not_ask_for_the_same(bench: Bench) -> None:
    from ingest.contexts.run import alone

    bench.write("hours.md", HOURS)
    with alone(bench.settings), pytest.raises(InvalidRequest, match="at work"):
        await bench.add()
    assert bench.claude.requests == []


def test_contexts_of_removed_documents_can_be_swept(tmp_path: Path) -> None:
    store = ContextStore(tmp_path)
    assert (store.get(["a"]), store.strays([]), store.path.exists()) == ({}, 0, False)
    store.put([Kept("a", "one", "A."), Kept("b", "two", "B."), Kept("c", "two", failure="no")])
    assert store.path.stat().st_mode & 0o077 == 0
    assert store.strays(["one"]) == 2
    assert store.strays(["one"], remove=True) == 2
    assert set(store.get(["a", "b", "c"])) == {"a"}
