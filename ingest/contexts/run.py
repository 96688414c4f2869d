"""The contexts of a run of `ingest add`: looked for, their cost shown and agreed to, and written.

Everything is asked for before the first document goes in. Whatever is missing in the end goes in without.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Literal

from filelock import FileLock, Timeout

from ingest.contexts.asking import Asking, Written
from ingest.contexts.batching import Batching
from ingest.contexts.planning import Costs, Plan, Quote, plan
from ingest.contexts.report import ContextReport, missing_of
from ingest.contexts.wanted import WantedContexts
from ingest.pipeline import Pipeline, Placement
from ingest.sources import Source, shown
from rag.bulk.finding import Pace
from rag.claude import load_prices
from rag.errors import InvalidRequest, StoreUnavailable
from rag.purse import known
from rag.settings import Settings
from rag.store import Store
from rag.terminal import Progress
from rag.usage import Ledger

How = Literal["batch", "now"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How contexts were asked for. `agree` shows what they cost and tells whether to begin."""

    how: How
    max_usd: float | None
    poll: float
    agree: Callable[[Quote], bool]
    bar: Callable[[], AbstractContextManager[Progress]]


class Contextualizer:
    """Writes the contexts that the documents of a run lack, on the terms it was given."""

    def __init__(self, settings: Settings, terms: Terms) -> None:
        self._settings = settings
        self._terms = terms
        self._costs = Costs(settings, load_prices(settings.prices_file), batch=terms.how == "batch")

    def report(self) -> ContextReport:
        """An empty report of a run on these terms."""
        return ContextReport(self._terms.how, self._settings.fast_model)

    async def write(
        self,
        pipeline: Pipeline,
        index: Store,
        sources: Sequence[Source],
        placement: Placement,
        wanted: WantedContexts,
        report: ContextReport,
    ) -> bool:
        """Have written what is missing; False when its cost was not agreed to, and nothing must go in.

        `report` tells what was spent, whatever ends it.

        Raises:
            KeyRejected, ModelUnknown: no request can succeed; what had come before is kept.
            ClaudeUnavailable, NotFound: a batch cannot be collected now; the next run goes on with it.
            OverBudget: there is a limit, and the price of the model is not known.
        """
        settings, terms = self._settings, self._terms
        written = Written()
        with alone(settings):
            ledger = await asyncio.to_thread(Ledger, settings.data_dir / "usage.sqlite")
            try:
                with terms.bar() as progress:
                    async with self._batching(wanted, ledger, progress, written) as batching:
                        # One that is wanted at once is cancelled, but not before that is agreed to.
                        await batching.resume("wait" if terms.how == "batch" else "leave")
                    made = await plan(pipeline, index, sources, placement, wanted, progress)
                missing = list(made.missing.values())
                if missing:
                    quote = self._costs.quote(missing)
                    report.estimated_usd = quote.usd
                    known(quote.most_usd, limited=terms.max_usd is not None)
                    if not terms.agree(quote):
                        return False
                    with terms.bar() as progress:
                        await self._ask(made, wanted, ledger, progress, written)
            finally:
                report.charges, report.written = written.charges, written.contexts
            await self._tell(made, wanted, written, report)
        return True

    async def _ask(
        self, made: Plan, wanted: WantedContexts, ledger: Ledger, progress: Progress, written: Written
    ) -> None:
        most = self._terms.max_usd
        async with self._batching(wanted, ledger, progress, written) as batching:
            if self._terms.how == "batch":
                await batching.ask(list(made.missing.values()), most)
                return
            await batching.resume("cancel")
        there = await asyncio.to_thread(wanted.store.get, set(made.missing))
        missing = [ask for key, ask in made.missing.items() if key not in there]
        asking = Asking(self._settings, wanted.store, ledger, self._costs, written)
        await asking.ask(missing, most, progress)

    @asynccontextmanager
    async def _batching(
        self, wanted: WantedContexts, ledger: Ledger, progress: Progress, written: Written
    ) -> AsyncIterator[Batching]:
        pace = Pace(self._terms.poll)
        batching = Batching(self._settings, wanted.store, ledger, self._costs, pace, progress, written)
        try:
            yield batching
        finally:
            await batching.close()

    async def _tell(
        self, made: Plan, wanted: WantedContexts, written: Written, report: ContextReport
    ) -> None:
        """Count what there is of each document, and name what is missing."""
        fresh = await asyncio.to_thread(wanted.store.get, set(made.missing))
        there = made.kept | fresh
        reasons = {key: kept.failure for key, kept in there.items() if kept.failure is not None}
        report.written = 0
        reasons |= {key: reason for key, reason in written.failures.items() if key not in there}
        for document in made.documents:
            have = [key for key in document.keys if key in there and there[key].context]
            wanted.ready[document.document_id] = len(have)
            await asyncio.to_thread(wanted.store.use, document.document_id, set(document.keys))
            report.kept += sum(key not in made.missing for key in have)
            report.written += sum(key in made.missing for key in have)
            report.missing += missing_of(shown(document.path), document, reasons)
        report.failed = len(made.missing) - sum(bool(kept.context) for kept in fresh.values())


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep a second run from asking for the same contexts, and from sweeping what a run is about to use.

    Raises:
        InvalidRequest: another one is at it.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(settings.data_dir / "contexts.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise InvalidRequest(
            "another `ingest add --contextualize` or `doctor --repair` is at work on this data folder",
            remedy="wait for it, or end it",
        ) from None
    except OSError as error:
        raise StoreUnavailable(
            f"the data folder {settings.data_dir} cannot be used: {error.strerror}",
            remedy="make it writable, or set RAG_DATA_DIR to a folder that is",
        ) from error
    try:
        yield
    finally:
        lock.release()
