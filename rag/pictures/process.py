"""Starts the processes that draw, gives each page its time, and ends what hangs or has nothing to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rag.errors import NotFound, Overloaded, PictureFailed
from rag.pictures.worker import LENGTHS

log = logging.getLogger(__name__)

PAGE_SECONDS = 10.0
START_SECONDS = 30.0
IDLE_SECONDS = 300.0
PROCESSES = 2
"""One hostile page keeps one of them busy, and the other goes on."""
MOST_WAITING = 64
HELD_BYTES = 256_000_000
"""Of documents that a process keeps open, so that the next page of one need not send it again."""
REPLY_BYTES = 100_000_000
BLOCK = 1 << 16
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME")
_PACKAGES = str(Path(__file__).resolve().parents[2])

Load = Callable[[], Awaitable[bytes]]
Reply = tuple[dict[str, Any], bytes]


class Workers:
    """A few processes; a request goes to the one that is free, and best to one that knows the document."""

    def __init__(self, *, count: int = PROCESSES, seconds: float = PAGE_SECONDS) -> None:
        self._workers = [Worker(seconds) for _ in range(count)]

    async def ask(self, key: str, load: Load, request: dict[str, Any]) -> Reply:
        """What a process says to the request about the document `key`, whose bytes `load` gets.

        Raises:
            NotFound: there is no such page.
            PictureFailed: the page cannot be drawn, or not in its time.
            Overloaded: too many pages are asked for at once.
        """
        if sum(worker.asked for worker in self._workers) >= MOST_WAITING:
            raise Overloaded("too many pages are being drawn", retry_after=1.0)
        chosen = min(self._workers, key=lambda worker: (worker.asked, not worker.holds(key), not worker.pid))
        return await chosen.ask(key, load, request)

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [worker.pid for worker in self._workers if worker.pid]

    async def close(self) -> None:
        for worker in self._workers:
            await worker.close()


class Worker:
    """One process, one request at a time; a new one is started when the last has ended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._held: OrderedDict[str, int] = OrderedDict()
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.asked = 0

    def holds(self, key: str) -> bool:
        return key in self._held

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def ask(self, key: str, load: Load, request: dict[str, Any]) -> Reply:
        """As `Workers.ask`."""
        self.asked += 1
        if self._idle is not None:
            self._idle.cancel()
        try:
            async with self._turn:
                return await self._in_time(key, load, request)
        finally:
            self.asked -= 1
            if not self.asked:
                self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._rest)

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        async with self._turn:
            await self._end()

    # ------------------------------------------------------------ one request

    async def _in_time(self, key: str, load: Load, request: dict[str, Any]) -> Reply:
        process = await self._ready()
        data = b"" if key in self._held else await load()
        try:
            async with asyncio.timeout(self._seconds):
                if data:
                    await self._open(process, key, data)
                self._held.move_to_end(key)
                return _checked(await _exchange(process, {"key": key, **request}))
        except TimeoutError:
            await self._end()
            raise PictureFailed(f"drawing the page took more than {self._seconds:.0f} s") from None
        except (OSError, EOFError, ValueError, LookupError) as error:
            log.warning("the process that draws pages ended: %s", type(error).__name__)
            await self._end()
            raise PictureFailed("drawing the page ended early (out of memory, or a damaged file)") from error
        except asyncio.CancelledError:
            await self._end()  # or its answer would be taken for that to the next request
            raise

    async def _open(self, process: asyncio.subprocess.Process, key: str, data: bytes) -> None:
        while self._held and sum(self._held.values()) + len(data) > HELD_BYTES:
            oldest, _ = self._held.popitem(last=False)
            _checked(await _exchange(process, {"do": "close", "key": oldest}))
        _checked(await _exchange(process, {"do": "open", "key": key}, data))
        self._held[key] = len(data)

    # ------------------------------------------------------------ its life

    async def _ready(self) -> asyncio.subprocess.Process:
        if self._process is not None and await self._answers(self._process):
            return self._process
        await self._end()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = _PACKAGES
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "rag.pictures.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd="/",
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                await _receive(self._process)
        except (TimeoutError, OSError, EOFError, ValueError) as error:
            await self._end()
            raise PictureFailed("the process that draws pages does not start") from error
        except asyncio.CancelledError:
            await self._end()
            raise
        return self._process

    async def _answers(self, process: asyncio.subprocess.Process) -> bool:
        """Whether it lives: one that died while it had nothing to do is nobody's fault."""
        try:
            async with asyncio.timeout(self._seconds):
                return not (await _exchange(process, {"do": "nothing"}))[0]
        except (TimeoutError, OSError, EOFError, ValueError):
            return False
        except asyncio.CancelledError:
            await self._end()
            raise

    async def _end(self) -> None:
        process, self._process = self._process, None
        self._held.clear()
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        # Half a reply may be on its way; until it is read, Python 3.11 does not see that the process ended.
        while await process.stdout.read(BLOCK):
            pass
        await process.wait()

    def _rest(self) -> None:
        """Nobody has asked for a while: give the memory back."""
        if not self.asked:
            task = asyncio.ensure_future(self.close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def _checked(reply: Reply) -> Reply:
    told, _ = reply
    match told.get("error"):
        case None:
            return reply
        case "no_page":
            raise NotFound(f"there is no such page: {told.get('detail')}")
        case _:
            raise PictureFailed(f"the page cannot be drawn: {told.get('detail')}")


async def _exchange(process: asyncio.subprocess.Process, request: dict[str, Any], body: bytes = b"") -> Reply:
    assert process.stdin is not None
    words = json.dumps(request).encode()
    process.stdin.write(LENGTHS.pack(len(words), len(body)) + words)
    process.stdin.write(body)
    await process.stdin.drain()
    return await _receive(process)


async def _receive(process: asyncio.subprocess.Process) -> Reply:
    """Raises EOFError when the process has ended, ValueError when it does not speak as it should."""
    assert process.stdout is not None
    told, body = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
    if told + body > REPLY_BYTES:
        raise ValueError("the reply is too long")
    words = json.loads(await process.stdout.readexactly(told))
    if not isinstance(words, dict):
        raise ValueError("the reply is not an object")
    return words, await process.stdout.readexactly(body)
