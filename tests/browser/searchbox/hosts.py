"""Pages that embed the box: a server of another origin with a strict policy, and a network that fails."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import jwt

SECRET = "the secret of the search box's tests, long enough"
STYLE = """
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #22262a; background: #f7f7f4; }
header { display: flex; gap: 28px; align-items: center; padding: 12px 36px; background: #fff;
  border-bottom: 1px solid #e5e5e0; }
header b { font-size: 17px; }
header a { color: #4d545b; text-decoration: none; }
header rag-search { margin-inline-start: auto; }
main { max-width: 820px; margin: 56px auto; padding: 0 24px; }
h1 { margin: 0 0 8px; font-size: 32px; letter-spacing: -0.02em; }
main p { color: #4d545b; }
@media (max-width: 640px) {
  header { padding: 12px 16px; gap: 16px; }
  header a { display: none; }
}
"""
PAGE = """<!doctype html>
<html lang="{lang}" dir="{direction}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Northwind</title><link rel="stylesheet" href="/style.css">{script}</head>
<body><header><b>Northwind</b><a href="#news">News</a><a href="#teams">Teams</a>{box}</header>
<main>{main}</main></body></html>
"""
MAIN = "<h1>Good morning</h1><p>What the house needs to know today.</p>"


def page(
    script: str,
    box: str = "<rag-search></rag-search>",
    *,
    main: str = MAIN,
    lang: str = "en",
    direction: str = "ltr",
) -> str:
    """A page of an intranet with the box in its header."""
    tag = f'<script type="module" src="{escape(script)}"></script>' if script else ""
    return PAGE.format(script=tag, box=box, main=main, lang=lang, direction=direction)


def tag(**attributes: str | bool) -> str:
    """`<rag-search>` with these attributes; `_` stands for `-`, True for one without a value."""
    given = []
    for name, value in attributes.items():
        if value is not False:
            given.append(name.replace("_", "-") + ("" if value is True else f'="{escape(str(value))}"'))
    return f"<rag-search {' '.join(given)}></rag-search>"


def policy(service: str, *connect: str) -> str:
    """What a careful host allows: its own, and of the service no more than the box needs."""
    return (
        f"default-src 'none'; script-src 'self' {service}; style-src 'self'; "
        f"connect-src 'self' {' '.join({service, *connect})}; img-src blob:"
    )


def sign(**claims: Any) -> str:
    """A token for a reader of the host; claims replace those of a good one."""
    good = {"sub": "anna", "aud": "citebox", "exp": int(time.time()) + 600, "groups": ["everyone"]}
    return jwt.encode({**good, **claims}, SECRET, "HS256")


@dataclass
class Host:
    """A site of its own origin. `files` are what it serves, `tokens` what its token endpoint gives."""

    policy: str = ""
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    tokens: list[str | int] = field(default_factory=list)
    asked: int = 0
    lives_seconds: int = 600
    port: int = 0

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def elsewhere(self) -> str:
        """The same pages under an origin that the service does not know."""
        return f"http://stranger.localhost:{self.port}"

    def put(self, html: str, path: str = "/") -> None:
        self.files[path] = ("text/html; charset=utf-8", html)

    def reset(self) -> None:
        self.files = {"/style.css": ("text/css", STYLE)}
        self.tokens, self.asked, self.lives_seconds = [], 0, 600

    def token(self) -> tuple[int, dict[str, Any]]:
        """What the token endpoint answers: the last of `tokens` again and again."""
        self.asked += 1
        given: str | int = self.tokens[min(self.asked, len(self.tokens)) - 1] if self.tokens else sign()
        if isinstance(given, int):
            return given, {}
        return 200, {"token": given, "expires_in": self.lives_seconds}

    def __enter__(self) -> Self:
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path == "/token":
                    status, body = host.token()
                    self._send(status, "application/json", json.dumps(body))
                elif path in host.files:
                    self._send(200, *host.files[path])
                else:
                    self._send(404, "text/plain", "")

            def _send(self, status: int, kind: str, text: str) -> None:
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Cache-Control", "no-store")
                if kind.startswith("text/html"):
                    self.send_header("Content-Security-Policy", host.policy)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class Line:
    """A TCP line to the service that can be slow, and be cut."""

    def __init__(self, service: str) -> None:
        parts = urlsplit(service)
        self._target = (parts.hostname or "", parts.port or 80)
        self._ends: list[socket.socket] = []
        self.delay = 0.0
        """Seconds that each piece of a reply waits."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._door.getsockname()[1]}"

    def cut(self) -> None:
        """Ends every connection in the middle of what it says."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._door = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._answer, daemon=True).start()
        return self

    def close(self) -> None:
        """Nobody is there any more."""
        # A thread that waits at the door would let one more in.
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._ends += [near, far]
            threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, waits: bool) -> None:
        # Each thread closes what it reads from; the other end is told that no more will come.
        with contextlib.suppress(OSError), source:
            while data := source.recv(65536):
                if waits and self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
