"""How fast those may ask whom nobody knows: a token bucket for each origin, and one for those without any.

In memory, of one process. `questions` cost money and seconds; all else, such as searches while someone types,
has a bucket of its own, so that typing never uses up what asking needs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from rag.errors import TooFast

OTHERS = 10
"""Other requests for each question."""


@dataclass(slots=True)
class Bucket:
    """Holds as much as flows in within a minute; full at first."""

    per_minute: int
    level: float
    at: float

    def take(self, now: float) -> float:
        """Take one; returns 0, or the seconds until there is one to take."""
        flow = self.per_minute / 60
        self.level = min(float(self.per_minute), self.level + (now - self.at) * flow)
        self.at = now
        if self.level < 1:
            return (1 - self.level) / flow
        self.level -= 1
        return 0.0


class Rates:
    """Used from the event loop alone; as many buckets as there are allowed origins, twice, and two."""

    def __init__(self, questions_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._questions = questions_per_minute
        self._clock = clock
        self._buckets: dict[tuple[str, bool], Bucket] = {}

    def count(self, name: str, *, question: bool) -> None:
        """Count a request.

        Raises:
            TooFast: there were too many in the last minute.
        """
        now = self._clock()
        most = self._questions if question else self._questions * OTHERS
        bucket = self._buckets.setdefault((name, question), Bucket(most, most, now))
        if after := bucket.take(now):
            what = "questions" if question else "requests"
            raise TooFast(
                f"more than {most} {what} a minute came from here",
                remedy=f"ask again in {math.ceil(after)} s",
                retry_after=after,
            )
