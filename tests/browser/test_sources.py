"""From a marker to the place in the document that proves it."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.claude_server import Cite, ClaudeServer, Part, Text
from tests.live import LiveService

from .conftest import Complaints
from .library import BACKUPS, BACKUPS_QUOTE, FESTIVAL, FESTIVAL_QUOTE, PARKING, PARKING_QUOTE
from .steps import ask_and_wait, is_in_the_middle, marked

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
PANEL = "dialog#source"


def test_a_marker_opens_the_document_at_the_quote(page: Page) -> None:
    ask_and_wait(page, BACKUPS)
    page.locator(".marker").first.click()

    assert marked(page) == BACKUPS_QUOTE
    expect(page.locator("#source-title")).to_have_text("Operations handbook")
    expect(page.locator("#source-place")).to_have_text("Backups")
    expect(page.locator("#stored").get_by_role("heading", name="Access")).to_be_attached()
    expect(page.locator("#announcer")).to_have_text("Source opened, Backups")


def test_the_place_is_right_where_emoji_stand_before_it(page: Page) -> None:
    ask_and_wait(page, FESTIVAL)
    page.locator("#citations a", has_text=FESTIVAL_QUOTE).first.click()
    assert marked(page) == FESTIVAL_QUOTE
    assert is_in_the_middle(page)


def test_pages_are_shown(page: Page) -> None:
    ask_and_wait(page, PARKING)
    page.locator("#citations a").first.click()
    assert marked(page) == PARKING_QUOTE
    expect(page.locator("#source-place")).to_contain_text("page 2")
    assert page.locator("#stored .page").all_text_contents() == ["Page 1", "Page 2", "Page 3"]


def test_the_panel_shows_every_character_of_the_stored_text(page: Page, service: LiveService) -> None:
    for record in httpx.get(f"{service.url}/v1/documents", trust_env=False).json()["documents"]:
        stored = httpx.get(f"{service.url}/v1/documents/{record['id']}/source", trust_env=False).json()[
            "text"
        ]
        page.goto(f"/#source={record['id']}")
        expect(page.locator("#source-title")).to_have_text(record["title"])
        expect(page.locator("#stored section").first).to_be_attached()
        shown = page.evaluate(
            """() => [...document.querySelectorAll('#stored section')].map((section) => {
              const copy = section.cloneNode(true);
              copy.querySelector('.page')?.remove();
              return copy.textContent;
            }).join('')"""
        )
        assert shown == stored


def test_the_next_and_the_previous_citation_are_one_button_away(page: Page, claude: ClaudeServer) -> None:
    claude.enqueue(Text(Part("One. ", Cite(0, 0, 1)), Part("Two. ", Cite(0, 1, 2))))
    ask_and_wait(page, BACKUPS)
    quotes = page.locator("#citations blockquote").all_text_contents()
    page.locator(".marker").first.click()
    expect(page.locator("#step")).to_have_text("1 of 2")
    expect(page.locator("#previous")).to_be_disabled()
    assert marked(page).strip() == quotes[0]

    page.locator("#next").click()
    expect(page.locator("#step")).to_have_text("2 of 2")
    assert marked(page).strip() == quotes[1]
    expect(page.locator("#next")).to_be_disabled()

    page.go_back()
    expect(page.locator(PANEL)).to_be_hidden()
    expect(page.locator("#text")).to_contain_text("One.")


def test_the_back_button_closes_the_source_and_forward_opens_it_again(page: Page) -> None:
    ask_and_wait(page, BACKUPS)
    page.locator(".marker").first.click()
    expect(page.locator(PANEL)).to_be_visible()
    page.go_back()
    expect(page.locator(PANEL)).to_be_hidden()
    page.go_forward()
    assert marked(page) == BACKUPS_QUOTE


def test_reload_keeps_the_answer_and_the_source_without_asking_again(
    page: Page, claude: ClaudeServer
) -> None:
    ask_and_wait(page, BACKUPS)
    page.locator(".marker").first.click()
    assert marked(page) == BACKUPS_QUOTE
    asked = len(claude.requests)

    page.reload()

    assert marked(page) == BACKUPS_QUOTE
    expect(page.locator("#text")).to_contain_text(BACKUPS_QUOTE)
    assert len(claude.requests) == asked


def test_the_address_alone_brings_a_colleague_to_the_same_place(page: Page, context: BrowserContext) -> None:
    ask_and_wait(page, BACKUPS)
    page.locator(".marker").first.click()
    assert marked(page) == BACKUPS_QUOTE

    other = context.new_page()
    other.goto(page.url)
    assert marked(other) == BACKUPS_QUOTE
    expect(other.locator("#text")).to_contain_text(BACKUPS_QUOTE)
    other.locator("#close").click()
    expect(other.locator(PANEL)).to_be_hidden()
    assert "#" not in other.url


def test_a_version_that_is_gone_is_said_so_and_the_live_one_offered(
    page: Page, service: LiveService, complaints: Complaints
) -> None:
    complaints.expect("404")
    records = httpx.get(f"{service.url}/v1/documents", trust_env=False).json()["documents"]
    record = next(one for one in records if one["title"] == "House rules")
    page.goto(f"/#source={record['id']}&version=gone&start=0&end=9")
    expect(page.locator("#stored .problem")).to_contain_text("not stored any more")

    page.get_by_role("button", name="Open the document as it is now").click()
    expect(page.locator("#stored")).to_contain_text(PARKING_QUOTE)


def test_escape_closes_the_source_and_gives_the_focus_back(page: Page) -> None:
    ask_and_wait(page, BACKUPS)
    page.locator(".marker").first.click()
    expect(page.locator("#stored")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(PANEL)).to_be_hidden()
    assert page.evaluate("location.search") != ""


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_on_a_phone_the_source_is_a_dialog_that_keeps_the_focus(page: Page) -> None:
    ask_and_wait(page, BACKUPS)
    page.locator(".marker").first.click()
    assert marked(page) == BACKUPS_QUOTE
    assert page.locator(PANEL).evaluate("(dialog) => dialog.matches(':modal')")
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#page')") is None

    page.keyboard.press("Escape")
    expect(page.locator(PANEL)).to_be_hidden()
    expect(page.locator(".marker").first).to_be_focused()
