"""What every request passes: an id, the right host, no cross-site writes, and headers that confine pages."""

from __future__ import annotations

import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.problems import MEDIA_TYPE, Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Guard:
    """ASGI middleware; pure, so that it never buffers a stream or hides a client that hangs up."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        """`hosts` are the names the service answers for; any when empty."""
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ident = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = ident
        refusal = self._refusal(scope["method"], Headers(scope=scope))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = ident
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Content-Security-Policy"] = PAGE_POLICY
            await send(message)

        if refusal is None:
            await self._app(scope, receive, with_headers)
            return
        problem = Problem(title="Not allowed", status=403, detail=refusal, code="forbidden", request_id=ident)
        reply = JSONResponse(problem.model_dump(exclude_none=True), 403, media_type=MEDIA_TYPE)
        await reply(scope, receive, with_headers)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        """Why a request is refused: DNS rebinding by its Host, cross-site writes by what the browser says."""
        host = headers.get("host", "").rsplit(":", 1)[0].strip("[]")
        if self._hosts and host not in self._hosts:
            return f"this service does not answer for the host {host!r} (RAG_ALLOWED_HOSTS)"
        if method not in SAFE_METHODS and headers.get("sec-fetch-site", "none") in (
            "cross-site",
            "same-site",
        ):
            return "requests from other sites' pages are not accepted"
        return None
