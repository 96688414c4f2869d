"""How many questions the machine works on at once; one more is told at once when to come again.

Without it, every question that comes while the machine is busy makes all of them slower, until nobody gets an
answer in time. A question has its place until Claude begins to write or to read a long document, or until its
end where Claude does not: from there on it costs little here.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

from rag.errors import Overloaded

LONGEST_ADVICE = 30.0
SMOOTHING = 0.2
"""What the newest interval between two ends counts in the mean."""


class Places:
    """The places of one service; used from its event loop alone."""

    def __init__(self, most: int, each: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: places in all; `each`: those that one caller may have at a time."""
        self._most = most
        self._each = each
        self._clock = clock
        self._taken: Counter[str] = Counter()
        self._mean = 0.1
        self._last_end: float | None = None

    def take(self, key: str) -> Place:
        """A place for a question of the caller named `key`.

        Raises:
            Overloaded: all places are taken, or all that this caller may have.
        """
        total, own = self._taken.total(), self._taken[key]
        if total >= self._most or own >= self._each:
            after = min(LONGEST_ADVICE, max(1.0, total * self._mean))
            whose = "" if total >= self._most else " of this caller"
            raise Overloaded(
                f"the service is busy: {own if whose else total} questions{whose} are being worked on",
                remedy=f"ask again in {math.ceil(after)} s",
                retry_after=after,
            )
        if total == 0:
            self._last_end = self._clock()
        self._taken[key] += 1
        return Place(self, key)

    def leave(self, key: str) -> None:
        """For `Place` alone."""
        now = self._clock()
        if self._last_end is not None:
            self._mean += SMOOTHING * (now - self._last_end - self._mean)
        self._last_end = now
        self._taken[key] -= 1
        if self._taken[key] <= 0:
            del self._taken[key]


class Place:
    """One question's place; giving it up twice does no harm."""

    def __init__(self, places: Places, key: str) -> None:
        self._places: Places | None = places
        self._key = key

    def leave(self) -> None:
        if self._places is not None:
            self._places.leave(self._key)
            self._places = None

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
