"""What one answer may spend and has spent: asked before each attempt at Claude, told how it has ended."""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field

from rag.claude import Usage
from rag.documents import Charge
from rag.errors import CiteboxError, OverBudget
from rag.usage import TOLERANCE, Ledger, dollars

log = logging.getLogger(__name__)

_bookings: set[asyncio.Task[None]] = set()
"""Kept alive here: whoever began them may be gone."""


@dataclass(slots=True)
class Purse:
    """The account of one answer, under the request's own limit and what the day leaves to its key.

    What is committed at any time, spent or set aside for attempts under way, never passes either. A ledger
    of None keeps no account beyond the answer, as for tests of a part.
    """

    key: str = "local"
    most: float | None = None
    day: float | None = None
    ledger: Ledger | None = None
    _answer: str = field(default_factory=lambda: uuid.uuid4().hex)
    _charges: dict[str, Charge] = field(default_factory=dict)
    _open: list[float] = field(default_factory=list)
    _planned: float = 0.0
    _held: float | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def charges(self) -> tuple[Charge, ...]:
        """What was spent until now, a charge for each model."""
        return tuple(self._charges.values())

    async def hold(self, usd: float | None) -> None:
        """Set aside what is still to be spent at worst, in place of what was planned before.

        Raises:
            OverBudget: with what is spent, that is more than this answer or the key may spend.
        """
        planned = self._committed() + known(usd, limited=self._limited)
        self._check(planned)
        await _to_its_end(self._set_aside(planned))
        self._planned = planned

    async def begin(self, worst: float | None) -> None:
        """Set aside what an attempt costs at worst, as far as it is not covered by what was planned.

        Raises:
            OverBudget: as `hold`; the attempt must not be made.
        """
        usd = known(worst, limited=self._limited)
        self._check(self._committed() + usd)
        self._open.append(usd)
        try:
            await _to_its_end(self._set_aside(self._planned))
        except BaseException:
            self._open.remove(usd)
            raise

    def ended(self, worst: float | None, model: str, usage: Usage, usd: float | None) -> None:
        """Free what `begin` set aside, and book what the attempt has cost, if it cost anything."""
        self._open.remove(worst or 0.0)
        if usage.prompt_tokens:
            self.book(model, usage, usd)

    def book(self, model: str, usage: Usage, usd: float | None) -> None:
        """Add what one request has cost; dollars are None for a model of unknown price."""
        before = self._charges.get(model, Charge(model=model, requests=0))
        self._charges[model] = Charge(
            model=model,
            requests=before.requests + 1,
            input_tokens=before.input_tokens + usage.input_tokens,
            cache_read_tokens=before.cache_read_tokens + usage.cache_read_tokens,
            cache_write_tokens=before.cache_write_tokens + usage.cache_write_tokens,
            output_tokens=before.output_tokens + usage.output_tokens,
            usd=None if usd is None or before.usd is None else round(before.usd + usd, 8),
        )

    async def settle(self, model: str | None) -> None:
        """Put what was spent on the key's account and release the rest; an account that fails is logged.

        `model` is what gave the answer, which is counted also where it cost nothing; None where there is
        no answer.
        """
        if self.ledger is not None:
            await _to_its_end(self._settle(self.ledger, model))

    @property
    def _limited(self) -> bool:
        return self.most is not None or self.day is not None

    def _committed(self) -> float:
        return math.fsum([*(one.usd or 0.0 for one in self._charges.values()), *self._open])

    def _check(self, usd: float) -> None:
        if self.most is not None and usd > self.most + TOLERANCE:
            raise OverBudget(
                f"the answer may cost {dollars(usd)}, and {dollars(self.most)} may be spent on it",
                remedy="raise max_usd, or ask with mode fast",
            )

    async def _set_aside(self, planned: float) -> None:
        if self.ledger is None or self.day is None:  # what is held matters to the day's limit alone
            return
        async with self._turn:
            usd = max(planned, self._committed())
            if usd != self._held:
                await self.ledger.hold(self._answer, self.key, usd, self.day)
                self._held = usd

    async def _settle(self, ledger: Ledger, model: str | None) -> None:
        async with self._turn:
            charges = self.charges
            if not charges and model is not None:
                charges = (Charge(model=model, requests=0),)
            if not charges and self._held is None:
                return
            try:
                await ledger.settle(self._answer, self.key, charges, answered=model is not None)
            except CiteboxError as error:
                log.error("what an answer cost could not be booked: %s", error)


def known(usd: float | None, *, limited: bool) -> float:
    """Dollars to set aside; none for a model of unknown price.

    Raises:
        OverBudget: the price is not known and there is a limit.
    """
    if usd is None and limited:
        raise OverBudget(
            "the price of the model is not known, so no budget can be kept",
            remedy="name the model's price in RAG_PRICES_FILE",
        )
    return usd or 0.0


async def _to_its_end(booking: Coroutine[None, None, None]) -> None:
    """Let a booking run to its end, also when whoever waits for it is cancelled.

    Its thread could not be stopped, and what it then wrote would stand after the answer was settled.
    """
    task = asyncio.create_task(booking)
    _bookings.add(task)
    task.add_done_callback(_bookings.discard)
    await asyncio.shield(task)
