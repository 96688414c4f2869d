"""The page as a whole: keys, sizes, colours, and documents that mean harm."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.claude_server import Cite, ClaudeServer, Part, Text
from tests.live import LiveService

from .conftest import Complaints
from .library import BACKUPS, BACKUPS_QUOTE, HOSTILE, HOSTILE_QUOTE, HOSTILE_TITLE, SAMPLE_QUESTION
from .steps import ask_and_wait, is_in_the_middle, marked, see_state

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SMALL = {"viewport": {"width": 320, "height": 568}}
DARK = {"color_scheme": "dark"}
LIGHT = {"color_scheme": "light"}

# Text and what it stands on.
TEXT_PAIRS = [
    ("--ink", "--ground"),
    ("--ink", "--surface"),
    ("--ink", "--sunken"),
    ("--muted", "--ground"),
    ("--muted", "--surface"),
    ("--muted", "--sunken"),
    ("--accent", "--tint"),
    ("--on-accent", "--accent"),
    ("--on-accent", "--accent-hover"),
    ("--pen-ink", "--pen"),
    ("--warn", "--warn-ground"),
    ("--warn", "--ground"),
    ("--muted", "--warn-ground"),
    ("--ink", "--warn-ground"),
]


def test_everything_can_be_done_with_the_keyboard_alone(page: Page) -> None:
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(BACKUPS)
    page.keyboard.press("Enter")
    see_state(page, "answered")

    _tab_to(page, ".marker")
    page.keyboard.press("Enter")
    expect(page.locator("#stored")).to_be_focused()
    assert marked(page) == BACKUPS_QUOTE
    page.keyboard.press("Escape")
    expect(page.locator("dialog#source")).to_be_hidden()
    expect(page.locator(".marker").first).to_be_focused()

    _tab_to(page, "#citations a")
    page.keyboard.press("Enter")
    assert marked(page) == BACKUPS_QUOTE
    page.keyboard.press("Escape")
    expect(page.locator("#citations a").first).to_be_focused()

    page.keyboard.press("Escape")
    expect(page.locator("#question")).to_be_focused()
    expect(page.locator("#question")).to_have_value("")


def test_the_focus_stays_where_the_reader_works(page: Page) -> None:
    page.locator("#examples button").first.click()
    see_state(page, "answered")
    expect(page.locator("#submit")).to_be_focused()

    page.locator(".marker").first.click()
    assert marked(page)
    ask_and_wait(page, BACKUPS)
    expect(page.locator("dialog#source")).to_be_hidden()
    expect(page.locator("#question")).to_be_focused()


def test_shift_enter_makes_a_line_and_does_not_ask(page: Page) -> None:
    page.keyboard.type("One")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(page.locator("#question")).to_have_value("One\ntwo")
    expect(page.locator("#answer")).to_be_hidden()


def test_the_page_has_a_search_landmark_a_named_box_and_lists(page: Page) -> None:
    ask_and_wait(page, BACKUPS)
    expect(page.get_by_role("search")).to_be_visible()
    expect(page.get_by_role("textbox", name="Your question")).to_be_visible()
    expect(page.get_by_role("article", name=f"Answer to: {BACKUPS}")).to_be_visible()
    expect(page.get_by_role("list").and_(page.locator("#citations ol"))).to_be_visible()
    expect(page.get_by_role("button", name="Source 1: Operations handbook").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Citebox"))


def test_an_empty_library_says_how_to_fill_it(page: Page) -> None:
    _pretend_ready(page, documents=0)
    expect(page.locator("#note")).to_have_text("There are no documents yet. Add some: ingest add PATH")
    expect(page.locator("#examples")).to_be_hidden()


def test_a_large_library_is_counted_and_not_listed(page: Page) -> None:
    _pretend_ready(page, documents=12_345)
    expect(page.locator("#note")).to_have_text("Answers come from 12,345 documents.")
    expect(page.locator("#library")).to_be_hidden()


def test_a_page_opened_while_the_service_starts_says_so_and_then_offers_its_examples(
    page: Page, complaints: Complaints
) -> None:
    complaints.expect("503")
    page.route("**/readyz", lambda route: route.fulfill(status=503, json={"status": "starting"}), times=1)
    page.goto("/")
    expect(page.locator("#note")).to_contain_text("The service is starting")
    expect(page.locator("#examples button").first).to_be_visible()
    expect(page.locator("#note")).to_be_hidden()


@pytest.mark.parametrize("context", [PHONE, SMALL], indirect=True, ids=["phone", "smallest"])
def test_nothing_scrolls_sideways_on_a_phone(page: Page, tmp_path: Path) -> None:
    _fits(page)
    page.screenshot(path=tmp_path / "empty.png")
    ask_and_wait(page, BACKUPS)
    _fits(page)
    page.screenshot(path=tmp_path / "answer.png")
    page.locator(".marker").first.click()
    assert marked(page) == BACKUPS_QUOTE
    _fits(page)
    assert page.evaluate("document.querySelector('#stored').scrollWidth <= innerWidth")
    page.screenshot(path=tmp_path / "source.png")


@pytest.mark.parametrize("context", [LIGHT, DARK], indirect=True, ids=["light", "dark"])
def test_text_stands_out_by_wcag_aa_in_light_and_dark(
    page: Page, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    ask_and_wait(page, BACKUPS)
    page.locator(".marker").first.click()
    assert marked(page) == BACKUPS_QUOTE
    page.screenshot(path=tmp_path / "source.png")
    names = sorted({name for pair in TEXT_PAIRS for name in pair})
    script = (
        "(names) => names.map((n) => getComputedStyle(document.documentElement).getPropertyValue(n).trim())"
    )
    colours = dict(zip(names, page.evaluate(script, names), strict=True))
    is_dark = _luminance(colours["--ground"]) < 0.1
    assert is_dark == ("dark" in request.node.callspec.id)
    for text, ground in TEXT_PAIRS:
        assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def test_hostile_documents_and_answers_are_only_ever_text(page: Page, claude: ClaudeServer) -> None:
    ask_and_wait(page, HOSTILE)
    expect(page.locator("#citations cite").first).to_have_text(HOSTILE_TITLE)
    page.locator("#citations a", has_text="ledger of the lighthouse is kept").first.click()
    assert marked(page) == HOSTILE_QUOTE
    expect(page.locator("#source-title")).to_have_text(HOSTILE_TITLE)
    _unharmed(page)

    claude.enqueue(Text(Part(f"{HOSTILE_TITLE} **{HOSTILE_TITLE}** [x](javascript:window.pwned=6) ", Cite())))
    ask_and_wait(page, f"{HOSTILE} {HOSTILE_TITLE}")
    expect(page.locator("#text")).to_contain_text(HOSTILE_TITLE)
    expect(page.locator("#text strong")).to_have_text(HOSTILE_TITLE)
    _unharmed(page)

    page.goto("/")
    page.locator("#library summary").click()
    expect(page.locator("#library")).to_contain_text(HOSTILE_TITLE)
    _unharmed(page)


def test_the_screenshot_of_the_readme_shows_an_answer_and_its_source(
    page: Page, keyless: LiveService, tmp_path: Path
) -> None:
    wanted = os.environ.get("CITEBOX_SCREENSHOTS") == "1"
    folder = Path(__file__).parents[2] / "docs" / "images" if wanted else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": 1280, "height": 960})
    page.goto(keyless.url)
    expect(page.locator("#library")).to_be_visible()
    ask_and_wait(page, SAMPLE_QUESTION)
    page.locator(".marker").first.click()
    assert marked(page)
    assert is_in_the_middle(page)
    page.screenshot(path=folder / "search-page.png", animations="disabled")


def _pretend_ready(page: Page, documents: int) -> None:
    ready = {"status": "ready", "documents": documents, "chunks": 0, "answers": "claude"}
    page.route("**/readyz", lambda route: route.fulfill(json=ready))
    page.goto("/")


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def _fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _unharmed(page: Page) -> None:
    assert page.evaluate("window.pwned") is None
    assert page.locator("main img, main script, main iframe, dialog img, dialog script").count() == 0
    hrefs = page.evaluate("[...document.links].map((link) => link.protocol)")
    assert "javascript:" not in hrefs


def _luminance(colour: str) -> float:
    """WCAG 2.2 relative luminance of `#rrggbb`."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
