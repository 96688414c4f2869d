"""The account: nobody spends more than the day allows, also not in many requests at once."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from rag.claude import Usage
from rag.documents import Charge
from rag.errors import OverBudget, StoreUnavailable
from rag.purse import Purse
from rag.usage import HOLD_SECONDS, Ledger

NOON = 1_780_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    return Ledger(tmp_path / "state" / "usage.sqlite", clock)


HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
USED = Usage(input_tokens=100, output_tokens=10)


async def answered(purse: Purse, usd: float, model: str = HAIKU) -> None:
    purse.book(model, USED, usd)
    await purse.settle(model)


async def test_requests_at_the_same_time_cannot_together_pass_the_day_s_budget(ledger: Ledger) -> None:
    purses = [Purse("intranet", day=0.10, ledger=ledger) for _ in range(10)]
    done = await asyncio.gather(*(purse.hold(0.03) for purse in purses), return_exceptions=True)
    assert sum(result is None for result in done) == 3
    assert all(result is None or isinstance(result, OverBudget) for result in done)


async def test_what_was_set_aside_and_not_spent_is_free_again(ledger: Ledger) -> None:
    first, second = (Purse("intranet", day=0.10, ledger=ledger) for _ in range(2))
    await first.hold(0.08)
    await answered(first, 0.01)
    await second.hold(0.08)
    assert await ledger.spent_today("intranet") == pytest.approx(0.09)


async def test_a_second_hold_of_one_answer_replaces_its_first(ledger: Ledger) -> None:
    purse = Purse("intranet", day=0.10, ledger=ledger)
    await purse.hold(0.06)
    await purse.hold(0.07)
    assert await ledger.spent_today("intranet") == pytest.approx(0.07)


async def test_a_new_day_brings_a_new_budget(ledger: Ledger, clock: Clock) -> None:
    spent = Purse("intranet", day=0.10, ledger=ledger)
    await spent.hold(0.10)
    await answered(spent, 0.10)
    with pytest.raises(OverBudget, match=r"\$0\.0000 are left"):
        await Purse("intranet", day=0.10, ledger=ledger).hold(0.01)
    await Purse("another key", day=0.10, ledger=ledger).hold(0.01)
    clock.now += 86_400
    await Purse("intranet", day=0.10, ledger=ledger).hold(0.01)


async def test_what_a_dead_process_had_set_aside_does_not_count_for_ever(
    ledger: Ledger, clock: Clock
) -> None:
    await Purse("intranet", day=0.10, ledger=ledger).hold(0.10)
    clock.now += HOLD_SECONDS + 1
    await Purse("intranet", day=0.10, ledger=ledger).hold(0.10)


async def test_a_hold_lasts_for_as_long_as_it_was_made_for(ledger: Ledger, clock: Clock) -> None:
    await ledger.hold("a batch", "intranet", 0.10, None, seconds=9 * HOLD_SECONDS)
    clock.now += 8 * HOLD_SECONDS
    with pytest.raises(OverBudget):
        await Purse("intranet", day=0.10, ledger=ledger).hold(0.01)
    clock.now += 2 * HOLD_SECONDS
    assert await ledger.spent_today("intranet") == 0


async def test_what_is_settled_again_is_booked_once_and_what_came_to_no_answer_each_time(
    ledger: Ledger,
) -> None:
    haiku, sonnet = (Charge(model=model, requests=1, usd=0.01) for model in (HAIKU, SONNET))
    await ledger.settle("one", "a", [haiku])
    await ledger.settle("one", "a", [haiku, sonnet])
    await ledger.settle("two", "a", [haiku])
    assert {row.model: row.requests for row in await ledger.sums(["model"])} == {HAIKU: 2, SONNET: 1}
    for _ in range(2):
        await ledger.settle("three", "a", [sonnet], answered=False)
    assert {row.model: row.requests for row in await ledger.sums(["model"])} == {HAIKU: 2, SONNET: 3}


async def test_one_answer_has_a_limit_of_its_own(ledger: Ledger) -> None:
    purse = Purse("intranet", most=0.01, ledger=ledger)
    with pytest.raises(OverBudget, match="may be spent on it"):
        await purse.hold(0.02)
    await purse.hold(0.01)


async def test_a_model_without_a_price_is_not_asked_under_a_budget() -> None:
    await Purse().hold(None)
    with pytest.raises(OverBudget, match="price"):
        await Purse(most=1.0).hold(None)


async def test_usage_sums_by_key_day_and_model(ledger: Ledger, clock: Clock) -> None:
    for key, usd, model in [
        ("a", 0.01, HAIKU),
        ("a", 0.20, SONNET),
        ("b", 0.02, HAIKU),
    ]:
        await answered(Purse(key, ledger=ledger), usd, model)
    clock.now += 86_400
    await answered(Purse("a", ledger=ledger), 0.04)
    await Purse("a", ledger=ledger).settle("extractive")
    (total,) = await ledger.sums([])
    assert (total.answers, total.requests, total.usd) == (5, 4, pytest.approx(0.27))
    by_model = {row.model: row.usd for row in await ledger.sums(["model"])}
    assert by_model == {
        "claude-haiku-5-5": pytest.approx(0.07),
        "claude-sonnet-5-5": pytest.approx(0.20),
        "extractive": 0,
    }
    own = await ledger.sums(["day"], key="a")
    assert [row.usd for row in own] == [pytest.approx(0.21), pytest.approx(0.04)]
    assert own[0].day is not None
    later = await ledger.sums(["key"], since=date.fromordinal(own[0].day.toordinal() + 1))
    assert [(row.key, row.answers) for row in later] == [("a", 2)]


def test_the_account_is_for_its_owner_alone(ledger: Ledger, tmp_path: Path) -> None:
    assert (tmp_path / "state" / "usage.sqlite").stat().st_mode & 0o077 == 0


def test_an_account_that_cannot_be_kept_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="RAG_DATA_DIR"):
        Ledger(tmp_path / "file" / "usage.sqlite")
