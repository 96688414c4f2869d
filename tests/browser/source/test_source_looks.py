"""The source view as a whole: for assistive technology, on paper, and in pictures for the docs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ..conftest import Complaints
from .conftest import EMOJI, LIBRARY, PASSAGE, SECOND, Stored, Take, address, marked, middle

ROOT = Path(__file__).parents[3]
AXE = ROOT / "rag/searchbox/node_modules/axe-core/axe.min.js"
DARK = {"color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
ZOOMED = {"viewport": {"width": 640, "height": 400}}
FORCED = {"forced_colors": "active"}
POSTGRES = (
    "The system physically divides this sequence into WAL segment files, which are normally 16MB apiece "
    "(although the segment size can be altered during initdb)."
)


def violations(page: Page) -> list[str]:
    """What axe finds (https://github.com/dequelabs/axe-core), put in past the page's policy."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:120]} ({node['failureSummary']})"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("context", [{}, DARK, PHONE, ZOOMED, FORCED], indirect=True)
def test_axe_finds_nothing(view: Page, ferries: Stored, lemonade: Stored) -> None:
    view.goto(address([ferries.cite(PASSAGE), lemonade.cite(EMOJI), ferries.cite(SECOND)]))
    assert marked(view) == PASSAGE
    narrow = view.locator("#view-page").is_visible()
    if narrow:
        view.mouse.click(*middle(view, "#view-page"))
    expect(view.locator(".pen")).to_be_visible()
    assert violations(view) == []
    if narrow:
        view.mouse.click(*middle(view, "#view-text"))
        assert violations(view) == []
    view.keyboard.press("n")
    expect(view.locator("#step")).to_have_text("2 of 3")
    expect(view.locator("#text mark")).to_have_text(EMOJI)
    assert violations(view) == []


def test_axe_finds_nothing_where_something_went_wrong(
    view: Page, ferries: Stored, complaints: Complaints
) -> None:
    complaints.expect("404")
    view.goto("/source/00000000-0000-0000-0000-000000000000")
    expect(view.locator("#problem")).to_be_visible()
    assert violations(view) == []
    view.goto(f"/source/{ferries.id}?version=gone&start=0&end=5")
    expect(view.locator("#notice")).to_be_visible()
    assert violations(view) == []


def test_on_paper_there_is_the_document_and_nothing_else(view: Page, ferries: Stored) -> None:
    view.goto(address([ferries.cite(PASSAGE), ferries.cite(SECOND)]))
    assert marked(view) == PASSAGE
    view.emulate_media(media="print")
    for gone in ("#pages", "#outline", "#steps", ".actions", ".brand"):
        expect(view.locator(gone).first).to_be_hidden()
    expect(view.locator("h1")).to_be_visible()
    expect(view.locator("#text section").last).to_be_visible()


@pytest.mark.parametrize("context", [ZOOMED, {"viewport": {"width": 320, "height": 568}}], indirect=True)
def test_nothing_is_cut_off_where_there_is_little_room(view: Page, ferries: Stored) -> None:
    view.goto(address([ferries.cite(PASSAGE), ferries.cite(SECOND)]))
    assert marked(view) == PASSAGE
    width = view.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    for shown in ("#next", "#copy-link", "#view-page"):
        expect(view.locator(shown)).to_be_in_viewport()


@pytest.mark.skipif(not os.environ.get("CITEBOX_SCREENSHOTS"), reason="makes the pictures of the docs")
@pytest.mark.parametrize("context", [{"viewport": {"width": 1440, "height": 900}}], indirect=True)
def test_screenshots_of_the_source_view(view: Page, take: Take) -> None:
    folder = ROOT / "docs" / "screenshots"
    folder.mkdir(exist_ok=True)
    pdf, page = "postgresql-backup-and-restore.pdf", "sqlite-how-to-corrupt-a-database.html"
    backup = take(pdf, (LIBRARY / pdf).read_bytes())
    sqlite = take(page, (LIBRARY / page).read_bytes())
    words = next(line for line in sqlite.text.splitlines() if "backup" in line.lower() and len(line) > 120)
    cites = [backup.cite(POSTGRES), sqlite.cite(words[: words.index(".") + 1], 2)]
    view.goto(address(cites))
    assert marked(view) == POSTGRES
    expect(view.locator(".pen")).to_have_count(2)
    view.wait_for_timeout(500)
    view.screenshot(path=folder / "source-pdf.png")
    view.keyboard.press("n")
    expect(view.locator("#step")).to_have_text("2 of 2")
    assert marked(view)
    view.mouse.move(700, 880)
    view.wait_for_timeout(500)
    view.screenshot(path=folder / "source-text.png")
