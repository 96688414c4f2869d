"""The pages and their files: `/`, `/source/{document}`, `/admin`, `/playground`, and the search box."""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import Response

from rag.errors import NotFound

router = APIRouter(include_in_schema=False)

TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
METHODS = ["GET", "HEAD"]
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*\.(?P<ending>css|js|svg)")
_LANGUAGE = re.compile(r"[a-z]{2}")
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""For the search box alone: a module script of another site is fetched with CORS."""


@router.api_route("/", methods=METHODS)
async def search_page(request: Request) -> Response:
    return _page(request, "home")


@router.api_route("/source/{document_id}", methods=METHODS)
async def source_page(request: Request, document_id: str) -> Response:
    """The page; the text comes to it through the API, with the reader's own rights."""
    return _page(request, "source")


@router.api_route("/admin", methods=METHODS)
async def admin_page(request: Request) -> Response:
    """The page; what it shows comes to it through the API, with the admin key."""
    return _page(request, "admin")


@router.api_route("/playground", methods=METHODS)
async def playground_page(request: Request) -> Response:
    return _page(request, "playground")


@router.api_route("/searchbox.js", methods=METHODS)
async def searchbox(request: Request) -> Response:
    return _file(request, "rag.searchbox", "dist/searchbox.js", "text/javascript", ANY_ORIGIN)


@router.api_route("/searchbox.{language}.js", methods=METHODS)
async def searchbox_language(request: Request, language: str) -> Response:
    """The texts of a language, which the box loads where it is wanted."""
    if not _LANGUAGE.fullmatch(language):
        raise NotFound(f"there is no search box in {language!r}")
    return _file(request, "rag.searchbox", f"dist/searchbox.{language}.js", "text/javascript", ANY_ORIGIN)


@router.api_route("/assets/{page}/{name}", methods=METHODS)
async def asset(request: Request, page: str, name: str) -> Response:
    """A file of a page; only those that ship with it."""
    known = _NAME.fullmatch(name)
    if known is None or page not in ("shared", "home", "source", "admin", "playground"):
        raise NotFound(f"there is no file {page}/{name}")
    return _file(request, "rag.pages", f"{page}/{name}", TYPES[known["ending"]])


def _page(request: Request, name: str) -> Response:
    return _file(request, "rag.pages", f"{name}/index.html", "text/html")


def _file(
    request: Request, package: str, name: str, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    resource = files(package).joinpath(name)
    if not resource.is_file():
        raise NotFound(f"there is no file {name}")
    body = resource.read_bytes()
    sent = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding", **(headers or {})}
    # Only what is the same for everybody is packed: nothing secret can be told by its size.
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = _packed(body)
        sent["Content-Encoding"] = "gzip"
    return Response(body, media_type=f"{media_type}; charset=utf-8", headers=sent)


@lru_cache(maxsize=64)
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)
