"""Parsing in a process of its own: documents are untrusted, and a parser can hang or eat the memory.

A file whose parser passes the time limit, or dies, fails alone; the next file gets a new process.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from rag.errors import CiteboxError, SourceDamaged
from rag.parsed import ParsedDocument
from rag.scanned import ScannedPage

T = TypeVar("T")

MEMORY_LIMIT = 4 << 30
"""Bytes of address space a parser may use."""
OCR_SECONDS = 120.0
"""For one page; a slow processor takes ten seconds, and four times that for one that lies on its side."""


class ParserProcess:
    """Parses one file at a time, off this process; use as a context manager."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pool: ProcessPoolExecutor | None = None
        self._turn = asyncio.Lock()

    def __enter__(self) -> ParserProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    async def parse(self, path: Path, name: str, scanned: Sequence[ScannedPage] = ()) -> ParsedDocument:
        """The document at `path`, which its readers know as `name`; `scanned` are pages of it read by OCR.

        Raises:
            SourceError: what the parser found wrong; SourceDamaged also when it hung or died.
        """
        return await self._run(self._seconds, _parse, str(path), name, tuple(scanned))

    async def read_scan(self, path: Path, number: int, *, has_letters: bool) -> ScannedPage:
        """Page `number` of the PDF at `path` by OCR, without lines when nothing is written on it.

        One that has letters of its own is read only where pictures cover most of it.

        Raises:
            SourceDamaged: the page cannot be drawn, or reading it hung or died.
        """
        return await self._run(OCR_SECONDS, _read_scan, str(path), number, has_letters)

    async def _run(self, seconds: float, work: Callable[..., T], *arguments: object) -> T:
        # One at a time, so that the time limit is the file's own and ending it harms no other.
        async with self._turn:
            return await self._result(seconds, work, *arguments)

    async def _result(self, seconds: float, work: Callable[..., T], *arguments: object) -> T:
        pool = self._ready()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(pool.submit(work, *arguments)), seconds)
        except asyncio.CancelledError:
            self._kill()  # or the next file would wait for this one
            raise
        except TimeoutError:
            self._kill()
            raise SourceDamaged(f"reading it took more than {seconds:.0f} s and was given up") from None
        except BrokenProcessPool:
            self._kill()
            raise SourceDamaged("its parser died on it (out of memory, or a damaged file)") from None
        except MemoryError:
            raise SourceDamaged("reading it takes more memory than a parser may use") from None
        except CiteboxError:
            raise
        except Exception as error:  # a parser's own fault must not end the run
            raise SourceDamaged(f"its parser failed: {type(error).__name__}: {error}") from error

    def _ready(self) -> ProcessPoolExecutor:
        """A pool whose worker lives; one that died while it was idle is nobody's fault.

        The pool learns of a death a moment later, and `is_alive` of one that the pool's own thread was told
        of first may still say yes; the pipe that closes with the process tells.
        """
        if connection.wait([worker.sentinel for worker in self._workers()], timeout=0):
            self._kill()
        return self._pool or self._start()

    def _start(self) -> ProcessPoolExecutor:
        self._pool = ProcessPoolExecutor(
            max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=_limit
        )
        return self._pool

    def _kill(self) -> None:
        if self._pool is None:
            return
        workers = self._workers()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                worker.kill()
        for worker in workers:
            worker.join(5)
        self._pool = None

    def _workers(self) -> list[BaseProcess]:
        """The pool offers no public way to look at a worker or to end a busy one."""
        return list((self._pool._processes or {}).values()) if self._pool is not None else []


def _limit() -> None:
    """The parser ignores Ctrl-C (its parent ends it), may not eat the memory, and yields to queries."""
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_LIMIT if hard == resource.RLIM_INFINITY else min(MEMORY_LIMIT, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    os.nice(5)


def _end_with_parent() -> None:
    """A parser whose parent was killed would wait for work for ever: both ends of the queue are its own."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _parse(path: str, name: str, scanned: tuple[ScannedPage, ...]) -> ParsedDocument:
    from ingest.parsing import parse

    return parse(Path(path), name=name, scanned=scanned)


def _read_scan(path: str, number: int, has_letters: bool) -> ScannedPage:
    from ingest.parsing.ocr import is_scan, read_page

    try:
        if has_letters and not is_scan(Path(path), number):
            return ScannedPage(number, 0.0, 0.0, 0.0, ())
        return read_page(Path(path), number)
    except (MemoryError, ImportError):
        raise
    except Exception as error:  # unpickling one of theirs would bring PDFium into the parent
        raise SourceDamaged(f"page {number} cannot be read by OCR: {type(error).__name__}: {error}") from None
