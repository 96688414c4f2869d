"""What every request passes: an id, the right host, no cross-site writes, and headers that confine pages."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.deps import LOOPBACK, check_write
from rag.api.problems import MEDIA_TYPE, problem_of
from rag.errors import CiteboxError, Forbidden, TooLarge
from rag.settings import Settings

BODY_BYTES = 1_000_000
"""Of any request; an upload may have as much more as a file may have."""
DOCUMENTS = "/v1/documents"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Guard:
    """ASGI middleware; pure, so that it never buffers a stream or hides a client that hangs up."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        named = frozenset(settings.allowed_hosts)
        # A page that rebinds its DNS to us is known by its own host name. Any is answered when this is empty.
        self._hosts = named or (LOOPBACK if settings.host in LOOPBACK else frozenset())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ident = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = ident

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = ident
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Content-Security-Policy"] = PAGE_POLICY
            await send(message)

        try:
            limit = self._check(scope, Headers(scope=scope))
        except CiteboxError as error:
            problem = problem_of(error, ident).model_dump(exclude_none=True)
            await JSONResponse(problem, error.status, media_type=MEDIA_TYPE)(scope, receive, with_headers)
            return
        await self._app(scope, _limited(receive, limit), with_headers)

    def _check(self, scope: Scope, headers: Headers) -> int:
        """The most bytes the request's body may have; all that can be refused before it is read, is.

        Raises:
            Forbidden: a foreign Host, a write from another site's page, or one without the right to it.
            TooLarge: the body says itself that it is too long.
        """
        host = _host_name(headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            raise Forbidden(f"this service does not answer for the host {host!r}", remedy="RAG_ALLOWED_HOSTS")
        limit = BODY_BYTES
        if scope["method"] not in SAFE_METHODS:
            if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
                raise Forbidden("requests from other sites' pages are not accepted")
            if scope["path"].rstrip("/").startswith(DOCUMENTS):
                check_write(self._settings, headers)
                limit += self._settings.max_file_mb * 1_000_000
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > limit:
            raise TooLarge(f"the request is larger than {limit // 1000} kB")
        return limit


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _limited(receive: Receive, limit: int) -> Receive:
    """`receive`, which ends a body that goes past `limit` without having said so."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(TooLarge.status, f"the request is larger than {limit // 1000} kB")
        return message

    return counted
