"""The purse of an answer: what is under way counts, whatever becomes of it, and nothing stays held."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from rag.claude import Usage
from rag.errors import OverBudget
from rag.purse import Purse
from rag.usage import Ledger

HAIKU = "claude-haiku-5-5"
USED = Usage(input_tokens=100, output_tokens=10)


class SlowLedger(Ledger):
    """Takes its time in the thread, as a busy disk would."""

    def _hold(self, *args: Any) -> None:
        time.sleep(0.3)
        super()._hold(*args)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "usage.sqlite")


async def answers(ledger: Ledger) -> int:
    (row,) = await ledger.sums([])
    return row.answers


async def test_attempts_at_the_same_time_cannot_together_pass_the_answer_s_limit() -> None:
    purse = Purse(most=0.10)
    done = await asyncio.gather(*(purse.begin(0.03) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in done] == [type(None)] * 3 + [OverBudget] * 2


async def test_what_an_attempt_has_cost_is_not_there_for_the_next() -> None:
    purse = Purse(most=0.10)
    await purse.begin(0.06)
    purse.ended(0.06, HAIKU, USED, 0.05)
    with pytest.raises(OverBudget, match="may be spent on it"):
        await purse.begin(0.06)
    await purse.begin(0.05)


async def test_an_attempt_that_cost_nothing_leaves_the_budget_as_it_was() -> None:
    purse = Purse(most=0.06)
    for _ in range(3):
        await purse.begin(0.06)
        purse.ended(0.06, HAIKU, Usage(), 0.0)
    assert purse.charges == ()


async def test_attempts_within_the_plan_hold_nothing_more_and_those_beyond_it_do(ledger: Ledger) -> None:
    purse = Purse("anna", day=0.10, ledger=ledger)
    await purse.hold(0.05)
    await purse.begin(0.04)
    assert await ledger.spent_today("anna") == pytest.approx(0.05)
    purse.ended(0.04, HAIKU, USED, 0.03)
    await purse.begin(0.04)
    assert await ledger.spent_today("anna") == pytest.approx(0.07)
    purse.ended(0.04, HAIKU, USED, 0.04)
    with pytest.raises(OverBudget, match="of the day's"):
        await purse.begin(0.04)
    await purse.settle(HAIKU)
    assert await ledger.spent_today("anna") == pytest.approx(0.07)


async def test_a_plan_is_for_what_is_still_to_come(ledger: Ledger) -> None:
    purse = Purse("anna", most=0.10, day=1.0, ledger=ledger)
    await purse.begin(0.02)
    purse.ended(0.02, HAIKU, USED, 0.02)
    with pytest.raises(OverBudget):
        await purse.hold(0.09)
    await purse.hold(0.08)
    assert await ledger.spent_today("anna") == pytest.approx(0.10)


@pytest.mark.parametrize("call", ["hold", "begin"])
async def test_who_leaves_while_money_is_set_aside_leaves_nothing_held(tmp_path: Path, call: str) -> None:
    ledger = SlowLedger(tmp_path / "usage.sqlite")
    purse = Purse("anna", day=1.0, ledger=ledger)
    asking = asyncio.create_task(getattr(purse, call)(0.05))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await purse.settle(None)
    assert await ledger.spent_today("anna") == 0
    assert await answers(ledger) == 0


async def test_a_settlement_is_made_though_its_asker_is_cancelled(ledger: Ledger) -> None:
    purse = Purse("anna", ledger=ledger)
    purse.book(HAIKU, USED, 0.05)
    settling = asyncio.create_task(purse.settle(HAIKU))
    await asyncio.sleep(0)
    settling.cancel()
    for _ in range(100):
        if await answers(ledger):
            break
        await asyncio.sleep(0.02)
    assert await ledger.spent_today("anna") == pytest.approx(0.05)


async def test_what_was_spent_without_an_answer_is_booked_and_counts_as_none(ledger: Ledger) -> None:
    for model in (HAIKU, None, None):
        purse = Purse("anna", ledger=ledger)
        purse.book(HAIKU, USED, 0.01)
        await purse.settle(model)
    (row,) = await ledger.sums(["model"])
    assert (row.answers, row.requests, row.usd) == (1, 3, pytest.approx(0.03))


async def test_what_never_became_an_answer_leaves_no_trace(ledger: Ledger) -> None:
    purse = Purse("anna", ledger=ledger)
    await purse.hold(0.05)
    await purse.settle(None)
    assert await ledger.sums(["model"]) == []
    assert await ledger.spent_today("anna") == 0


async def test_an_account_that_cannot_be_kept_does_not_cost_the_reader_the_answer(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "usage.sqlite").write_bytes(b"no database any more" * 100)
    await Purse("anna", ledger=ledger).settle(HAIKU)
    assert "could not be booked" in caplog.text
