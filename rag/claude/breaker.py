"""A circuit breaker for each model: an API that is down is not waited for again and again.

https://martinfowler.com/bliki/CircuitBreaker.html
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rag.errors import CircuitOpen

FAILURES = 5
"""Failures in a row after which a model is not asked."""
OPEN_SECONDS = 30.0


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float | None = None
    probe: Attempt | None = None


class Attempt:
    """One request, which tells what it learns of the API's health; one that tells nothing changes nothing."""

    def __init__(self, circuit: _Circuit, clock: Callable[[], float]) -> None:
        self._circuit = circuit
        self._clock = clock

    def alive(self) -> None:
        """The model has begun to write: others need not wait for the end of a long answer.

        One more failure opens the circuit again.
        """
        if self._counts and self._circuit.open_until is not None:
            self._close(FAILURES - 1)

    def answered(self) -> None:
        """The API answered, be it by refusing the request."""
        if self._counts:
            self._close(0)

    def failed(self) -> None:
        """The API was not there."""
        if not self._counts:
            return
        self._circuit.failures += 1
        if self._circuit.failures >= FAILURES:
            self._circuit.open_until = self._clock() + OPEN_SECONDS
            self._circuit.probe = None

    @property
    def _counts(self) -> bool:
        """What was sent before the circuit opened says nothing about the API of now."""
        return self._circuit.open_until is None or self._circuit.probe is self

    def _close(self, failures: int) -> None:
        self._circuit.failures = failures
        self._circuit.open_until = self._circuit.probe = None


class Breaker:
    """Opens after FAILURES failures in a row, for OPEN_SECONDS; then one request tries, and decides.

    For one event loop. `clock` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._circuits: dict[str, _Circuit] = {}

    @contextmanager
    def attempt(self, model: str) -> Iterator[Attempt]:
        """One request to `model`. However it ends, cancelled too, it never keeps the next one from trying.

        Raises:
            CircuitOpen: the model is not asked now; says for how long.
        """
        circuit = self._circuits.setdefault(model, _Circuit())
        attempt = Attempt(circuit, self._clock)
        if circuit.open_until is not None:
            left = circuit.open_until - self._clock()
            if left > 0:
                raise _open(f"it is asked again in {math.ceil(left)} s", left)
            if circuit.probe is not None:
                raise _open("one request is trying it right now")
            circuit.probe = attempt
        try:
            yield attempt
        finally:
            if circuit.probe is attempt:
                circuit.probe = None


def _open(when: str, left: float | None = None) -> CircuitOpen:
    detail = f"Claude failed several times in a row and is left alone for a while: {when}"
    return CircuitOpen(detail, retry_after=left)
