"""Questions of a batch that fail: each by name, paid or not, and asked again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from rag.bulk.run import CANCELLED, CHANGED, NOT_KEPT
from rag.draft import NOT_FOUND
from rag.errors import ClaudeRejected, NotFound
from tests.claude_server import Cite, ClaudeServer, ErrorStatus, Expired, Part, Refusal, Text
from tests.fakes import parsed, put
from tests.rag.batches import (
    KEYS,
    LEAVE,
    Bench,
    answers_of,
    bench_of,
    started,
)
from tests.rag.conftest import BACKUPS, Library


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


async def test_those_that_failed_are_named_and_only_they_are_asked_again(
    bench: Bench, claude: ClaudeServer, library: Library
) -> None:
    claude.batches.enqueue(ErrorStatus(529), Text(Part("Thirty days.", Cite(0))), Expired(), Refusal())
    run = bench.run(bench.state(KEYS, LEAVE, "Who restores backups?", "What does the doctor note say?"))
    await started(run)
    await run.finish()
    reasons = [item.failure for item in run.state.items]
    assert reasons == [
        "Claude rejected it (overloaded_error)",
        None,
        "Claude did not come to it within 24 hours",
        "the model declined to answer",
    ]
    again = bench.resumed()
    kept = again.state.items[1].answer
    again.state.reopen()
    assert (await started(again)).requests == 3
    await again.finish()
    assert len(claude.batches.kept[1].requests) == 3
    assert answers_of(again.state)[1] == kept
    ids = [one["custom_id"] for batch in claude.batches.kept for one in batch.requests]
    assert len(set(ids)) == 7


async def test_an_answer_from_a_document_that_was_replaced_meanwhile_is_a_failure(
    bench: Bench, claude: ClaudeServer, library: Library
) -> None:
    run = bench.run(bench.state(KEYS, LEAVE))
    await started(run)
    claude.batches.looks = 1
    changed = parsed(BACKUPS.replace("every year", "every month"), title="Backup policy")

    async def replace() -> None:
        await put(library.store, library.files, changed, name="backups.md")

    bench.on_wait = replace
    await run.finish()
    first, second = run.state.items
    assert (first.failure, first.answer) == (CHANGED, None)
    assert first.spent_usd > 0, "it was paid for"
    assert second.answer is not None


async def test_results_that_claude_no_longer_keeps_are_failures(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)

    def archive() -> None:
        (batch,) = claude.batches.kept
        claude.batches.end(batch)
        batch.archived = batch.ended

    bench.on_wait = archive
    await run.finish()
    assert run.state.items[0].failure == NOT_KEPT


async def test_what_is_cancelled_can_be_asked_again(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)
    await bench.interrupted(run)
    bench.on_wait = lambda: None
    again = bench.resumed()
    await again.cancel()
    await again.finish()
    assert again.state.items[0].failure == CANCELLED
    again.state.reopen()
    claude.batches.looks = 0
    await started(again)
    await again.finish()
    assert answers_of(again.state)[0].answered


async def test_a_wrong_key_leaves_no_run_behind(bench: Bench, claude: ClaudeServer) -> None:
    run = bench.run(bench.state(KEYS), anthropic_api_key=SecretStr("bad-key"))
    await started(run)
    with pytest.raises(ClaudeRejected):
        await run.finish()
    assert claude.batches.kept == []
    assert not bench.path.exists()
    assert await bench.ledger.spent_today("local") == 0


async def test_a_batch_of_another_key_is_not_taken_for_a_failure(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)
    await bench.interrupted(run)
    claude.batches.kept.clear()
    with pytest.raises(NotFound, match="key"):
        await bench.resumed().finish()
    assert bench.resumed().state.items[0].open
