"""Several documents in hand: what is reported, in which order, and what a failure of the store ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.pipeline import Placement
from ingest.report import Outcome, Report
from ingest.run import AT_ONCE, once, take_all
from ingest.sources import Source
from rag.errors import StoreUnavailable

OnCount = Callable[[int, int], None]


class Watcher:
    def __init__(self) -> None:
        self.began: list[str] = []
        self.done: list[str] = []
        self.shown: list[tuple[str, int, int]] = []

    def found(self, files: int) -> None: ...

    def started(self, path: str) -> None:
        self.began.append(path)

    def scanned(self, path: str, done: int, total: int) -> None: ...

    def embedded(self, path: str, done: int, total: int) -> None:
        self.shown.append((path, done, total))

    def finished(self, outcome: Outcome) -> None:
        self.done.append(outcome.path)


class Scripted:
    """A pipeline in which each document takes as long as its script says."""

    def __init__(self, script: dict[str, Callable[[], asyncio.Future[None]]]) -> None:
        self._script = script
        self.cut_off: list[str] = []

    async def ingest(
        self, source: Source, placement: Placement, on_chunks: OnCount, on_pages: OnCount
    ) -> Outcome:
        on_chunks(1, 2)
        try:
            await self._script[source.path.name]()
        except asyncio.CancelledError:
            self.cut_off.append(source.path.name)
            raise
        return Outcome(source.path.name, "new", f"id of {source.path.name}")


def sources(*names: str) -> list[Source]:
    return [Source(Path("/library") / name, f"file:///library/{name}", 1, name) for name in names]


async def run(pipeline: Scripted, *names: str) -> tuple[Report, Watcher]:
    report, watcher = Report(), Watcher()
    try:
        await take_all(pipeline, sources(*names), Placement(), watcher, report)  # type: ignore[arg-type]
    finally:
        assert [outcome.path for outcome in report.outcomes] == sorted(watcher.done)
    return report, watcher


async def test_a_document_that_takes_long_holds_up_no_other_and_keeps_its_place_in_the_report() -> None:
    over = asyncio.Event()

    async def waits() -> None:
        await asyncio.wait_for(over.wait(), 10)

    async def quick() -> None: ...

    async def last() -> None:
        over.set()

    names = [f"{number:02d}" for number in range(AT_ONCE + 2)]
    script = dict.fromkeys(names, quick) | {names[0]: waits, names[-1]: last}
    report, watcher = await run(Scripted(script), *names)  # type: ignore[arg-type]
    assert watcher.done[-1] == names[0]
    assert [outcome.path for outcome in report.outcomes] == names
    assert (f"/library/{names[2]}", 1, 2) in watcher.shown


async def test_a_store_that_fails_ends_the_run_and_the_other_documents_with_it() -> None:
    async def waits() -> None:
        await asyncio.sleep(60)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise StoreUnavailable("the store is away")

    async def never() -> None:
        raise AssertionError("begun after the store was away")

    others = [f"{number:02d}" for number in range(AT_ONCE - 1)]
    script = dict.fromkeys(others, waits) | {"fails": fails, "never": never}
    pipeline = Scripted(script)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable, match="away"):
        await asyncio.wait_for(run(pipeline, *others, "fails", "never"), 10)
    assert sorted(pipeline.cut_off) == others


def test_what_two_threads_need_at_once_is_made_once() -> None:
    made: list[int] = []
    together = threading.Barrier(2)

    def make() -> object:
        made.append(1)
        time.sleep(0.1)
        return object()

    get = once(make)

    def ask() -> object:
        together.wait(10)
        return get()

    with ThreadPoolExecutor(2) as pool:
        first, second = [pool.submit(ask) for _ in range(2)]
        assert first.result() is second.result()
    assert made == [1]
