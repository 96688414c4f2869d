"""A run of many questions, from the file to the answers; whatever ends it, it goes on from there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from rag.bulk.answers import draft_of, written
from rag.bulk.evidence import Shelf, Versions
from rag.bulk.finding import Pace, find, newest
from rag.bulk.requests import Cost, cost_of, request_of, split
from rag.bulk.state import Item, Part, State, save_state
from rag.claude.batches import Batch, BatchClient, BatchRequest, Reply
from rag.errors import ClaudeRejected, ClaudeUnavailable, OverBudget
from rag.keys import Caller
from rag.purse import known
from rag.routing import Mode
from rag.support import SupportChecker
from rag.usage import HOLD_SECONDS as UNSENT_HOLD_SECONDS
from rag.usage import Ledger

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""

PATIENCE = 20
"""Looks in a row that may find Claude out of reach before the run is given up."""
CHANGED = "the document changed; ask again"
CANCELLED = "it was cancelled"
NOT_KEPT = "Claude no longer keeps the results of its batch; ask again"
HOLD_SECONDS = 25 * 3600.0
"""Money stays set aside for what was sent: within 24 hours Claude answers a batch, and bills it, or never."""
_FRAME = 64
"""Bytes around a request in its batch."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a run would send, and what that costs."""

    requests: int
    batches: int
    cost: Cost


