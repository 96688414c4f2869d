"""Documents for the source view, taken in over HTTP by the service that the other browser tests use too."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from reportlab.pdfgen import canvas

from tests.live import LiveService

LIBRARY = Path(__file__).parents[3] / "data" / "library"
TOKEN_SECRET = "the secret of the source view's tests, long enough"

WIDTH, HEIGHT = 400, 560
PASSAGE = "The ferry to the island leaves at seven in the morning."
SECOND = "The last ferry back leaves at nine in the evening."
EMOJI = "Lemonade 🍋 is sold on board."
HIDDEN = "The captain's safe opens with the number four."
ARABIC = "تُحفظ النسخ الاحتياطية تسعين يومًا."

CHAPTERS = ("Leaving the mainland", "Prices", "In the morning", "Boats", "In the evening")

_EMOJI_PAGE = f"""# Ferries 🚢🚢🚢

{"A paragraph full of joy 🎈🥳 and of flags 🏳️‍🌈. " * 60}

## On board 🍹

{EMOJI} Bread is free.

### Deck

Chairs are on the upper deck.
"""
_ARABIC_PAGE = f"""# سياسة النسخ الاحتياطي

{ARABIC} وبعد ذلك تُمحى كل نسخة.

An English paragraph in between.
"""


def timetable() -> bytes:
    """Five pages; the passage is on the third, where nothing else stands near it."""
    out = io.BytesIO()
    drawing = canvas.Canvas(out, pagesize=(WIDTH, HEIGHT), invariant=1)
    drawing.setTitle("Timetable of the ferries")
    for page, chapter in enumerate(CHAPTERS, start=1):
        drawing.setFont("Helvetica-Bold", 16)
        drawing.drawString(40, 500, chapter)
        drawing.bookmarkPage(chapter)
        drawing.addOutlineEntry(chapter, chapter, 0)
        drawing.setFont("Helvetica", 11)
        for line in range(6):
            drawing.drawString(
                40, 460 - 20 * line, f"On pier {page}{line} there is a bench for those who wait."
            )
        if page == 3:
            drawing.drawString(40, 200, PASSAGE)
        if page == 5:
            drawing.drawString(40, 200, SECOND)
        drawing.showPage()
    drawing.save()
    return out.getvalue()


@dataclass(frozen=True)
class Stored:
    """A document as the service has it."""

    id: str
    version: str
    title: str
    text: str

    def cite(self, words: str, marker: int = 1, **more: Any) -> dict[str, Any]:
        start = self.text.index(words)
        return {
            "document_id": self.id,
            "version": self.version,
            "start": start,
            "end": start + len(words),
            "title": self.title,
            "marker": marker,
            **more,
        }


def encoded(cites: list[dict[str, Any]]) -> str:
    return base64.urlsafe_b64encode(json.dumps(cites).encode()).decode().rstrip("=")


def address(cites: list[dict[str, Any]], at: int = 0, **fragment: str) -> str:
    """The address that a box gives the citation."""
    cite = cites[at]
    query = urlencode({name: cite[name] for name in ("version", "start", "end")})
    told = urlencode({"cites": encoded(cites), "at": at, **fragment})
    return f"/source/{cite['document_id']}?{query}#{told}"


Take = Callable[..., Stored]


@pytest.fixture(scope="package")
def take(service: LiveService) -> Iterator[Take]:
    """Takes a document in, or another version of it; all are removed in the end."""
    taken: set[str] = set()
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as http:

        def one(name: str, data: bytes | str, groups: str = "everyone") -> Stored:
            body = data if isinstance(data, bytes) else data.encode()
            form = {"collection": "ferries", "groups": groups}
            added = http.post("/v1/documents", files={"file": (name, body)}, data=form)
            record = added.raise_for_status().json()["document"]
            taken.add(record["id"])
            source = http.get(f"/v1/documents/{record['id']}/source")
            text = source.json()["text"] if source.is_success else HIDDEN
            return Stored(record["id"], record["version"], record["title"], text)

        yield one
        for ident in taken:
            http.delete(f"/v1/documents/{ident}")


@pytest.fixture(scope="package")
def ferries(take: Take) -> Stored:
    return take("timetable.pdf", timetable())


@pytest.fixture(scope="package")
def lemonade(take: Take) -> Stored:
    return take("lemonade.md", _EMOJI_PAGE)


@pytest.fixture(scope="package")
def arabic(take: Take) -> Stored:
    return take("backups.md", _ARABIC_PAGE)


@pytest.fixture(scope="package")
def secured(data_dir: Path, take: Take) -> Iterator[LiveService]:
    """The same documents, with tokens that say who reads; the log is its own."""
    live = LiveService(data_dir)
    live.log = data_dir / "secured.log"
    with live:
        yield live.start({"RAG_TOKEN_SECRET": TOKEN_SECRET, "RAG_RERANK": "false"})


@pytest.fixture
def view(context: BrowserContext) -> Page:
    """An empty tab."""
    return context.new_page()


def marked(page: Page) -> str:
    """What is under the marker pen in the text."""
    expect(page.locator("#text mark").first).to_be_visible()
    return "".join(page.locator("#text mark").all_text_contents())


def middle(page: Page, selector: str) -> tuple[float, float]:
    """Where to press. A locator scrolls before it does, to the top for a button in the bar that stays."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def comes_to_rest_in_view(page: Page, selector: str) -> None:
    """Wait until the element stands below the bar and above the end of the window."""
    page.wait_for_function(
        """(selector) => {
          const bar = document.querySelector('.bar').getBoundingClientRect().bottom;
          const box = document.querySelector(selector).getBoundingClientRect();
          return box.top >= bar - 1 && box.bottom <= innerHeight;
        }""",
        arg=selector,
    )
