"""Sending one response while watching whether its reader is still there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Send

PATIENCE = 10.0
"""Seconds that starting, stopping and waiting may take before something is wrong."""


@dataclass(slots=True)
class RecordedRequest:
    """One request as it came. Header names are lower case; `body` is None when it was not read.

    `finished` says that the whole intended response was sent, `disconnected` that the client hung up before.
    A reply without delays is sent at once: to see a client hang up, enqueue a `Slow` one.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None = None
    status: int | None = None
    finished: bool = False
    disconnected: bool = False
    _over: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self, timeout: float = PATIENCE) -> bool:
        """Blocks until the response was sent, cut off or abandoned; False when that took too long."""
        return self._over.wait(timeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to be sent: chunks, each with the seconds to wait before it.

    Where `whole` is false the connection drops after the last chunk.
    """

    status: int
    headers: Mapping[str, str]
    chunks: Iterable[tuple[float, bytes]]
    whole: bool = True


async def deliver(
    answer: Answer, record: RecordedRequest, receive: Receive, send: Send, closing: asyncio.Event
) -> None:
    """Send `answer` until it is out, the client hangs up or the server is closing; note in `record` which."""
    record.status = answer.status
    work = asyncio.create_task(_send(answer, record, send))
    gone = asyncio.create_task(_hang_up(receive))
    end = asyncio.create_task(closing.wait())
    try:
        await asyncio.wait({work, gone, end}, return_when=asyncio.FIRST_COMPLETED)
        record.disconnected = gone.done() and not work.done()
    finally:
        for task in (work, gone, end):
            task.cancel()
        await asyncio.gather(gone, end, return_exceptions=True)
        with suppress(asyncio.CancelledError):
            await work
        record._over.set()


async def _send(answer: Answer, record: RecordedRequest, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    started = False
    last = b""
    for delay, chunk in answer.chunks:
        if started:
            # One chunk is held back, as the last one must say that it is the last.
            await send({"type": "http.response.body", "body": last, "more_body": True})
        if delay:
            await asyncio.sleep(delay)
        if not started:
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            started = True
        last = chunk
    # Noted before the last bytes leave, so that a client that has read them all finds it noted.
    record.finished = answer.whole
    await send({"type": "http.response.body", "body": last, "more_body": not answer.whole})


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
