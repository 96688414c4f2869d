"""Which page a request comes from, as the browser says it, and whether that page may ask.

`Sec-Fetch-Site` is the browser's own word, which no page can change; where it is missing (older browsers,
plain http) the `Origin` is compared with the host that was asked. A program that is no browser can send what
it likes: all this protects readers from other people's pages, and is no sign-on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Page:
    """`own`: of this service, or no page at all; `allowed`: of RAG_ALLOWED_ORIGINS; `foreign`: any other."""

    kind: Literal["own", "allowed", "foreign"]
    origin: str = ""


OWN = Page("own")


def page_of(headers: Mapping[str, str], allowed: tuple[str, ...]) -> Page:
    """The page that sends a request."""
    origin = headers.get("origin", "")
    site = headers.get("sec-fetch-site", "")
    if site in ("same-origin", "none"):
        return OWN
    if not site and (not origin or _asked(origin) == headers.get("host", "").lower()):
        return OWN
    return Page("allowed" if origin in allowed else "foreign", origin)


def checked_origin(given: str) -> str:
    """The origin as browsers write it.

    Raises:
        ValueError: it is no exact origin; with the reason.
    """
    try:
        parts = urlsplit(given)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise ValueError(f"names no origin: {given!r}") from None
    if parts.scheme not in DEFAULT_PORTS or not host or not given.isascii() or "*" in given:
        raise ValueError(
            f"takes exact origins such as https://docs.example.com, not {given!r} "
            "(no wildcard, no null; other alphabets as xn--…)"
        )
    shown = f"[{host}]" if ":" in host else host
    number = "" if port is None or port == DEFAULT_PORTS[parts.scheme] else f":{port}"
    origin = f"{parts.scheme}://{shown}{number}"
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc or given.endswith(("?", "#")):
        raise ValueError(f"takes origins, not addresses: {given!r} (did you mean {origin}?)")
    if any(not (part.isalnum() or part in "-._:[]") for part in shown):
        raise ValueError(f"names no origin: {given!r}")
    return origin


def _asked(origin: str) -> str:
    """The Host header of a request to this origin; empty for `null`."""
    return origin.partition("://")[2].lower()
