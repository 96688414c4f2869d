"""The pages and their files: `/`, `/source/{document}`, `/admin`, `/playground`, and the search box."""

from __future__ import annotations

import re
from importlib.resources import files

from fastapi import APIRouter
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
async def search_page() -> Response:
    return _page("home")


@router.api_route("/source/{document_id}", methods=METHODS)
async def source_page(document_id: str) -> Response:
    """The page; the text comes to it through the API, with the reader's own rights."""
    return _page("source")


@router.api_route("/admin", methods=METHODS)
async def admin_page() -> Response:
    """The page; what it shows comes to it through the API, with the admin key."""
    return _page("admin")


@router.api_route("/playground", methods=METHODS)
async def playground_page() -> Response:
    return _page("playground")


@router.api_route("/searchbox.js", methods=METHODS)
async def searchbox() -> Response:
    return _file("rag.searchbox", "dist/searchbox.js", "text/javascript", ANY_ORIGIN)


@router.api_route("/searchbox.{language}.js", methods=METHODS)
async def searchbox_language(language: str) -> Response:
    """The texts of a language, which the box loads where it is wanted."""
    if not _LANGUAGE.fullmatch(language):
        raise NotFound(f"there is no search box in {language!r}")
    return _file("rag.searchbox", f"dist/searchbox.{language}.js", "text/javascript", ANY_ORIGIN)


@router.api_route("/assets/{page}/{name}", methods=METHODS)
async def asset(page: str, name: str) -> Response:
    """A file of a page; only those that ship with it."""
    known = _NAME.fullmatch(name)
    if known is None or page not in ("home", "source", "admin", "playground"):
        raise NotFound(f"there is no file {page}/{name}")
    return _file("rag.pages", f"{page}/{name}", TYPES[known["ending"]])


def _page(name: str) -> Response:
    return _file("rag.pages", f"{name}/index.html", "text/html")


def _file(package: str, name: str, media_type: str, headers: dict[str, str] | None = None) -> Response:
    resource = files(package).joinpath(name)
    if not resource.is_file():
        raise NotFound(f"there is no file {name}")
    return Response(
        resource.read_bytes(),
        media_type=f"{media_type}; charset=utf-8",
        headers={"Cache-Control": "no-cache", **(headers or {})},
    )
