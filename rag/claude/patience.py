"""How long one request may take, its retries included, and how long to wait before each of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from rag.claude.failures import Failed
from rag.errors import AnswerCutOff, ClaudeUnavailable, RateLimited

T = TypeVar("T")

MOST_RETRIES = 2
"""As many as the SDK makes by itself: whoever waits is better served by another way to answer."""
MOST_BLIND_RETRIES = 1
"""Of a 429 that does not say when to come again: it may be a limit that no waiting cures."""
LONGER = "ask again, or raise RAG_ANSWER_DEADLINE and RAG_SYNTHESIS_DEADLINE"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits `first` seconds before the first retry, twice that before the next, up to `longest`.

    Of each wait a random half is left out, so that clients who failed together do not come back together.
    """

    first: float = 0.5
    longest: float = 8.0
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def delay(self, retry: int) -> float:
        """Seconds before the retry of this number, from 0."""
        return min(self.longest, self.first * 2.0**retry) * (1.0 - self.chance() / 2.0)


class Patience:
    """The time that is left for one request. A reader who takes the answer slowly uses up none of it."""

    def __init__(self, deadline: float, silence: float, backoff: Backoff) -> None:
        self._deadline = deadline
        self._left = deadline
        self._silence = silence
        self._backoff = backoff
        self._retries = 0
        self._blind_retries = 0

    async def heard(self, word: Awaitable[T], *, begun: bool) -> T:
        """The next word from Claude; `begun` says that the model has begun to write or think.

        Raises:
            Failed: with ClaudeUnavailable after too long a silence, and at the deadline too unless the
                model had begun: then the answer is cut off.
        """
        limit = min(self._silence, self._left)
        started = time.monotonic()
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                return await word
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise self._too_long(silent=limit == self._silence, begun=begun) from error
        finally:
            self._left -= time.monotonic() - started

    async def pause(self, failed: Failed) -> bool:
        """Wait until it is time for another attempt; False when there must be none."""
        delay = self._delay(failed)
        if delay is None:
            return False
        self._retries += 1
        self._blind_retries += _is_blind(failed)
        self._left -= delay
        await self._backoff.sleep(delay)
        return True

    def _delay(self, failed: Failed) -> float | None:
        if not failed.retry or self._retries >= MOST_RETRIES:
            return None
        if _is_blind(failed) and self._blind_retries >= MOST_BLIND_RETRIES:
            return None
        delay = failed.retry_after or self._backoff.delay(self._retries)
        return delay if delay < self._left else None

    def _too_long(self, *, silent: bool, begun: bool) -> Failed:
        if silent:
            # Not tried again: much of the time is gone, and the other model is the better use of the rest.
            error = ClaudeUnavailable(
                f"Claude was silent for more than {self._silence:g} s",
                remedy="ask again, or raise RAG_CLAUDE_TIMEOUT",
            )
            return Failed(error, unavailable=True)
        after = f"{round(self._deadline, 1):g} s"
        if begun:
            return Failed(AnswerCutOff(f"the answer was not whole after {after}", remedy=LONGER))
        return Failed(
            ClaudeUnavailable(f"Claude did not answer within {after}", remedy=LONGER), unavailable=True
        )


def _is_blind(failed: Failed) -> bool:
    return isinstance(failed.error, RateLimited) and failed.retry_after is None
