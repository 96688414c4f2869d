"""The engine process: the part of Qdrant's REST API that Citebox uses, on loopback, for one user's own data.

Who may talk to it: whoever can read the endpoint file, that is, the owner of the data folder. The
process ends by itself once nobody has held the users' lock for a few seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import functools
import hmac
import json
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rag.store.embedded import (
    ENDPOINT_FILE,
    ENGINE_LOCK,
    GRACE_SECONDS,
    LOCKED,
    TITLE,
    USERS_LOCK,
)
from rag.store.embedded import wire_values as values
from rag.store.embedded.engine import Engine, write_atomically
from rag.store.embedded.wire_values import WireError

log = logging.getLogger(__name__)

SHORTEST_LOOK_SECONDS = 0.01
"""Between two looks whether somebody still uses the engine; without it, no grace would be a busy loop."""
TIDY_AFTER_SECONDS = 60.0
TIDY_AT_EXIT_POINTS = 100_000
MAX_BODY_BYTES = 64 * 1024 * 1024

Call = Callable[[Engine, dict[str, str], Any], Any]


def _named(method: Callable[..., Any], with_body: bool = True) -> Call:
    """A call of an engine method that takes the collection name and, usually, the request body."""
    if with_body:
        return lambda engine, path, body: method(engine, path["name"], body)
    return lambda engine, path, _body: method(engine, path["name"])


_FLUSH: Call = lambda engine, _path, _body: engine.flush()  # noqa: E731
_WRITE = ("wait", "ordering")
_READ = ("consistency",)
ROUTES: tuple[tuple[str, str, Call, tuple[str, ...]], ...] = (
    ("GET", "/collections", lambda engine, _p, _b: engine.collections(), ()),
    ("POST", "/collections/aliases", lambda engine, _p, body: engine.change_aliases(body), ()),
    ("GET", "/aliases", lambda engine, _p, _b: engine.aliases(), ()),
    ("GET", "/collections/{name}", _named(Engine.info, with_body=False), ()),
    ("PUT", "/collections/{name}", _named(Engine.create), ()),
    ("DELETE", "/collections/{name}", _named(Engine.delete, with_body=False), ()),
    ("GET", "/collections/{name}/exists", _named(Engine.exists, with_body=False), ()),
    ("PUT", "/collections/{name}/index", _named(Engine.create_index), _WRITE),
    ("PUT", "/collections/{name}/points", _named(Engine.upsert), _WRITE),
    ("POST", "/collections/{name}/points", _named(Engine.retrieve), _READ),
    ("POST", "/collections/{name}/points/delete", _named(Engine.delete_points), _WRITE),
    ("POST", "/collections/{name}/points/scroll", _named(Engine.scroll), _READ),
    ("POST", "/collections/{name}/points/count", _named(Engine.count), _READ),
    ("POST", "/collections/{name}/points/query", _named(Engine.query), _READ),
    ("POST", "/collections/{name}/points/query/batch", _named(Engine.query_batch), _READ),
)


class Server:
    """The HTTP side: checks who asks, then hands each request to the engine's one thread."""

    def __init__(self, engine: Engine, key: str, port: int, stop: Callable[[], None]) -> None:
        self._engine = engine
        self._key = key.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._stop = stop
        # One thread: edge holds the GIL while it works, and one writer needs no locks.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self.last_request = time.monotonic()

    def app(self) -> Starlette:
        routes = [
            Route("/", self._guarded(self._about), methods=["GET"]),
            Route("/healthz", self._guarded(self._healthy), methods=["GET"]),
            Route("/readyz", self._guarded(self._healthy), methods=["GET"]),
        ]
        for method, path, call, parameters in ROUTES:
            handler = functools.partial(self._answer, call=call, parameters=parameters)
            routes.append(Route(path, self._guarded(handler), methods=[method]))
        return Starlette(routes=routes, exception_handlers={404: self._no_route, 405: self._no_route})

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # ------------------------------------------------------------ who asks

    def _guarded(self, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            # A page in a browser can reach loopback by a name of its own; that name is in the Host header.
            if request.headers.get("host") not in self._hosts:
                return _error(403, "Forbidden: this Host is not served", 0.0)
            if not hmac.compare_digest(request.headers.get("api-key", "").encode(), self._key):
                return _error(401, "Must provide an API key", 0.0)
            self.last_request = time.monotonic()
            response: Response = await handler(request)
            return response

        return guarded

    async def _no_route(self, request: Request, _error_: Exception) -> Response:
        return _error(404, f"Not found: {request.method} {request.url.path} is not served here", 0.0)

    async def _about(self, _request: Request) -> Response:
        return _json(200, {"title": TITLE, "version": version("qdrant-edge-py")})

    async def _healthy(self, _request: Request) -> Response:
        return PlainTextResponse("healthz check passed")

    # ------------------------------------------------------------ what is asked

    async def _answer(self, request: Request, call: Call, parameters: tuple[str, ...]) -> Response:
        start = time.perf_counter()
        try:
            for name in request.query_params:
                if name not in parameters:
                    raise values.bad(f"the parameter {name!r} is not supported by the embedded engine")
            raw = await _body(request)
            result = await self.in_thread(lambda: self._run(call, dict(request.path_params), raw))
            if parameters == _WRITE:
                # Also for wait=false, which allows it. The thread takes its work in order, so of the writes
                # that arrive together the first one's flush serves all, and the others find nothing to do.
                await self.in_thread(lambda: self._run(_FLUSH, {}, b""))
        except WireError as error:
            return _error(error.status, error.message, time.perf_counter() - start)
        seconds = f'{{"status":"ok","time":{time.perf_counter() - start:.6f},"result":'.encode()
        return Response(seconds + result + b"}", media_type="application/json")

    def _run(self, call: Call, path: dict[str, str], raw: bytes) -> bytes:
        try:
            body = json.loads(raw, parse_constant=_no_constant) if raw else {}
        except ValueError as error:
            raise values.bad(f"Format error in JSON body: {error}") from None
        try:
            return json.dumps(call(self._engine, path, body), ensure_ascii=False, allow_nan=False).encode()
        except WireError:
            raise
        except (OSError, RuntimeError, AttributeError):
            log.exception("a request failed")
            raise WireError(500, "Service internal error; see engine.log") from None
        except Exception as error:
            # Edge raises plain exceptions: its own trouble is named 'Service ...', the rest is the request's.
            if str(error).startswith(("Service", "Out of", "Timeout", "Inconsistent")):
                log.exception("a request failed")
                raise WireError(500, str(error)) from None
            raise WireError(400, f"Bad request: {error}") from None
        except BaseException:
            # A panic of the engine may leave locks poisoned. All that was acknowledged is on disk, so the
            # safe thing is to end; the next request starts a new process.
            log.critical("the engine panicked; ending", exc_info=True)
            self._stop()
            raise WireError(500, "Service internal error: the engine panicked and restarts") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise WireError(413, f"Payload too large: more than {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _json(status: int, body: Any) -> Response:
    return Response(json.dumps(body).encode(), status, media_type="application/json")


def _error(status: int, message: str, seconds: float) -> Response:
    return _json(status, {"status": {"error": message}, "time": seconds})


# ---------------------------------------------------------------- the life of the process


async def _until_unused(server: Server, engine: Engine, users: int, grace: float) -> None:
    """Return, holding the users' lock for good, once nobody has held it for `grace` seconds.

    The lock is kept until the process is gone, so a client that comes now waits for that, and then
    starts a new engine, instead of talking to one that is about to close.
    """
    unused_since: float | None = None
    while True:
        await asyncio.sleep(min(1.0, max(SHORTEST_LOOK_SECONDS, grace / 3)))
        if not _try_exclusive(users):
            unused_since = None
            if time.monotonic() - server.last_request > TIDY_AFTER_SECONDS:
                await server.in_thread(lambda: engine.tidy(TIDY_AT_EXIT_POINTS))
            continue
        now = time.monotonic()
        unused_since = unused_since if unused_since is not None else now
        if now - unused_since >= grace:
            return
        fcntl.flock(users, fcntl.LOCK_UN)


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _serve(data: Path, grace: float) -> None:
    users = os.open(data / USERS_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    engine = Engine(data)
    # The protocol is named because asyncio switches Nagle's delay (40 ms a reply) off only where it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    port = listener.getsockname()[1]
    key = secrets.token_urlsafe(32)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.call_soon_threadsafe(setattr, http, "should_exit", True)

    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it is done; without a handler that would cut our closing short.
        loop.add_signal_handler(number, stop)
    server = Server(engine, key, port, stop)
    config = uvicorn.Config(
        server.app(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5
    )
    http = uvicorn.Server(config)
    endpoint = json.dumps({"pid": os.getpid(), "port": port, "key": key})
    write_atomically(data / ENDPOINT_FILE, endpoint.encode())
    log.info("engine %d listens on port %d", os.getpid(), port)
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    unused = asyncio.create_task(_until_unused(server, engine, users, grace))
    try:
        await asyncio.wait({serving, unused}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        (data / ENDPOINT_FILE).unlink(missing_ok=True)
        ended_by_itself = unused.done()
        unused.cancel()
        http.should_exit = True
        await serving
        if ended_by_itself:
            await server.in_thread(lambda: engine.tidy(TIDY_AT_EXIT_POINTS))
        await server.in_thread(engine.close)
        log.info("engine %d ends", os.getpid())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rag.store.embedded", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the engine's data")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds to outlive the last user")
    options = parser.parse_args(arguments)
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Held until the process is gone, however it goes; never closed on purpose.
    owner = os.open(options.data / ENGINE_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if not _try_exclusive(owner):
        return LOCKED
    asyncio.run(_serve(options.data, options.grace))
    return 0
