"""What both command lines share: exit codes, errors as one line, tables and progress on standard error."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from rag.errors import CiteboxError, InvalidRequest, SettingsError
from rag.settings import Settings, load_settings

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
EVERY_SECONDS = 10
"""Between two lines that tell a log how far the work is."""

# In a pipe a line stays a line, whatever its length: what reads it has no width.
out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def _version_and_exit(asked: bool) -> None:
    if asked:
        out.print(f"citebox {version('citebox')}")
        raise typer.Exit


def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_version_and_exit, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """What a command takes before its subcommands; its help is that of the application."""


def settings_or_exit() -> Settings:
    """The settings, or one clear line and exit code 2."""
    try:
        return load_settings()
    except SettingsError as error:
        fail(error, MISUSED)


def run(work: Callable[[], Coroutine[Any, Any, T]], *, interrupted: str = "Interrupted.") -> T:
    """Run a command to its end; an error becomes one line with its remedy, never a traceback."""
    try:
        return asyncio.run(work())
    except CiteboxError as error:
        fail(error, FAILED)
    except KeyboardInterrupt:
        err.print(f"[yellow]{plain(interrupted)}[/]")
        sys.exit(INTERRUPTED)


def fail(error: CiteboxError, code: int) -> NoReturn:
    say(error)
    sys.exit(code)


def say(error: CiteboxError) -> None:
    """One line for what happened and one for the remedy. An error may quote a document's or file's name."""
    err.print(f"[red]Error:[/] {plain(error.detail)}")
    if error.remedy:
        err.print(f"  {plain(error.remedy)}")


def print_json(value: Any) -> None:
    """One JSON value on standard output, for machines."""
    line = json.dumps(value, ensure_ascii=False) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


@contextmanager
def busy(words: str) -> Iterator[None]:
    """Say on standard error what is being waited for, where someone watches."""
    with err.status(words):
        yield


@contextmanager
def bar() -> Iterator[Progress]:
    """A progress bar on standard error where someone watches, else a line now and then."""
    if not err.is_terminal:
        yield _now_and_then()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=err, transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda words, done, total: shown.update(task, description=words, completed=done, total=total)


def _now_and_then() -> Progress:
    """Lines for a log: how far it is, at most one in `EVERY_SECONDS`, none for what is done sooner."""
    last = time.monotonic()

    def tell(words: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            err.print(f"{plain(words)}: {done} of {total}")

    return tell


def agreed(*, yes: bool) -> bool:
    """Whether to start what costs money, whose cost was shown: asked on a terminal, unless told `yes`."""
    if yes:
        return True
    if not sys.stdin.isatty():
        fail(InvalidRequest("nobody is there to agree to the cost", remedy="start it with --yes"), MISUSED)
    # The event loop's handler would wait for the answer to the question before it let Ctrl-C through.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return typer.confirm("Start?", default=False, err=True)
    except typer.Abort:
        return False
    finally:
        signal.signal(signal.SIGINT, before)


def plain(text: str) -> str:
    """Untrusted text made safe for a terminal: no control characters, no markup."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in text))


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, such as `1 chunk` and `2 chunks`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def log_for_operators() -> None:
    """The log of a service on standard error: each line with its time, and its request where it has one."""
    quiet_libraries()
    form = logging.Formatter(
        "%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s", defaults={"request": ""}
    )
    for handler in logging.getLogger().handlers:
        handler.setFormatter(form)


def quiet_libraries(level: int = logging.WARNING) -> None:
    """Keep the libraries' chatter off the terminal; what is as grave as `level` still shows."""
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    for name in ("httpx", "httpx2", "sentence_transformers", "transformers", "pypdf"):
        logging.getLogger(name).setLevel(logging.ERROR)
