"""Running the application under uvicorn, with an exit code that tells whether it could start."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from rag.api.app import create_app
from rag.api.deps import Runtime
from rag.errors import CiteboxError, SettingsError
from rag.settings import Settings
from rag.terminal import FAILED, err, say

GRACE_SECONDS = 5


def serve(settings: Settings) -> int:
    """Serve until a signal; returns the exit code, 1 when the service could not be opened."""
    try:
        listener = _listen(settings)
    except CiteboxError as error:
        say(error)
        return FAILED
    app = create_app(settings)
    config = uvicorn.Config(
        app, log_level="warning", server_header=False, timeout_graceful_shutdown=GRACE_SECONDS, lifespan="on"
    )
    server = uvicorn.Server(config)
    runtime: Runtime = app.state.runtime
    asyncio.run(_serve(server, listener, runtime))
    if runtime.failure is not None:
        say(runtime.failure)
        return FAILED
    return 0


async def _serve(server: uvicorn.Server, listener: socket.socket, runtime: Runtime) -> None:
    announcing = asyncio.create_task(_announce(server, listener, runtime))
    await server.serve(sockets=[listener])
    announcing.cancel()
    await asyncio.gather(announcing, return_exceptions=True)


async def _announce(server: uvicorn.Server, listener: socket.socket, runtime: Runtime) -> None:
    """Say where the service is once it answers; end it when it never will."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    err.print(f"Starting: loading the models. The service will be at http://{shown}:{port}", soft_wrap=True)
    await runtime.settled.wait()
    if runtime.failure is not None:
        server.should_exit = True
    elif runtime.service is not None:  # else it was ended while it started
        err.print(f"Ready: http://{shown}:{port} (Ctrl-C ends it)", soft_wrap=True)


def _listen(settings: Settings) -> socket.socket:
    """Take the address before the models are loaded, so that a taken port is told at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, the event loop switches off the delay of small packets (Nagle) on connections.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}",
            remedy="is the service running already? Otherwise set RAG_PORT or RAG_HOST",
        ) from None
    listener.listen(128)
    return listener
