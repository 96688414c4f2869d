"""The server as a test holds it: on a port of 127.0.0.1, in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Collection
from types import TracebackType
from typing import Self

import uvicorn

from .api import Api
from .batches import Batches
from .delivery import PATIENCE, RecordedRequest
from .grounded import NOT_FOUND, Grounded
from .replies import ErrorStatus, Reply


class ClaudeServer:
    """Answers as Claude would: with what was enqueued, else with sentences of the documents it is given.

    `keys` are the accepted API keys; None accepts any but `bad-key`. `pace` delays the chunks of the
    default reply by so many seconds each, `before_first` its beginning. `port` 0 takes a free one.
    `default` answers in place of those sentences.
    """

    def __init__(
        self,
        *,
        not_found_text: str = NOT_FOUND,
        keys: Collection[str] | None = None,
        port: int = 0,
        pace: float = 0.0,
        before_first: float = 0.0,
        default: Reply | None = None,
    ) -> None:
        self._api = Api(default or Grounded(not_found_text, pace, before_first), keys)
        self._port = port
        self._url: str | None = None

    @property
    def url(self) -> str:
        """The `base_url` for a client of this server."""
        if self._url is None:
            raise RuntimeError("the server is not running: use it in a with statement, or call start()")
        return self._url

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests since the last `reset`, the rejected ones too, in the order they came."""
        return self._api.requests

    @property
    def batches(self) -> Batches:
        """The message batches, and when they end."""
        return self._api.batches

    def enqueue(self, *replies: str | Reply | ErrorStatus) -> None:
        """The next accepted `POST /v1/messages` get these, each one; a rejected request uses none up."""
        self._api.queue.extend(replies)

    def reset(self) -> None:
        """Forget all requests, enqueued replies, cached prompts and batches."""
        self._api.requests.clear()
        self._api.queue.clear()
        self._api.cache.forget()
        self._api.batches.reset()

    def start(self) -> Self:
        # With the protocol named: asyncio sets TCP_NODELAY on nothing else, and 40 ms a request are lost.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self._api,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
        )
        self._uvicorn = _Uvicorn(config, self._api)
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([listener],), name="claude-server", daemon=True
        )
        self._thread.start()
        if not self._uvicorn.ready.wait(PATIENCE):
            raise RuntimeError("the server did not start")
        return self

    def stop(self) -> None:
        """Drops the responses under way and frees the port."""
        self._uvicorn.should_exit = True
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise RuntimeError("the server did not stop")
        self._url = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Uvicorn(uvicorn.Server):
    """Tells when it listens, and ends the responses under way before it waits for their connections."""

    def __init__(self, config: uvicorn.Config, api: Api) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._api = api

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # A new one for each start: an event belongs to the loop in which it was first waited for.
        self._api.closing = asyncio.Event()
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._api.closing.set()
        await super().shutdown(sockets)
