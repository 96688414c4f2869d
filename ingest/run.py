"""One run of `ingest add`: every path, every file, one report; what fails is named and the rest goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from ingest.contexts.wanted import Choice, WantedContexts
from ingest.pipeline import Pipeline, Placement
from ingest.report import Outcome, Report
from ingest.sources import SkippedSource, Source, SourceFailure, discover
from ingest.together import together
from ingest.workers import ParserProcess
from rag.embedding import load_document_embedder
from rag.errors import CiteboxError
from rag.models import model_dimension
from rag.settings import Settings
from rag.store import Store, open_store

if TYPE_CHECKING:
    from ingest.contexts.run import Contextualizer

T = TypeVar("T")

PARSE_SECONDS = 300.0
AT_ONCE = 4
"""Documents in hand: enough that one waits for the model while others are read, cut and written."""
LARGE = 20_000_000
"""Bytes of a file from which only one of its kind is in hand: it lies in memory and as a copy in /tmp."""
NOT_AGREED = "nothing went in: the cost of the contexts was not agreed to"


class Watcher(Protocol):
    """Whoever shows the progress of a run."""

    def found(self, files: int) -> None: ...
    def started(self, path: str) -> None: ...
    def scanned(self, path: str, done: int, total: int) -> None: ...
    def embedded(self, path: str, done: int, total: int) -> None: ...
    def finished(self, outcome: Outcome) -> None: ...


@asynccontextmanager
async def open_index(settings: Settings) -> AsyncIterator[Store]:
    """The store that the settings name, without loading a model."""
    dimension = model_dimension(settings)
    async with open_store(settings, dimension=dimension, model=settings.embedding_model) as store:
        yield store


@asynccontextmanager
async def open_pipeline(
    settings: Settings, contexts: WantedContexts | None = None
) -> AsyncIterator[tuple[Pipeline, Store]]:
    """A pipeline on that store; the embedding model is loaded on first need."""
    embedder = once(lambda: load_document_embedder(settings))
    async with open_index(settings) as store:
        with ParserProcess(PARSE_SECONDS) as parser:
            yield Pipeline(settings, store, embedder, parser, contexts), store


async def add(
    settings: Settings,
    paths: Sequence[str],
    placement: Placement,
    watcher: Watcher,
    report: Report,
    *,
    contexts: Choice | None = None,
    contextualizer: Contextualizer | None = None,
) -> None:
    """Ingest everything under `paths` into `report`, which holds what was done even when interrupted.

    With a `contextualizer`, and a place for what it does in the report, contexts are written first; where
    their cost is not agreed to, nothing goes in.

    Raises:
        StoreError: the store is out of reach; what was reported as done is in it.
        AnswerError, OverBudget: contexts were asked for, and none can be written; nothing went in.
    """
    started = time.monotonic()
    report.error = "interrupted"
    try:
        sources: list[Source] = []
        for found in discover(paths, max_bytes=settings.max_file_mb * 1_000_000):
            if isinstance(found, Source):
                sources.append(found)
            elif isinstance(found, SourceFailure):
                _note(report, watcher, Outcome(found.path, "failed", reason=found.reason))
            elif isinstance(found, SkippedSource):
                report.skipped.append((found.path, found.reason))
        if sources:
            wanted = WantedContexts(settings, contexts)
            async with open_pipeline(settings, wanted) as (pipeline, store):
                if contextualizer is not None and report.contexts is not None:
                    told = report.contexts
                    if not await contextualizer.write(pipeline, store, sources, placement, wanted, told):
                        report.error = NOT_AGREED
                        return
                watcher.found(len(sources))
                await take_all(pipeline, sources, placement, watcher, report)
        report.error = None
    except CiteboxError as error:
        report.error = str(error)
        raise
    except SystemExit:
        report.error = NOT_AGREED
        raise
    finally:
        report.seconds = time.monotonic() - started


async def take_all(
    pipeline: Pipeline, sources: Sequence[Source], placement: Placement, watcher: Watcher, report: Report
) -> None:
    """Take the sources in, AT_ONCE at a time; the report has them in their order."""
    waiting = iter(enumerate(sources))
    places: dict[int, int] = {}

    alone = asyncio.Lock()

    async def work() -> None:
        for place, source in waiting:
            path = str(source.path)
            watcher.started(path)
            async with alone if source.size > LARGE else nullcontext():
                on_chunks, on_pages = partial(watcher.embedded, path), partial(watcher.scanned, path)
                outcome = await pipeline.ingest(source, placement, on_chunks, on_pages)
            places[id(outcome)] = place
            _note(report, watcher, outcome)

    try:
        await together([work() for _ in range(min(AT_ONCE, len(sources)))])
    finally:
        report.outcomes.sort(key=lambda outcome: places.get(id(outcome), -1))


def once(make: Callable[[], T]) -> Callable[[], T]:
    """`make`, called on first need and by one thread alone."""
    lock = threading.Lock()
    made = cache(make)

    def get() -> T:
        with lock:
            return made()

    return get


def _note(report: Report, watcher: Watcher, outcome: Outcome) -> None:
    report.outcomes.append(outcome)
    watcher.finished(outcome)
