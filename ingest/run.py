"""One run of `ingest add`: every path, every file, one report; what fails is named and the rest goes on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Protocol

from ingest.pipeline import Pipeline, Placement
from ingest.report import Outcome, Report
from ingest.sources import SkippedSource, Source, SourceFailure, discover
from ingest.workers import ParserProcess
from rag.embedding import load_embedder
from rag.errors import CiteboxError
from rag.models import model_dimension
from rag.settings import Settings
from rag.store import Store, open_store

PARSE_SECONDS = 300.0


class Watcher(Protocol):
    """Whoever shows the progress of a run."""

    def found(self, files: int) -> None: ...
    def started(self, path: str) -> None: ...
    def embedded(self, done: int, total: int) -> None: ...
    def finished(self, outcome: Outcome) -> None: ...


@asynccontextmanager
async def open_index(settings: Settings) -> AsyncIterator[Store]:
    """The store that the settings name, without loading a model."""
    dimension = model_dimension(settings)
    async with open_store(settings, dimension=dimension, model=settings.embedding_model) as store:
        yield store


@asynccontextmanager
async def open_pipeline(settings: Settings) -> AsyncIterator[tuple[Pipeline, Store]]:
    """A pipeline on that store; the embedding model is loaded on first need."""
    embedder = cache(lambda: load_embedder(settings))
    async with open_index(settings) as store:
        with ParserProcess(PARSE_SECONDS) as parser:
            yield Pipeline(settings, store, embedder, parser), store


async def add(
    settings: Settings, paths: Sequence[str], placement: Placement, watcher: Watcher, report: Report
) -> None:
    """Ingest everything under `paths` into `report`, which holds what was done even when interrupted.

    Raises:
        StoreError: the store is out of reach; what was reported as done is in it.
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
        watcher.found(len(sources))
        if sources:
            async with open_pipeline(settings) as (pipeline, _):
                for source in sources:
                    watcher.started(str(source.path))
                    _note(report, watcher, await pipeline.ingest(source, placement, watcher.embedded))
        report.error = None
    except CiteboxError as error:
        report.error = str(error)
        raise
    finally:
        report.seconds = time.monotonic() - started


def _note(report: Report, watcher: Watcher, outcome: Outcome) -> None:
    report.outcomes.append(outcome)
    watcher.finished(outcome)
