"""What a person sees of an ingest run: bars on standard error while it goes, a table when it ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from ingest.report import Outcome, Report
from rag.terminal import EVERY_SECONDS, err, plain
from rag.usage import dollars

SHOWN_CHUNKS = 10
"""Of those that lack a context for one reason."""


class Bars:
    """A bar for the files and one for the chunks of a file in hand; in a pipe a line now and then."""

    def __init__(self, progress: Progress, *, name_failures: bool) -> None:
        self._progress = progress
        self._said = time.monotonic()
        self._done = self._found = 0
        self._name_failures = name_failures
        self._files: TaskID | None = None
        self._chunks = progress.add_task("", total=None, visible=False)

    def found(self, files: int) -> None:
        self._progress.start()
        self._files = self._progress.add_task("files", total=files)
        self._found = files

    def started(self, path: str) -> None:
        self._progress.reset(self._chunks, description=_name(path), total=None, visible=True)

    def scanned(self, path: str, done: int, total: int) -> None:
        """Pages read by OCR, of those to be read of a file."""
        self._show(f"OCR {_name(path)}", done, total)
        if self._now():
            err.print(f"OCR {_name(path)}: {done} of {total} pages")

    def embedded(self, path: str, done: int, total: int) -> None:
        self._show(_name(path), done, total)

    def finished(self, outcome: Outcome) -> None:
        self._progress.update(self._chunks, visible=False)
        if self._files is not None and outcome.document_id is not None:
            self._progress.advance(self._files)
            self._done += 1
            if self._now():
                err.print(f"{self._done} of {self._found} files")
        if outcome.status == "failed" and self._name_failures:
            err.print(f"[red]failed[/] {plain(outcome.path)}: {plain(outcome.reason or '')}")

    def _show(self, what: str, done: int, total: int) -> None:
        """The bar of the file in hand."""
        self._progress.update(self._chunks, description=what, completed=done, total=total, visible=True)

    def _now(self) -> bool:
        """Whether it is time for a line, where no bar is shown."""
        due = self._progress.disable and time.monotonic() - self._said > EVERY_SECONDS
        self._said = time.monotonic() if due else self._said
        return due


def _name(path: str) -> str:
    return plain(Path(path).name)[-40:]


@contextmanager
def show_progress(*, name_failures: bool) -> Iterator[Bars]:
    """Bars while the block runs, where someone watches; failures as they come, if no table will follow."""
    columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    try:  # Begun when the files are known: until then others may show or ask something.
        yield Bars(progress, name_failures=name_failures)
    finally:
        progress.stop()


def _by_reason(report: Report) -> str:
    """The commonest reasons for passing files over, such as `.png is not supported: 6`."""
    reasons = Counter(reason for _, reason in report.skipped).most_common(5)
    others = len(report.skipped) - sum(count for _, count in reasons)
    told = [f"{reason}: {count}" for reason, count in reasons] + ([f"others: {others}"] if others else [])
    return plain(", ".join(told))


def summary(report: Report) -> None:
    """The closing table of a run."""
    sums = report.as_json()
    table = Table(box=None, pad_edge=False, show_header=False)
    for name in ("new", "changed", "unchanged"):
        table.add_row(name, str(sums[name]))
    failed = len(report.failed)
    table.add_row("failed", f"[red]{failed}[/]" if failed else "0")
    if sums["ocr_pages"]:
        table.add_row("pages read by OCR", str(sums["ocr_pages"]))
    table.add_row("pages without text", str(sums["pages_without_text"]))
    if report.skipped:
        table.add_row("skipped, not a document", f"{len(report.skipped)} ({_by_reason(report)})")
    table.add_row("chunks", str(sums["chunks"]))
    if report.contexts is not None:
        told = report.contexts
        missing = sum(len(one.chunks) for one in told.missing)
        table.add_row("contexts", f"{told.written} written, {told.kept} kept, {missing} missing")
        table.add_row("spent on contexts", dollars(told.usd))
    table.add_row("seconds", f"{report.seconds:.1f}")
    err.print(table)
    for outcome in report.failed:
        err.print(f"[red]failed[/] {plain(outcome.path)}: {plain(outcome.reason or '')}")
    for outcome in report.outcomes:
        if outcome.pages_without_text:
            pages = ", ".join(str(number) for number in outcome.pages_without_text[:20])
            err.print(f"[yellow]no text[/] {plain(outcome.path)}: page {pages}")
    if report.contexts is not None:
        for one in report.contexts.missing:
            which = ", ".join(f"#{position}" for position in one.chunks[:SHOWN_CHUNKS])
            more = f" and {len(one.chunks) - SHOWN_CHUNKS} more" if len(one.chunks) > SHOWN_CHUNKS else ""
            err.print(f"[yellow]no context[/] {plain(one.path)}: chunk {which}{more}: {plain(one.reason)}")
        return
    for outcome in report.outcomes:
        if outcome.status == "changed" and outcome.chunks_without_context:
            err.print(
                f"[yellow]no context[/] {plain(outcome.path)}: {outcome.chunks_without_context} of "
                f"{outcome.chunks} chunks, which are new; add it with --contextualize to have them written"
            )
