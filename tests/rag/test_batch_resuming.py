"""A run that ended at the worst moment is gone on with, and nothing is paid twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.bulk.finding import LATE_SECONDS
from rag.claude.batches import Batch, BatchClient, BatchRequest
from rag.documents import Support
from rag.draft import NOT_FOUND
from rag.errors import ClaudeUnavailable
from rag.support import SupportChecker
from tests.claude_server import Batch as ServerBatch
from tests.claude_server import Cite, ClaudeServer, Part, Text
from tests.rag.batches import (
    KEY,
    KEYS,
    LEAVE,
    Bench,
    answers_of,
    bench_of,
    created,
    started,
)
from tests.rag.conftest import Library


@pytest.fixture(scope="module")
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(not_found_text=NOT_FOUND) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(claude: ClaudeServer) -> None:
    claude.reset()


@pytest.fixture
async def bench(library: Library, claude: ClaudeServer, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_of(library, claude, tmp_path) as made:
        yield made


class DiesAfterCreating(BatchClient):
    """The process is killed when the batch exists and its id is not known yet."""

    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        await super().create(requests)
        raise KeyboardInterrupt


class DiesBeforeCreating(BatchClient):
    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        raise KeyboardInterrupt


async def killed(bench: Bench, kind: type[BatchClient]) -> None:
    run = bench.run(bench.state(KEYS), kind)
    await started(run)
    with pytest.raises(KeyboardInterrupt):
        await run.finish()


async def test_a_batch_whose_id_was_lost_is_found_again(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    await killed(bench, DiesAfterCreating)

    def end() -> None:
        claude.batches.end(claude.batches.kept[0])

    bench.on_wait = end
    again = bench.resumed()
    assert (await again.prepare("fast")).requests == 0
    await again.finish()
    assert answers_of(again.state)[0].answered
    assert created(claude) == 1


async def test_batches_of_others_are_not_taken_for_ours(bench: Bench, claude: ClaudeServer) -> None:
    """One of the same size before ours, one after it that still goes on: only the keys tell them apart."""
    other = bench.run(bench.state(LEAVE))
    await started(other)
    await other.finish()
    claude.batches.looks = None
    await killed(bench, DiesAfterCreating)
    strange = claude.batches.create(
        json.dumps({"requests": [{"custom_id": "theirs-0", "params": {}}]}).encode()
    )
    assert len(claude.batches.kept) == 3
    ends: list[ServerBatch] = [claude.batches.find(strange["id"]), claude.batches.kept[1]]
    bench.on_wait = lambda: claude.batches.end(ends.pop(0)) if ends else None
    again = bench.resumed()
    await again.finish()
    assert again.state.parts[0].id == claude.batches.kept[1].id
    assert answers_of(again.state)[0].answered
    assert created(claude) == 2


async def test_a_batch_that_was_never_created_is_created_when_that_is_certain(
    bench: Bench, claude: ClaudeServer
) -> None:
    await killed(bench, DiesBeforeCreating)
    assert claude.batches.kept == []
    before = bench.now
    again = bench.resumed()
    await again.finish()
    assert answers_of(again.state)[0].answered
    assert (created(claude), bench.now - before > LATE_SECONDS) == (1, True)


async def test_an_answer_lost_on_its_way_does_not_make_a_second_batch(
    bench: Bench, claude: ClaudeServer
) -> None:
    claude.batches.lost = 1
    run = bench.run(bench.state(KEYS))
    await started(run)
    with pytest.raises(ClaudeUnavailable):
        await run.finish()
    # Nothing looks at it before it is found, so it would not end by itself.
    claude.batches.end(claude.batches.kept[0])
    again = bench.resumed()
    await again.finish()
    assert answers_of(again.state)[0].answered
    assert created(claude) == 1


class DiesAtTheSecond(SupportChecker):
    """The process is killed when the second answer of a batch is checked: its charge is booked already."""

    def check(self, answer_text: str, *more: Any, **others: Any) -> tuple[Support, ...]:
        if answer_text.startswith("Thirty"):
            raise KeyboardInterrupt
        return super().check(answer_text, *more, **others)


async def test_what_was_booked_before_an_interruption_is_not_booked_again(
    bench: Bench, claude: ClaudeServer
) -> None:
    claude.batches.enqueue(Text(Part("Every year.", Cite(0))), Text(Part("Thirty days.", Cite(0))))
    bench.checker = DiesAtTheSecond
    run = bench.run(bench.state(KEYS, LEAVE))
    await started(run)
    with pytest.raises(KeyboardInterrupt):
        await run.finish()
    (before,) = await bench.ledger.sums(["model"])
    assert (before.answers, before.requests) == (2, 2), "both are booked, and the state knows of neither"
    bench.checker = SupportChecker
    again = bench.resumed()
    await again.finish()
    (row,) = await bench.ledger.sums(["model"])
    assert row == before
    paid = sum(answer.receipt.usd for answer in answers_of(again.state))
    assert await bench.ledger.spent_today("local") == pytest.approx(paid)
    assert sum(item.spent_usd for item in again.state.items) == pytest.approx(paid)


async def test_a_state_that_an_earlier_version_kept_is_gone_on_with(
    bench: Bench, claude: ClaudeServer
) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)
    await bench.interrupted(run)
    bench.on_wait = lambda: None
    kept = json.loads(bench.path.read_text())
    del kept["id"], kept["items"][0]["prepared"]["most_usd"]
    bench.path.write_text(json.dumps(kept))
    claude.batches.end(claude.batches.kept[0])
    again = bench.resumed()
    await again.finish()
    assert answers_of(again.state)[0].answered


async def test_a_run_that_is_over_sends_nothing_more(bench: Bench, claude: ClaudeServer) -> None:
    run = bench.run(bench.state(KEYS))
    await started(run)
    await run.finish()
    claude.requests.clear()
    again = bench.resumed()
    assert (await again.prepare("fast")).requests == 0
    await again.finish()
    assert claude.requests == []
    assert again.state.items == run.state.items


async def test_the_state_holds_neither_the_key_nor_the_documents(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)
    await bench.interrupted(run)
    kept = bench.path.read_text()
    assert KEY not in kept
    assert "rotate every year" not in kept
    assert bench.path.stat().st_mode & 0o077 == 0
