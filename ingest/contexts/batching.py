"""Contexts by message batches, at half price: sent, waited for, collected; resumed after any interruption.

A batch is on the disk before it is asked for, and forgotten in the same step that keeps what it brought. So a
run that was killed pays nothing twice: the next one finds the batch, waits for it and goes on.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Literal

from ingest.contexts.asking import MISTAKES, Written, kept_of, reason_of
from ingest.contexts.kept import ContextStore, Kept, Sent
from ingest.contexts.material import MAX_TOKENS, Ask
from ingest.contexts.planning import Costs, by_part
from rag.bulk.finding import Pace, find, newest
from rag.bulk.requests import split
from rag.bulk.run import HOLD_SECONDS, NOT_KEPT, PATIENCE
from rag.bulk.state import Part as Batch
from rag.claude.batches import BatchClient, BatchRequest, Reply
from rag.errors import ClaudeRejected, ClaudeUnavailable, NotFound, OverBudget
from rag.keys import INGEST
from rag.purse import Purse, known
from rag.settings import Settings
from rag.terminal import Progress
from rag.usage import TOLERANCE, Ledger, dollars

LARGEST_BYTES = 64_000_000
"""Of one batch: each request carries its document, and all of it is in memory while it is sent."""
KEPT_DAYS = 29
"""Claude keeps the results of a batch for so long."""
GOES_ON = "run the same command again: it goes on, and fetches the batch that was sent"


class Batching:
    """The batches of a run, those that an earlier one has left behind included."""

    def __init__(
        self,
        settings: Settings,
        store: ContextStore,
        ledger: Ledger,
        costs: Costs,
        pace: Pace,
        progress: Progress,
        written: Written,
    ) -> None:
        self._settings = settings
        self._store = store
        self._ledger = ledger
        self._costs = costs
        self._pace = pace
        self._progress = progress
        self._written = written
        self._claude = BatchClient(settings)

    async def close(self) -> None:
        await self._claude.close()

    async def resume(self, unfinished: Literal["wait", "leave", "cancel"]) -> None:
        """Collect what earlier runs have sent: all of it, what has ended, or what Claude has written by now.

        Raises:
            ClaudeUnavailable, ClaudeRejected, NotFound: it cannot be collected now.
        """
        going: list[Sent] = []
        for sent in await asyncio.to_thread(self._store.sent):
            if unfinished == "leave" and sent.batch.id is None:
                continue
            found = await self._found(sent)
            if found is None:
                continue
            batch = await self._claude.retrieve(str(found.batch.id))
            if unfinished == "leave" and not batch.ended:
                continue
            if unfinished == "cancel" and not batch.ended:
                await self._claude.cancel(batch.id)
            going.append(found)
        await self._collect(going)
        # What these lack is asked for again, and is no failure of this run.
        self._written.failures.clear()

    async def ask(self, asked: Sequence[Ask], most: float | None) -> None:
        """Send as many as `most` dollars allow at worst, and wait for them.

        Raises:
            KeyRejected, ModelUnknown: no request can succeed.
            ClaudeUnavailable: what was sent cannot be collected now.
        """
        ordered = self._affordable([ask for group in by_part(asked) for ask in group], most)
        sizes = await asyncio.to_thread(self._sizes, ordered)
        going: list[Sent] = []
        groups = split(sizes, largest=LARGEST_BYTES)
        for done, group in enumerate(groups):
            self._progress("Sending", done, len(groups))
            members = [ordered[n] for n in group]
            sent = await self._send(members)
            if sent is not None:
                going.append(sent)
        await self._collect(going)

    def _affordable(self, asked: Sequence[Ask], most: float | None) -> list[Ask]:
        if most is None:
            return list(asked)
        chosen, planned = [], 0.0
        for ask in asked:
            usd = known(self._costs.most(ask), limited=True)
            if planned + usd > most + TOLERANCE:
                self._written.failures[ask.key] = f"the others may cost the {dollars(most)} of --max-usd"
                continue
            planned += usd
            chosen.append(ask)
        return chosen

    def _sizes(self, asked: Sequence[Ask]) -> list[int]:
        """Bytes of each request on its way. The document, which is nearly all of it, is measured once."""
        around: dict[str, int] = {}
        sizes: list[int] = []
        for ask in asked:
            own = len(json.dumps(ask.question, ensure_ascii=False).encode())
            digest = ask.part.digest
            if digest not in around:
                around[digest] = self._claude.size(self._request("0" * 24, ask)) - own
            sizes.append(around[digest] + own)
        return sizes

    # ------------------------------------------------------------ sending

    async def _send(self, members: Sequence[Ask]) -> Sent | None:
        """Create a batch of these; None when there is none, or it is not known."""
        batch = Batch(members=list(range(len(members))))
        wanted = tuple((ask.key, ask.document_id) for ask in members)
        sent = Sent(batch, self._settings.fast_model, wanted)
        try:
            await self._hold(members, batch)
            batch.newest_before = await newest(self._claude)
            batch.asked_at = self._pace.clock()
            await asyncio.to_thread(self._store.send, sent)
            requests = [self._request(batch.custom_id(n), ask) for n, ask in enumerate(members)]
            batch.id = (await self._claude.create(requests)).id
        except (ClaudeRejected, OverBudget) as error:
            await self._forget(sent, reason_of(error))
            if isinstance(error, MISTAKES):
                raise
            return None
        except ClaudeUnavailable as error:
            if batch.asked_at is None:
                await self._forget(sent, reason_of(error))
            else:  # It may exist: the next run looks for it.
                self._fail(sent, f"{reason_of(error)}; the same command goes on with it")
            return None
        await asyncio.to_thread(self._store.send, sent)
        return sent

    async def _hold(self, members: Sequence[Ask], batch: Batch) -> None:
        """Set aside what a batch costs at worst, for as long as Claude may take.

        Raises:
            OverBudget: the day's budget does not allow it.
        """
        limit = self._settings.max_usd_per_day
        worst = [known(self._costs.most(ask), limited=limit is not None) for ask in members]
        await self._ledger.hold(_account(batch), INGEST, sum(worst), limit, HOLD_SECONDS)

    def _request(self, custom_id: str, ask: Ask) -> BatchRequest:
        return BatchRequest(custom_id, self._settings.fast_model, ask.asked, MAX_TOKENS, self._costs.keep)

    async def _found(self, sent: Sent) -> Sent | None:
        """A batch of an earlier run with its id; None when it was never created, or is lost for good."""
        batch = sent.batch
        try:
            if batch.id is not None:
                await self._claude.retrieve(batch.id)
                return sent
        except NotFound:
            if time.time() - (batch.asked_at or 0.0) < KEPT_DAYS * 86_400:
                raise
            await self._forget(sent, NOT_KEPT)
            return None
        others = {other.batch.id for other in await asyncio.to_thread(self._store.sent)}
        words = "Looking for the batch of an interrupted run"
        batch.id = await find(batch, others, self._claude, self._pace, lambda: self._progress(words, 0, 1))
        if batch.id is None:
            await self._forget(sent, "")
            return None
        await asyncio.to_thread(self._store.send, sent)
        return sent

    # ------------------------------------------------------------ collecting

    async def _collect(self, going: Sequence[Sent]) -> None:
        """Wait for batches and keep what they bring.

        Raises:
            ClaudeUnavailable: it was out of reach for too long. The batches go on, and nothing is forgotten.
        """
        left, misses = list(going), 0
        while left:
            self._progress("Waiting for Claude", len(going) - len(left), len(going))
            missed: ClaudeUnavailable | None = None
            heard = False
            for sent in list(left):
                try:
                    batch = await self._claude.retrieve(str(sent.batch.id))
                    if batch.ended:
                        await self._take(sent, results=batch.results)
                        left.remove(sent)
                    heard = True
                except ClaudeUnavailable as error:
                    missed = error
            misses = 0 if heard else misses + 1
            if missed is not None and misses > PATIENCE:
                raise ClaudeUnavailable(missed.detail, remedy=GOES_ON) from missed
            if left:
                await self._pace.wait(self._pace.poll)

    async def _take(self, sent: Sent, *, results: bool) -> None:
        """Keep what a batch has brought and book what it has cost."""
        batch = sent.batch
        if not results:
            await self._forget(sent, NOT_KEPT)
            return
        places = {batch.custom_id(n): pair for n, pair in enumerate(sent.wanted)}
        replies: dict[str, Reply] = {}
        async with aclosing(self._claude.results(str(batch.id))) as lines:
            async for reply in lines:
                replies[reply.custom_id] = reply
        if not places.keys() <= replies.keys():
            raise ClaudeUnavailable("the results of the batch came incomplete")
        purse = Purse(INGEST)
        kept: list[Kept] = []
        for custom_id, (key, document_id) in places.items():
            reply = replies[custom_id]
            if reply.usage is None:
                self._written.failures[key] = reply.failure or NOT_KEPT
                continue
            purse.book(sent.model, reply.usage, self._claude.cost(sent.model, reply.usage))
            if reply.failure is not None:
                kept.append(Kept(key, document_id, failure=reply.failure))
            else:
                kept.append(kept_of(key, document_id, "".join(one.text for one in reply.sections)))
        # Booked first, under a name of its own: whoever is interrupted here books nothing twice.
        await self._ledger.settle(_account(batch), INGEST, purse.charges)
        await asyncio.to_thread(self._store.collected, batch, kept)
        self._written.charges.extend(purse.charges)
        self._written.contexts += sum(one.failure is None for one in kept)
        self._written.failures |= {one.key: one.failure for one in kept if one.failure is not None}

    async def _forget(self, sent: Sent, reason: str) -> None:
        await self._ledger.settle(_account(sent.batch), INGEST, ())
        await asyncio.to_thread(self._store.collected, sent.batch)
        self._fail(sent, reason)

    def _fail(self, sent: Sent, reason: str) -> None:
        self._written.failures |= {key: reason for key, _ in sent.wanted}


def _account(batch: Batch) -> str:
    return f"contexts-{batch.key}"
