"""The circuit breaker by itself: when it opens, who may try, and that nobody can leave it stuck."""

from __future__ import annotations

import asyncio

import pytest

from rag.claude.breaker import FAILURES, OPEN_SECONDS, Breaker
from rag.errors import CircuitOpen


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        with breaker.attempt("m") as attempt:
            attempt.failed()


def is_open(breaker: Breaker, model: str = "m") -> bool:
    try:
        with breaker.attempt(model):
            return False
    except CircuitOpen:
        return True


def test_failures_in_a_row_open_it_for_that_model_only(breaker: Breaker) -> None:
    fail(breaker, FAILURES - 1)
    assert not is_open(breaker)
    fail(breaker, 1)
    assert is_open(breaker)
    assert not is_open(breaker, "another")


def test_an_answer_in_between_starts_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, FAILURES - 1)
    with breaker.attempt("m") as attempt:
        attempt.answered()
    fail(breaker, FAILURES - 1)
    assert not is_open(breaker)


def test_it_says_how_long_it_stays_open(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES)
    clock.now += 12.5
    with pytest.raises(CircuitOpen, match="in 18 s") as raised, breaker.attempt("m"):
        pass
    assert raised.value.retry_after == 17.5


def test_one_request_tries_while_the_others_are_still_turned_away(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES)
    clock.now += OPEN_SECONDS
    with breaker.attempt("m") as probe:
        assert is_open(breaker)
        probe.answered()
        assert not is_open(breaker)
    assert not is_open(breaker)


def test_a_try_that_fails_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES)
    clock.now += OPEN_SECONDS
    fail(breaker, 1)
    clock.now += OPEN_SECONDS - 1
    assert is_open(breaker)


def test_the_first_word_of_a_try_lets_the_others_through_but_one_failure_opens_it(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURES)
    clock.now += OPEN_SECONDS
    with breaker.attempt("m") as probe:
        probe.alive()
        assert not is_open(breaker)
        probe.failed()
    assert is_open(breaker)


def test_what_was_sent_before_it_opened_does_not_close_it(breaker: Breaker) -> None:
    with breaker.attempt("m") as early:
        fail(breaker, FAILURES)
        early.answered()
    assert is_open(breaker)


async def test_a_try_that_is_cancelled_leaves_the_next_one_free(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES)
    clock.now += OPEN_SECONDS

    async def hang() -> None:
        with breaker.attempt("m"):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(hang())
    await asyncio.sleep(0)
    assert is_open(breaker)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_open(breaker)
