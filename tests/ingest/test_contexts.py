"""Contexts below the command line: what is asked, kept, paid and embedded, and what is never made worse."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from ingest.contexts.kept import ContextStore
from ingest.contexts.material import LONGEST, PART_TOKENS, asks, cleaned, tag_now
from ingest.contexts.report import ContextReport
from ingest.contexts_cli import contexts_of
from ingest.pipeline import Placement
from ingest.searchable import embedded_texts
from rag.errors import KeyRejected, OverBudget, StoreUnavailable
from rag.settings import Settings
from tests.claude_server import ClaudeServer, ErrorStatus, Refusal, Slow, spend_cap
from tests.fakes import WordEmbedder, parsed
from tests.ingest.contextual import (
    BIRDS,
    CONTEXT,
    HAIKU,
    HOURS,
    PARAGRAPHS,
    SONNET,
    Bench,
    bodies,
    chunked,
    passage_of,
)

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


async def test_the_document_counts_as_read_only_once_claude_has_read_it(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    bench.claude.enqueue(ErrorStatus(400), spend_cap())
    await bench.add()
    assert len(bench.claude.requests) == 2


async def test_after_a_change_of_model_a_halted_run_is_completed(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    await bench.add()
    old = await bench.record()
    changed = bench.settings.model_copy(update={"fast_model": SONNET, "map_parallel": 1})
    bench.claude.enqueue("The first of the other model.", spend_cap())
    bench.claude.requests.clear()
    await bench.add(settings=changed)
    half = await bench.record()
    assert half.contexts is not None
    assert (half.contexts.chunks, half.contexts.model) == (1, SONNET)
    assert [(by.chunks, by.model) for by in half.contexts.older] == [(old.chunks - 1, HAIKU)]
    # Adding it elsewhere without the flag loses neither these nor those.
    (outcome, _) = await bench.add(None, settings=changed, placement=Placement("zoo"))
    moved = await bench.record()
    assert (outcome, moved.contexts) == ({"hours.md": "changed"}, half.contexts)
    chunks = await bench.store.document_chunks(moved.id, str(moved.version))
    assert len(await contexts_of(changed, moved, chunks)) == old.chunks

    outcome, report = await bench.add(settings=changed)
    whole = await bench.record()
    assert whole.contexts is not None
    assert (outcome, report.written) == ({"hours.md": "changed"}, old.chunks - 1)
    assert (whole.contexts.chunks, whole.contexts.older) == (whole.chunks, ())
    assert len(bodies(bench.claude.requests)) == 1 + old.chunks


async def test_what_cannot_be_kept_ends_the_other_requests_and_is_booked(bench: Bench) -> None:
    bench.write("hours.md", HOURS, *PARAGRAPHS)
    store = ContextStore(bench.settings.data_dir)
    store.put([])
    full = (
        "CREATE TRIGGER full BEFORE INSERT ON contexts WHEN (SELECT COUNT(*) FROM contexts) > 0 "
        "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    with sqlite3.connect(store.path) as db:
        db.execute(full)
    long = Slow("A reply that takes so very long to come.", delay_per_chunk=2)
    bench.claude.enqueue("First.", Slow("Second.", before_first=0.5), long, long)
    with pytest.raises(StoreUnavailable, match="disk full"):
        await bench.add(settings=bench.settings.model_copy(update={"map_parallel": 3}))
    assert len(bench.claude.requests) == 4
    with sqlite3.connect(bench.settings.data_dir / "usage.sqlite") as db:
        assert db.execute("SELECT SUM(requests) FROM usage").fetchone() == (4,)


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
    most = bench.quotes[0].most_usd or 0.0
    limit, worst = most * 0.24, most / bench.quotes[0].chunks * 1.05
    outcomes, report = await bench.add(max_usd=limit)
    assert outcomes == {"hours.md": "new"}
    # No sooner than that one more might pass it, whatever the others had set aside while they were asked.
    assert limit - worst < report.usd <= limit
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
