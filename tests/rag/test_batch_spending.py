"""What a batch may spend: shown before, set aside until it is settled, never more than the day allows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from rag.bulk.run import Quote, Run
from rag.bulk.state import Part as KeptPart
from rag.claude.batches import Batch, BatchClient, BatchRequest
from rag.documents import Charge
from rag.draft import NOT_FOUND
from rag.errors import OverBudget
from tests.claude_server import ClaudeServer, ErrorStatus
from tests.rag.batches import (
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


async def test_half_the_price_is_paid_and_no_more_than_was_shown(bench: Bench, claude: ClaudeServer) -> None:
    run = bench.run(bench.state(KEYS, LEAVE))
    quote = await started(run)
    await run.finish()
    receipts = [answer.receipt for answer in answers_of(run.state)]
    for receipt in receipts:
        assert receipt.cache_read_tokens == receipt.cache_write_tokens == 0
        assert receipt.usd == pytest.approx(
            (receipt.input_tokens * 0.10 + receipt.output_tokens * 0.50) / 2e6, abs=1e-8
        )
    paid = sum(receipt.usd for receipt in receipts)
    assert quote.requests == 2
    assert quote.cost.reading is not None
    assert quote.cost.most is not None
    read = sum(receipt.input_tokens for receipt in receipts) * 0.10 / 2e6
    assert read <= quote.cost.reading <= 2 * read
    assert paid <= quote.cost.most
    (row,) = await bench.ledger.sums(("model",))
    assert (row.answers, row.usd) == (2, pytest.approx(paid))
    assert await bench.ledger.spent_today("local") == pytest.approx(paid), "what was set aside is released"


async def test_the_budget_of_the_day_holds_for_batches_too(bench: Bench, claude: ClaudeServer) -> None:
    bench.max_usd_per_day = 0.00001
    run = bench.run(bench.state(KEYS))
    with pytest.raises(OverBudget):
        await started(run)
    assert (claude.requests, bench.path.exists()) == ([], False)


async def test_a_question_that_may_cost_more_than_an_answer_may_is_not_asked(
    bench: Bench, claude: ClaudeServer
) -> None:
    run = bench.run(bench.state(KEYS), max_usd_per_request=0.00001)
    assert (await started(run)).requests == 0
    assert "RAG_MAX_USD_PER_REQUEST" in (run.state.items[0].failure or "")


async def test_a_model_of_unknown_price_is_not_asked_under_the_budget_of_the_day(
    bench: Bench, claude: ClaudeServer
) -> None:
    unknown = {"fast_model": "claude-haiku-of-next-year"}
    assert (await started(bench.run(bench.state(KEYS), **unknown))).requests == 1
    bench.path.unlink()
    bench.max_usd_per_day = 100.0
    with pytest.raises(OverBudget, match="price"):
        await started(bench.run(bench.state(KEYS), **unknown))
    assert (claude.requests, bench.path.exists()) == ([], False)


# ---------------------------------------------------------------- what is set aside


HOUR = 3600.0


def most(quote: Quote) -> float:
    assert quote.cost.most is not None
    return quote.cost.most


async def in_two_batches(bench: Bench, kind: type[BatchClient] = BatchClient) -> Run:
    run = bench.run(bench.state(KEYS, LEAVE), kind)
    quote = await run.prepare("fast")
    run.state.parts = [KeptPart(members=[0]), KeptPart(members=[1])]
    await run.agree(quote)
    return run


async def test_money_is_set_aside_for_as_long_as_claude_may_take(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    worst = most(await started(run))
    await bench.interrupted(run)
    bench.now += 24 * HOUR
    assert await bench.ledger.spent_today("local") == pytest.approx(worst), "it may still be answered"
    bench.now += 2 * HOUR
    assert await bench.ledger.spent_today("local") == 0, "nobody can be billed for it any more"


@pytest.mark.parametrize("agreed", [True, False])
async def test_a_run_that_is_gone_on_with_sets_its_money_aside_again(
    bench: Bench, claude: ClaudeServer, agreed: bool
) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    worst = most(await started(run))
    await bench.interrupted(run)
    bench.now += 30 * HOUR
    again = bench.resumed()
    if agreed:
        await started(again)
    else:
        await bench.interrupted(again)
    assert await bench.ledger.spent_today("local") == pytest.approx(worst)


async def test_money_stays_set_aside_while_claude_is_waited_for(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    worst = most(await started(run))
    seen = []

    async def hours_later() -> None:
        bench.now += 20 * HOUR
        seen.append(await bench.ledger.spent_today("local"))
        if bench.waits == 3:
            claude.batches.end(claude.batches.kept[0])

    bench.on_wait = hours_later
    await run.finish()
    assert seen == [pytest.approx(worst)] * 3


async def test_what_a_batch_did_not_cost_is_free_when_it_is_collected(
    bench: Bench, claude: ClaudeServer
) -> None:
    claude.batches.looks = None
    run = await in_two_batches(bench)
    worst = [item.prepared.most_usd for item in run.state.items if item.prepared and item.prepared.most_usd]
    seen = []

    async def end_the_next() -> None:
        seen.append(await bench.ledger.spent_today("local"))
        claude.batches.end(claude.batches.kept[bench.waits - 1])

    bench.on_wait = end_the_next
    await run.finish()
    paid = [item.spent_usd for item in run.state.items]
    assert seen[0] == pytest.approx(sum(worst))
    assert seen[1] == pytest.approx(paid[0] + worst[1])
    assert await bench.ledger.spent_today("local") == pytest.approx(sum(paid))


async def test_what_is_asked_again_is_set_aside_with_what_is_under_way(
    bench: Bench, claude: ClaudeServer
) -> None:
    claude.batches.looks = None
    claude.batches.enqueue(ErrorStatus(529))
    run = await in_two_batches(bench)
    worst = await bench.ledger.spent_today("local")

    def end_one() -> None:
        if bench.waits == 2:
            raise KeyboardInterrupt
        claude.batches.end(claude.batches.kept[0])

    bench.on_wait = end_one
    with pytest.raises(KeyboardInterrupt):
        await run.finish()
    bench.max_usd_per_day = 0.9 * worst
    tight = bench.resumed()
    tight.state.reopen()
    with pytest.raises(OverBudget):
        await started(tight)
    bench.max_usd_per_day = 1.1 * worst
    again = bench.resumed()
    again.state.reopen()
    assert (await started(again)).requests == 1
    assert await bench.ledger.spent_today("local") == pytest.approx(worst)


async def test_runs_of_equal_questions_each_set_their_own_money_aside(
    bench: Bench, claude: ClaudeServer, library: Library, tmp_path: Path
) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    worst = most(await started(run))
    other = Bench(library, claude.url, tmp_path / "others.jsonl.state.json", clients=bench.clients)
    other.max_usd_per_day = 1.5 * worst
    with pytest.raises(OverBudget):
        await started(other.run(other.state(KEYS)))
    other.max_usd_per_day = 2.5 * worst
    await started(other.run(other.state(KEYS)))
    assert await bench.ledger.spent_today("local") == pytest.approx(2 * worst)
    await bench.interrupted(run)
    assert bench.resumed().state.hold == run.state.hold


class DiesAtTheSecond(BatchClient):
    """The process is killed before the second batch is created."""

    made = 0

    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        if self.made:
            raise KeyboardInterrupt
        self.made += 1
        return await super().create(requests)


async def test_what_was_not_sent_is_not_sent_later_where_its_money_was_spent_meanwhile(
    bench: Bench, claude: ClaudeServer
) -> None:
    run = await in_two_batches(bench, DiesAtTheSecond)
    worst = await bench.ledger.spent_today("local")
    with pytest.raises(KeyboardInterrupt):
        await run.finish()
    bench.now += 30 * HOUR
    bench.max_usd_per_day = worst
    await bench.ledger.settle("another", "local", [Charge(model="claude-haiku-5-5", requests=1, usd=worst)])
    again = bench.resumed()
    await again.finish()
    first, second = again.state.items
    assert first.answer is not None
    assert "of the day's" in (second.failure or "")
    assert created(claude) == 1
