"""Contexts by batches, and how contexts are kept: nothing is paid twice, and nothing is swept too soon."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.contexts import batching
from ingest.contexts.asking import Written
from ingest.contexts.kept import FRESH_SECONDS, ContextStore, Kept
from ingest.contexts.material import asks, tag_now
from ingest.contexts.planning import Costs
from rag.bulk.finding import Pace
from rag.claude import load_prices
from rag.claude.batches import BatchClient, BatchRequest
from rag.errors import ClaudeUnavailable, InvalidRequest
from rag.usage import Ledger
from tests.fakes import parsed
from tests.ingest.contextual import (
    BIRDS,
    HOURS,
    PARAGRAPHS,
    TRIES,
    Bench,
    away,
    chunked,
)


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


async def test_a_batch_is_not_paid_again_because_claude_was_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "PATIENCE", 1)
    monkeypatch.setattr(batching, "LARGEST_BYTES", 1)
    bench.write("hours.md", HOURS)
    bench.write("birds.md", BIRDS)
    batches = bench.claude.batches
    for heard in (0, 4):  # on its way, and when the next run has found both batches
        with away(batches, heard) as looks, pytest.raises(ClaudeUnavailable) as raised:
            await bench.add("batch")
        assert "same command" in str(raised.value.remedy)
        assert len(batches.kept) == len(ContextStore(bench.settings.data_dir).sent()) == 2
        assert {looks.count(batch.id) for batch in batches.kept} == {heard // 2 + 2 * TRIES}
        assert await bench.store.records() == []
    outcomes, report = await bench.add("batch")
    assert (outcomes, report.kept, report.missing) == ({"hours.md": "new", "birds.md": "new"}, 2, [])
    assert len(batches.kept) == 2
    assert bench.spent() == pytest.approx(report.usd)


async def test_a_document_is_measured_once_for_all_its_requests(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = parsed("# One\n" + 'The "keeper" of h\u00f6use \U0001f427 counts.\\ ' * 90)
    chunks = chunked(document, 60)
    asked = asks(document, chunks, tag_now(bench.settings))
    assert len(asked) > 3
    costs = Costs(bench.settings, load_prices(None), batch=True)
    store, ledger = ContextStore(bench.settings.data_dir), Ledger(bench.settings.data_dir / "usage.sqlite")
    made = batching.Batching(bench.settings, store, ledger, costs, Pace(0.01), lambda *_: None, Written())
    real, measured = BatchClient.size, []

    def size(self: BatchClient, request: BatchRequest) -> int:
        measured.append(request)
        return real(self, request)

    monkeypatch.setattr(BatchClient, "size", size)
    sizes = made._sizes(asked)
    assert len(measured) == 1
    client = BatchClient(bench.settings)
    assert sizes == [real(client, made._request("0" * 24, ask)) for ask in asked]


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
    now = time.time()
    store = ContextStore(tmp_path, lambda: now)
    assert (store.get(["a"]), store.strays([]), store.path.exists()) == ({}, 0, False)
    store.put([Kept("a", "one", "A."), Kept("b", "two", "B."), Kept("c", "two", failure="no")])
    assert store.path.stat().st_mode & 0o077 == 0
    store.use("three", ["b", "unknown"])
    assert store.strays([], remove=True) == 0
    now += FRESH_SECONDS + 1
    assert (store.strays([]), store.strays(["one"]), store.strays(["one", "three"])) == (3, 2, 1)
    assert store.strays(["one", "three"], remove=True) == 1
    assert set(store.get(["a", "b", "c"])) == {"a", "b"}
    store.use("four", ["b"])
    assert store.strays(["one"], remove=True) == 0
    now += FRESH_SECONDS + 1
    assert store.strays(["one"], remove=True) == 1
    assert set(store.get(["a", "b", "c"])) == {"a"}


def test_a_new_file_can_be_written_to_by_many_at_once(tmp_path: Path) -> None:
    for number in range(30):
        store, together = ContextStore(tmp_path / str(number)), threading.Barrier(6)

        def put(key: int, store: ContextStore = store, together: threading.Barrier = together) -> None:
            together.wait(10)
            store.put([Kept(str(key), "document", "A context.")])

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(put, range(6)))
        assert len(store.get([str(key) for key in range(6)])) == 6
