"""Contexts at once: one request a chunk, a few at a time, each kept as soon as it has come.

The first request about a document is waited for, so that the others read the document from the cache.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ingest.contexts.kept import ContextStore, Kept
from ingest.contexts.material import MAX_TOKENS, Ask, cleaned
from ingest.contexts.planning import Costs, by_part
from ingest.together import together
from rag.claude import ClaudeClient, Payer
from rag.documents import Charge
from rag.errors import (
    AnswerError,
    AnswerRefused,
    CircuitOpen,
    CiteboxError,
    ContextExceeded,
    KeyRejected,
    ModelUnknown,
    OverBudget,
    SpendCapReached,
    StoreUnavailable,
)
from rag.keys import INGEST
from rag.purse import Purse
from rag.settings import Settings
from rag.terminal import Progress
from rag.usage import Ledger

TURN = 32
"""Requests after which what was spent is booked: so much can be missing from the account after a crash."""
NOTHING_USABLE = "the model wrote nothing that can be used"

MISTAKES = (KeyRejected, ModelUnknown)
"""With these no request can succeed, until somebody mends the settings."""
_ENDS = (OverBudget, SpendCapReached, CircuitOpen)
"""After these the other requests are not made."""
_FOR_GOOD = (AnswerRefused, ContextExceeded)
"""Asked again, it would cost again and end alike."""


@dataclass(slots=True)
class Written:
    """What came of the requests: how many contexts, why the others are missing, and what was spent."""

    contexts: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    charges: list[Charge] = field(default_factory=list)

    @property
    def usd(self) -> float:
        return round(math.fsum(charge.usd or 0.0 for charge in self.charges), 8)


class Asking:
    """One run of requests, which ends early when the money is spent or Claude is out of reach."""

    def __init__(
        self, settings: Settings, store: ContextStore, ledger: Ledger, costs: Costs, written: Written
    ) -> None:
        self._settings = settings
        self._store = store
        self._ledger = ledger
        self._costs = costs
        self._written = written
        self._places = asyncio.Semaphore(settings.map_parallel)
        self._read: set[str] = set()
        """The documents that Claude has in its cache."""
        self._ended: CiteboxError | None = None
        self._under_way = 0
        self._done = 0
        self._freed = asyncio.Event()
        """Set, and replaced, whenever a request has ended."""

    async def ask(self, asked: Sequence[Ask], most: float | None, progress: Progress) -> None:
        """Ask for all of them within `most` dollars.

        Raises:
            KeyRejected, ModelUnknown: no request can succeed.
            StoreUnavailable: what comes cannot be kept; no further request is made.
        """
        ordered = [ask for group in by_part(asked) for ask in group]
        claude = ClaudeClient(self._settings)
        before, there = self._written.usd, self._written.contexts

        def tell() -> None:
            done = self._written.contexts - there + len(self._written.failures)
            progress("Writing contexts", done, len(ordered))

        try:
            for first in range(0, len(ordered), TURN):
                tell()
                left = None if most is None else max(most - (self._written.usd - before), 0.0)
                await self._turn(claude, ordered[first : first + TURN], left, tell)
                if isinstance(self._ended, MISTAKES):
                    raise self._ended
        finally:
            await claude.close()

    async def _turn(
        self, claude: ClaudeClient, turn: Sequence[Ask], left: float | None, tell: Callable[[], None]
    ) -> None:
        day = self._settings.max_usd_per_day
        purse = Purse(INGEST, most=left, day=day, ledger=self._ledger)

        async def one(ask: Ask) -> bool:
            async with self._places:
                read = await self._one(claude, ask, purse)
            tell()
            return read

        async def about(group: Sequence[Ask]) -> None:
            part, left = group[0].part, list(group)
            while left and part.digest not in self._read and self._costs.cached(part):
                if await one(left.pop(0)):
                    self._read.add(part.digest)
            await together([one(ask) for ask in left])

        try:
            await together([about(group) for group in by_part(turn)])
        finally:
            await purse.settle(None)
            self._written.charges.extend(purse.charges)

    async def _one(self, claude: ClaudeClient, ask: Ask, payer: Payer) -> bool:
        """One context on the disk, or why there is none; tells whether Claude has read the document."""
        if self._ended is not None:
            self._written.failures[ask.key] = reason_of(self._ended)
            return False
        kept: Kept | None = None
        read = False
        try:
            reply = await self._reply(claude, ask, payer)
            read = True
            kept = kept_of(ask.key, ask.document_id, reply)
        except (AnswerError, OverBudget) as error:
            self._written.failures[ask.key] = reason_of(error)
            if isinstance(error, _FOR_GOOD):
                kept = Kept(ask.key, ask.document_id, failure=reason_of(error))
            if isinstance(error, (*MISTAKES, *_ENDS)):
                self._ended = self._ended or error
        if kept is None:
            return read
        try:
            await asyncio.to_thread(self._store.put, (kept,))
        except StoreUnavailable as error:
            self._ended = self._ended or error
            raise
        if kept.failure is None:
            self._written.contexts += 1
        else:
            self._written.failures[ask.key] = kept.failure
        return read

    async def _reply(self, claude: ClaudeClient, ask: Ask, payer: Payer) -> str:
        """What Claude writes. Money that others only set aside is waited for: at worst they need it all.

        Raises:
            AnswerError: there is no reply.
            OverBudget: there is none, and no request is under way that could leave some of its money.
        """
        settings = self._settings
        while True:
            done, waits = self._done, False
            self._under_way += 1
            try:
                return await claude.write(
                    settings.fast_model,
                    ask.asked,
                    max_tokens=MAX_TOKENS,
                    deadline=settings.synthesis_deadline,
                    payer=payer,
                )
            except OverBudget:
                if self._under_way == 1 and self._done == done:
                    raise
                waits = True
            finally:
                self._under_way -= 1
                if not waits:  # else each that waits would wake the others
                    self._done += 1
                    self._freed.set()
                    self._freed = asyncio.Event()
            if self._done == done:
                await self._freed.wait()
            if self._ended is not None:
                raise self._ended


def kept_of(key: str, document_id: str, reply: str) -> Kept:
    """A reply as it is kept: as a context, or as one that is of no use."""
    context = cleaned(reply)
    return Kept(key, document_id, context, None if context else NOTHING_USABLE)


def reason_of(error: CiteboxError) -> str:
    """Why there is no context, in words that fit behind the name of a document."""
    if isinstance(error, OverBudget):
        return f"the budget is spent: {error.detail}"
    return error.detail
