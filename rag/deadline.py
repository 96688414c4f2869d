"""The one end of an answer, however many steps it takes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Deadline:
    """So many seconds from now; what a reader needs to take what is there does not count."""

    def __init__(self, seconds: float = math.inf) -> None:
        self._began = time.monotonic()
        self._seconds = seconds

    @property
    def left(self) -> float:
        """Seconds until the end; below zero after it."""
        return self._began + self._seconds - time.monotonic()

    def share(self, part: float) -> Share:
        """The first part of what is left, for one step; the rest is for those after it."""
        left = self.left
        return Share(self, left * (1.0 - part) if math.isfinite(left) else 0.0)

    def allow(self, seconds: float) -> None:
        """Let the whole take so long, counted from its beginning."""
        self._seconds = seconds

    @contextmanager
    def stopped(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._began += time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the time of an answer: it stands still whenever the whole does."""

    whole: Deadline
    rest: float

    @property
    def left(self) -> float:
        return self.whole.left - self.rest