class Run:
    """One run and its state on the disk.

    `prepare`, then `agree` once the cost is accepted, then `finish`. A run that was agreed to may end at
    any moment: another one with the same state goes on with `finish`.
    """

    def __init__(
        self,
        state: State,
        path: Path,
        shelf: Shelf,
        claude: BatchClient,
        checker: SupportChecker,
        ledger: Ledger,
        caller: Caller,
        pace: Pace,
        progress: Progress,
    ) -> None:
        self.state = state
        self._path = path
        self._shelf = shelf
        self._claude = claude
        self._checker = checker
        self._ledger = ledger
        self._caller = caller
        self._pace = pace
        self._progress = progress

    async def prepare(self, mode: Mode) -> Quote:
        """Find the evidence of every open question that is in no batch. Nothing is sent or kept yet.

        A question that needs no model is answered at once: not found, or asked back.
        """
        sent = {member for part in self.state.under_way for member in part.members}
        todo = [n for n, item in enumerate(self.state.items) if item.open and n not in sent]
        ready, sizes, cost = [], [], Cost()
        for done, n in enumerate(todo):
            self._progress("Finding evidence", done, len(todo))
            chosen = await self._choose(self.state.items[n], mode)
            if chosen is None:
                continue
            request, price = chosen
            ready.append(n)
            sizes.append(self._claude.size(request) + _FRAME)
            cost += price
        parts = [Part(members=[ready[i] for i in group]) for group in split(sizes)]
        self.state.parts.extend(parts)
        return Quote(len(ready), len(parts), cost)

    async def _choose(self, item: Item, mode: Mode) -> tuple[BatchRequest, Cost] | None:
        """The request for an item by the best way that may be paid for; None when it needs or gets none."""
        settings = self._shelf.settings
        over = None
        async with aclosing(self._shelf.ways(item.question, item.filters, mode)) as ways:
            async for prepared, given in ways:
                if not given:
                    draft = draft_of(item, prepared)
                    item.answer = draft.ask_back(prepared.back) if prepared.back else draft.not_found()
                    return None
                request = request_of(item.id, item, prepared, given, settings)
                price = cost_of(request, given, self._claude)
                if (why := _too_dear(price, settings.max_usd_per_request)) is None:
                    if over is not None:
                        prepared.notice = f"Over budget: {over}."
                    prepared.most_usd = price.most
                    item.prepared = prepared
                    return request, price
                over = why
                if settings.over_budget == "refuse":
                    break
        item.failure = over
        return None

    async def agree(self, quote: Quote) -> None:
        """Set aside what may be spent, with what is under way, and keep the run.

        Raises:
            OverBudget: the day's budget does not allow it, or it is not known what it costs.
        """
        if quote.requests:
            limit = self._caller.max_usd_per_day
            known(quote.cost.most, limited=limit is not None)
            await self._set_aside(limit)
        elif self.state.under_way:
            await self._set_aside(None)
        self._save()

    async def finish(self) -> None:
        """Send what is not sent, wait, and collect.

        Raises:
            ClaudeUnavailable, ClaudeRejected, NotFound: the run ends here and can be gone on with.
        """
        for done, part in enumerate(waiting := self.state.under_way):
            self._progress("Sending", done, len(waiting))
            if part.id is None:
                await self._send(part)
        await self._collect()
        await self._ledger.settle(self.state.hold, self._caller.name, ())

    async def cancel(self) -> None:
        """Have Claude stop with what is under way. What it has answered by then, `finish` collects."""
        for part in self.state.under_way:
            if part.id is None and part.asked_at is not None:
                part.id = await self._find(part)
            if part.id is None:
                self._drop(part, CANCELLED)
            elif not (await self._claude.retrieve(part.id)).ended:
                await self._claude.cancel(part.id)
            self._save()

    async def _set_aside(self, limit: float | None) -> None:
        """Hold the money for all that is open, for as long as Claude may take to it."""
        seconds = HOLD_SECONDS if self.state.begun else UNSENT_HOLD_SECONDS
        await self._ledger.hold(self.state.hold, self._caller.name, self.state.open_usd, limit, seconds)

    # ------------------------------------------------------------ sending

    async def _send(self, part: Part) -> None:
        """Create the batch of a part, unless an earlier run has: nothing is asked twice."""
        if part.asked_at is not None:
            part.id = await self._find(part)
            if part.id is not None:
                self._save()
                return
        requests = await self._requests(part)
        if not requests:
            part.collected = True
            self._save()
            return
        try:
            part.newest_before = await newest(self._claude)
            part.asked_at = self._pace.clock()
            self._save()
            # What an earlier run had set aside may have been forgotten since, and be spent.
            await self._set_aside(self._caller.max_usd_per_day)
            part.id = (await self._claude.create(requests)).id
        except OverBudget as error:
            part.asked_at = None
            self._drop(part, error.detail)
        except ClaudeRejected as error:
            part.asked_at = None
            if not self.state.begun:
                self._path.unlink(missing_ok=True)
                await self._ledger.settle(self.state.hold, self._caller.name, ())
                raise
            self._drop(part, error.detail)
        self._save()

    async def _requests(self, part: Part) -> list[BatchRequest]:
        """The requests of a part. Those whose documents have changed since fail, and leave it."""
        live = await self._shelf.versions()
        requests = []
        for n in part.members:
            item = self.state.items[n]
            assert item.prepared is not None
            restored = await self._shelf.restore(item.prepared.passages, live)
            given = [one for one in restored if one is not None]
            if len(given) < len(restored):
                _fail(item, CHANGED)
                continue
            id = part.custom_id(n)
            requests.append(request_of(id, item, item.prepared, given, self._shelf.settings))
        part.members = [n for n in part.members if self.state.items[n].open]
        return requests

    async def _find(self, part: Part) -> str | None:
        others = {other.id for other in self.state.parts}
        words = "Looking for the batch of an interrupted run"
        return await find(part, others, self._claude, self._pace, lambda: self._progress(words, 0, 1))

    # ------------------------------------------------------------ collecting

    async def _collect(self) -> None:
        misses, total = 0, len(self.state.under_way)
        while waiting := self.state.under_way:
            self._progress("Waiting for Claude", total - len(waiting), total)
            for part in waiting:
                assert part.id is not None
                try:
                    batch = await self._claude.retrieve(part.id)
                    if batch.ended:
                        await self._take(part, batch)
                    misses = 0
                except ClaudeUnavailable:
                    misses += 1
                    if misses > PATIENCE:
                        raise
            if self.state.under_way:
                await self._set_aside(None)
                await self._pace.wait(self._pace.poll)

    async def _take(self, part: Part, batch: Batch) -> None:
        """Turn the results of a batch into answers, all of them or none."""
        if not batch.results:
            self._drop(part, NOT_KEPT)
            self._save()
            return
        members = {part.custom_id(n): self.state.items[n] for n in part.members}
        replies: dict[str, Reply] = {}
        async with aclosing(self._claude.results(batch.id)) as results:
            async for reply in results:
                replies[reply.custom_id] = reply
        if not members.keys() <= replies.keys():
            raise ClaudeUnavailable("the results of the batch came incomplete")
        live = await self._shelf.versions()
        for custom_id, item in members.items():
            await self._settle(item, replies[custom_id], live)
        part.collected = True
        self._save()

    async def _settle(self, item: Item, reply: Reply, live: Versions) -> None:
        """One question answered or failed, and what it has cost on the account."""
        prepared = item.prepared
        assert prepared is not None
        draft = draft_of(item, prepared)
        if reply.usage is not None:
            model = prepared.route.model
            draft.purse.book(model, reply.usage, self._claude.cost(model, reply.usage))
            receipt = draft.receipt()
            item.spent_usd += receipt.usd
            await self._ledger.settle(reply.custom_id, self._caller.name, receipt.charges)
        if reply.failure is not None:
            _fail(item, reply.failure)
            return
        given = await self._shelf.restore(prepared.passages, live)
        cut, strict = reply.reached_limit, self._shelf.settings.strict
        item.answer = await asyncio.to_thread(
            lambda: written(draft, reply.sections, given, self._checker, cut=cut, strict=strict)
        )
        if item.answer is None:
            _fail(item, CHANGED)
        item.prepared = None

    def _drop(self, part: Part, reason: str) -> None:
        for n in part.members:
            _fail(self.state.items[n], reason)
        part.collected = True

    def _save(self) -> None:
        save_state(self._path, self.state)


def _fail(item: Item, reason: str) -> None:
    item.failure, item.prepared = reason, None


def _too_dear(price: Cost, limit: float | None) -> str | None:
    """Why a question may not be asked at this price; None when it may."""
    if limit is None or (price.most is not None and price.most <= limit):
        return None
    may = "it is not known what it costs" if price.most is None else f"it may cost ${price.most:.4f}"
    return f"{may}, and RAG_MAX_USD_PER_REQUEST allows ${limit:.4f}"
