"""What every request passes: an id, the right host, pages that may ask, and headers that confine pages."""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.deps import LOOPBACK, check_write
from rag.api.problems import MEDIA_TYPE, problem_of
from rag.errors import CiteboxError, Forbidden, NotFound, OriginNotAllowed, TooLarge
from rag.origins import Page, page_of
from rag.settings import Settings

BODY_BYTES = 1_000_000
"""Of any request; an upload may have as much more as a file may have."""
API = "/v1/"
DOCUMENTS = "/v1/documents"
OPERATORS = re.compile(r"/v1/(?:admin|usage)(?:/.*)?", re.S)
"""Nothing of it is for another site's page, not even to read."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WRITES = {
    "POST": re.compile(r"/v1/(?:ask|search|feedback)/?"),
    "DELETE": re.compile(r"/v1/conversations/[^/]+/?"),
}
"""What the page of an allowed origin may do beyond reading. A new path is not among it by itself."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""A route lets a line break pass at the end of its path, and what is looked up by path would miss it."""
READABLE = re.compile(r"/v1/.*|/(?:readyz|healthz)", re.S)
"""Where replies can be read by the page of an allowed origin."""
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "authorization, content-type, accept",
    "Access-Control-Max-Age": "7200",
}
EXPOSED = "X-Request-Id, Retry-After"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
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
        asked = Headers(scope=scope)
        page = page_of(asked, self._settings.allowed_origins)
        shared = self._cors(scope["path"], page)
        scope.setdefault("state", {}).update(request_id=ident, cors=shared)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = ident
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if scope["path"].startswith(API):
                    # As a picture or script of another site's page, nothing of the API is loaded.
                    headers["Cross-Origin-Resource-Policy"] = "same-origin"
                    headers.setdefault("Cache-Control", "no-store")
                    # Nor is what a browser may keep shown to the next one who signs in there.
                    headers.add_vary_header("Authorization, Cookie")
                if message["status"] == 401:
                    headers["WWW-Authenticate"] = "Bearer"
                for name, value in shared.items():
                    if name == "Vary":
                        headers.add_vary_header(value)
                    else:
                        headers[name] = value
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Content-Security-Policy"] = PAGE_POLICY
            await send(message)

        try:
            limit = self._check(scope, asked, page)
        except CiteboxError as error:
            problem = problem_of(error, ident).model_dump(exclude_none=True)
            await JSONResponse(problem, error.status, media_type=MEDIA_TYPE)(scope, receive, with_headers)
            return
        if _is_preflight(scope["method"], asked, page):
            await Response(status_code=204, headers=PREFLIGHT)(scope, receive, with_headers)
            return
        await self._app(scope, _limited(receive, limit), with_headers)

    def _cors(self, path: str, page: Page) -> dict[str, str]:
        """The headers by which a page of an allowed origin may read the reply."""
        if not self._settings.allowed_origins or not READABLE.fullmatch(path):
            return {}
        shared = {"Vary": "Origin"}
        if page.kind == "allowed":
            shared |= {"Access-Control-Allow-Origin": page.origin, "Access-Control-Expose-Headers": EXPOSED}
        return shared

    def _check(self, scope: Scope, headers: Headers, page: Page) -> int:
        """The most bytes the request's body may have; all that can be refused before it is read, is.

        Raises:
            NotFound: no path has such characters.
            Forbidden: a foreign Host, or a write without the right to it.
            OriginNotAllowed: another site's page wants more than it may.
            TooLarge: the body says itself that it is too long.
        """
        host = _host_name(headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            raise Forbidden(f"this service does not answer for the host {host!r}", remedy="RAG_ALLOWED_HOSTS")
        method, path = scope["method"], scope["path"]
        if _is_preflight(method, headers, page):
            method = headers["access-control-request-method"]
            if page.kind == "foreign" or not READABLE.fullmatch(path):
                raise _not_allowed(page)
        if page.kind != "own":
            _check_page(method, path, page)
        if _CONTROL.search(path):
            raise NotFound("there is no such path")
        limit = BODY_BYTES
        if method not in SAFE_METHODS and path.rstrip("/").startswith(DOCUMENTS):
            check_write(self._settings, headers)
            limit += self._settings.max_file_mb * 1_000_000
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > limit:
            raise TooLarge(f"the request is larger than {limit // 1000} kB")
        return limit


def _check_page(method: str, path: str, page: Page) -> None:
    """Whether a page that is not our own may ask for this.

    Raises:
        OriginNotAllowed: it may not.
    """
    if OPERATORS.fullmatch(path):
        raise OriginNotAllowed(
            "this is not for the pages of other origins", remedy="use the service's own pages"
        )
    if method in SAFE_METHODS:  # answered as always; only an allowed origin's page can read the answer
        return
    if page.kind == "foreign":
        raise _not_allowed(page)
    allowed = WRITES.get(method)
    if allowed is None or not allowed.fullmatch(path):
        raise OriginNotAllowed(
            "this is not for the pages of other origins", remedy="use the service's own pages"
        )


def _not_allowed(page: Page) -> OriginNotAllowed:
    whose = f"the origin {page.origin[:200]!r} " if page.origin else "this page's origin "
    return OriginNotAllowed(f"{whose}is not one whose pages may ask", remedy="add it to RAG_ALLOWED_ORIGINS")


def _is_preflight(method: str, headers: Headers, page: Page) -> bool:
    """Whether the browser asks first, for another origin: https://fetch.spec.whatwg.org/#http-cors-protocol"""
    return page.kind != "own" and method == "OPTIONS" and "access-control-request-method" in headers


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
