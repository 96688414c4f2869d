"""The search page at `/` and its files."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from rag.errors import NotFound

router = APIRouter(include_in_schema=False)

TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@router.api_route("/", methods=["GET", "HEAD"])
async def search_page() -> Response:
    return _file("index.html", "text/html")


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
async def asset(name: str) -> Response:
    """A file of the search page; only those that ship with it."""
    kind = TYPES.get(name.rsplit(".", 1)[-1])
    if kind is None or not name.replace(".", "").replace("-", "").isalnum():
        raise NotFound(f"there is no file {name!r}")
    return _file(name, kind)


def _file(name: str, media_type: str) -> Response:
    resource = files("rag.searchbox").joinpath(name)
    if not resource.is_file():
        raise NotFound(f"there is no file {name!r}")
    return Response(
        resource.read_bytes(),
        media_type=f"{media_type}; charset=utf-8",
        headers={"Cache-Control": "no-cache"},
    )
