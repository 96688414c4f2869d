"""The source view: the passage in the text and on the picture, and the way to the next one."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import jwt
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.live import LiveService

from ..conftest import Complaints
from ..library import HOSTILE_QUOTE, HOSTILE_TITLE
from .conftest import (
    ARABIC,
    EMOJI,
    HEIGHT,
    HIDDEN,
    PASSAGE,
    SECOND,
    TOKEN_SECRET,
    WIDTH,
    Stored,
    Take,
    address,
    comes_to_rest_in_view,
    encoded,
    marked,
    middle,
    timetable,
)

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


# ---------------------------------------------------------------- the passage


def test_the_passage_is_marked_in_the_text_and_on_the_picture(view: Page, ferries: Stored) -> None:
    view.goto(address([ferries.cite(PASSAGE)]))
    assert marked(view) == PASSAGE
    comes_to_rest_in_view(view, "#text mark")
    expect(view.locator("#text mark")).to_be_focused()
    expect(view.locator("h1")).to_have_text("Timetable of the ferries")
    expect(view.locator("#place")).to_contain_text("In the morning")
    expect(view.locator("#place")).to_contain_text("Page 3")
    expect(view.locator("#outline [aria-current]")).to_have_text("In the morning")
    expect(view.locator("#page-number")).to_have_text("Page 3 of 5")
    expect(view.locator("#picture")).to_be_visible()
    expect(view.locator(".pen")).to_have_count(1)

    pen, paper = view.locator(".pen").bounding_box(), view.locator("#paper").bounding_box()
    assert pen is not None
    assert paper is not None
    assert abs((pen["x"] - paper["x"]) / paper["width"] - 40 / WIDTH) < 0.01
    assert (pen["y"] - paper["y"]) / paper["height"] < 1 - 200 / HEIGHT
    assert (pen["y"] + pen["height"] - paper["y"]) / paper["height"] > 1 - 200 / HEIGHT


def test_the_place_is_right_where_emoji_stand_before_it(view: Page, lemonade: Stored) -> None:
    view.goto(address([lemonade.cite(EMOJI)]))
    assert marked(view) == EMOJI
    comes_to_rest_in_view(view, "#text mark")
    expect(view.locator("#pages")).to_be_hidden()
    expect(view.locator("#outline [aria-current]")).to_have_text("On board 🍹")


def test_every_character_of_the_stored_text_is_shown(
    view: Page, ferries: Stored, lemonade: Stored, arabic: Stored
) -> None:
    for stored in (ferries, lemonade, arabic):
        view.goto(f"/source/{stored.id}")
        expect(view.locator("h1")).to_have_text(stored.title)
        shown = view.evaluate(
            """() => [...document.querySelectorAll('#text section')].map((section) => {
              const copy = section.cloneNode(true);
              copy.querySelector('.divider')?.remove();
              return copy.textContent;
            }).join('')"""
        )
        assert shown == stored.text


def test_each_paragraph_runs_in_its_own_direction(view: Page, arabic: Stored) -> None:
    view.goto(address([arabic.cite(ARABIC)]))
    assert marked(view) == ARABIC
    box, text = view.locator("#text mark").bounding_box(), view.locator("#text").bounding_box()
    assert box is not None
    assert text is not None
    assert abs(box["x"] + box["width"] - text["x"] - text["width"]) < 2


def test_a_title_that_means_harm_is_only_words(view: Page, service: LiveService, take: Take) -> None:
    records = httpx.get(f"{service.url}/v1/documents", trust_env=False).json()["documents"]
    record = next(one for one in records if one["title"] == HOSTILE_TITLE)
    text = httpx.get(f"{service.url}/v1/documents/{record['id']}/source", trust_env=False).json()["text"]
    stored = Stored(record["id"], record["version"], record["title"], text)
    cites = [stored.cite(HOSTILE_QUOTE), {**stored.cite("ledger"), "title": HOSTILE_TITLE * 50}]
    view.goto(address(cites))
    assert marked(view) == HOSTILE_QUOTE
    expect(view.locator("h1")).to_have_text(HOSTILE_TITLE)
    view.keyboard.press("n")
    assert marked(view) == "ledger"
    assert view.evaluate("window.pwned") is None
    assert view.locator("#text script, #text img, #title *").count() == 0


@pytest.mark.parametrize(
    "fragment",
    [
        "#cites=%%%&at=x",
        "#cites=" + encoded([{"document_id": "javascript:alert(1)", "start": 0, "end": 5}] * 3),
        "#cites=" + encoded([{"document_id": ["x"], "title": {"a": 1}}, None, 5, "x"]),  # type: ignore[list-item]
    ],
)
def test_a_fragment_that_means_harm_is_left_alone(view: Page, ferries: Stored, fragment: str) -> None:
    view.goto(f"/source/{ferries.id}{fragment}")
    expect(view.locator("h1")).to_have_text(ferries.title)
    expect(view.locator("#steps")).to_be_hidden()


# ---------------------------------------------------------------- from one to the next


def test_the_next_citation_is_one_key_away_in_whatever_document(
    view: Page, ferries: Stored, lemonade: Stored
) -> None:
    cites = [ferries.cite(PASSAGE, 1), ferries.cite(SECOND, 2), lemonade.cite(EMOJI, 3)]
    view.goto(address(cites))
    expect(view.locator("#step")).to_have_text("1 of 3")
    expect(view.locator("#previous")).to_be_disabled()

    view.keyboard.press("n")
    expect(view.locator("#step")).to_have_text("2 of 3")
    expect(view.locator("#text mark")).to_have_text(SECOND)
    expect(view.locator("#text mark")).to_be_focused()
    expect(view.locator("#page-number")).to_have_text("Page 5 of 5")
    expect(view.locator("#announcer")).to_have_text(
        "Citation 2 of 3, Timetable of the ferries, In the evening · page 5"
    )

    view.keyboard.press("ArrowRight")
    expect(view.locator("#text mark")).to_have_text(EMOJI)
    assert f"/source/{lemonade.id}" in view.url
    expect(view.locator("#next")).to_be_disabled()
    expect(view.locator("#pages")).to_be_hidden()

    view.keyboard.press("p")
    expect(view.locator("#text mark")).to_have_text(SECOND)
    view.go_back()
    expect(view.locator("#text mark")).to_have_text(EMOJI)
    view.reload()
    expect(view.locator("#step")).to_have_text("3 of 3")
    assert marked(view) == EMOJI


def test_a_button_that_was_pressed_keeps_the_focus(view: Page, ferries: Stored) -> None:
    view.goto(address([ferries.cite(PASSAGE), ferries.cite(SECOND), ferries.cite("Leaving")]))
    view.locator("#next").focus()
    view.keyboard.press("Enter")
    expect(view.locator("#text mark")).to_have_text(SECOND)
    expect(view.locator("#next")).to_be_focused()
    view.keyboard.press("Enter")
    expect(view.locator("#text mark")).to_have_text("Leaving")
    expect(view.locator("#previous")).to_be_focused()


# ---------------------------------------------------------------- text and picture together


def test_the_picture_follows_the_text_and_the_text_the_picture(view: Page, ferries: Stored) -> None:
    view.goto(address([ferries.cite(PASSAGE)]))
    expect(view.locator(".pen")).to_have_count(1)
    view.get_by_role("button", name="Show page 5").click()
    expect(view.locator("#page-number")).to_have_text("Page 5 of 5")
    expect(view.locator("#picture")).to_have_attribute("alt", "Picture of page 5")
    expect(view.locator(".pen")).to_have_count(0)

    view.locator("#page-back").click()
    expect(view.locator("#page-number")).to_have_text("Page 4 of 5")
    comes_to_rest_in_view(view, "section:nth-of-type(4) .divider")

    view.locator("#outline button", has_text="Leaving").click()
    expect(view.locator("#page-number")).to_have_text("Page 1 of 5")
    expect(view.get_by_role("heading", name="Leaving")).to_be_focused()

    view.mouse.move(500, 400)
    view.mouse.wheel(0, 5000)
    expect(view.locator("#page-number")).to_have_text("Page 5 of 5")


def test_while_the_page_settles_only_the_last_place_that_was_asked_for_counts(
    view: Page, ferries: Stored
) -> None:
    view.add_init_script(
        """window.requestAnimationFrame = (step) => setTimeout(step, 100);
        window.cancelAnimationFrame = clearTimeout;"""
    )
    view.goto(address([ferries.cite(PASSAGE)]))
    expect(view.locator("#page-number")).to_have_text("Page 3 of 5")
    view.evaluate(
        """() => {
          const number = document.querySelector('#page-number');
          window.shown = [];
          new MutationObserver(() => shown.push(number.textContent)).observe(number, { childList: true });
          document.querySelector('[aria-label="Show page 5"]').click();
        }"""
    )
    comes_to_rest_in_view(view, "section:nth-of-type(5) .divider")
    view.wait_for_timeout(1500)  # every frame of both has come
    assert view.evaluate("shown") == ["Page 5 of 5"]


def test_a_magnified_page_is_fetched_in_more_detail(view: Page, ferries: Stored) -> None:
    view.goto(address([ferries.cite(PASSAGE)]))
    expect(view.locator("#picture")).to_be_visible()
    before = view.evaluate("document.querySelector('#picture').naturalWidth")
    for _ in range(4):
        view.locator("#larger").click()
    expect(view.locator("#zoom")).to_have_text("300 %")
    expect(view.locator("#larger")).to_be_disabled()
    view.wait_for_function("(width) => document.querySelector('#picture').naturalWidth > width", arg=before)
    view.wait_for_function(
        """() => {
          const sheet = document.querySelector('#sheet').getBoundingClientRect();
          const pen = document.querySelector('.pen').getBoundingClientRect();
          return pen.top > sheet.top && pen.bottom < sheet.bottom;
        }"""
    )


def test_code_is_shown_as_it_is_written(view: Page, take: Take) -> None:
    code = take("ferry.py", "class Ferry:\n    def leave(self, hour):\n        return hour >= 7\n")
    view.goto(address([code.cite("return hour >= 7")]))
    assert marked(view) == "return hour >= 7"
    assert view.locator("#text").text_content() == code.text
    fonts = view.locator("#text").evaluate(
        "(text) => [...text.querySelectorAll('section, h2, h3')].map((e) => getComputedStyle(e).fontFamily)"
    )
    assert len(fonts) > 1
    assert len(set(fonts)) == 1
    assert "monospace" in fonts[0]


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_on_a_phone_text_and_page_are_a_tap_apart(view: Page, ferries: Stored) -> None:
    view.goto(address([ferries.cite(PASSAGE)]))
    assert marked(view) == PASSAGE
    comes_to_rest_in_view(view, "#text mark")
    expect(view.locator("#pages")).to_be_hidden()
    view.touchscreen.tap(*middle(view, "#view-page"))
    expect(view.locator("#text")).to_be_hidden()
    expect(view.locator(".pen")).to_be_visible()
    assert view.evaluate("document.documentElement.scrollWidth") <= 390
    view.touchscreen.tap(*middle(view, "#view-text"))
    comes_to_rest_in_view(view, "#text mark")
    view.touchscreen.tap(*middle(view, "#view-page"))
    view.locator("#page-on").tap()
    expect(view.locator("#page-number")).to_have_text("Page 4 of 5")
    view.touchscreen.tap(*middle(view, "#view-text"))
    comes_to_rest_in_view(view, "section:nth-of-type(4) .divider")


# ---------------------------------------------------------------- taking away


@pytest.mark.parametrize("context", [CLIPBOARD], indirect=True)
def test_the_quote_goes_along_with_its_source_and_the_link_leads_back(
    view: Page, context: BrowserContext, ferries: Stored
) -> None:
    view.goto(address([ferries.cite(PASSAGE)]))
    assert marked(view) == PASSAGE
    view.locator("#copy-quote").click()
    expect(view.locator("#copy-quote")).to_have_text("Copied")
    quote, source, link = clipboard(view).split("\n")
    assert (quote, source) == (f"“{PASSAGE}”", "— Timetable of the ferries, In the morning · page 3")

    view.locator("#copy-link").click()
    expect(view.locator("#copy-link")).to_have_text("Copied")
    assert clipboard(view) == link
    other = context.new_page()
    other.goto(link)
    assert marked(other) == PASSAGE


def test_the_original_is_saved_under_its_name(view: Page, ferries: Stored) -> None:
    view.goto(f"/source/{ferries.id}")
    with view.expect_download() as saving:
        view.locator("#download").click()
    assert saving.value.suggested_filename == "timetable.pdf"
    assert saving.value.path().read_bytes() == timetable()


def test_without_downloads_there_is_no_button_for_it(view: Page, ferries: Stored) -> None:
    def closed(route: Route) -> None:
        told = route.fetch().json()
        route.fulfill(json={**told, "downloads": False})

    view.route("**/v1/session", closed)
    with view.expect_response("**/v1/session"):
        view.goto(f"/source/{ferries.id}")
    expect(view.locator("#copy-link")).to_be_visible()
    expect(view.locator("#download")).to_be_hidden()


# ---------------------------------------------------------------- what may go wrong


def test_a_document_that_is_not_there_is_said_so(view: Page, complaints: Complaints) -> None:
    complaints.expect("404")
    view.goto("/source/00000000-0000-0000-0000-000000000000?version=x&start=0&end=4")
    expect(view.get_by_role("heading", name="Not found")).to_be_visible()
    expect(view.locator("#problem")).to_be_focused()
    expect(view.locator("#announcer")).to_contain_text("Not found")


def test_words_of_a_replaced_version_are_found_in_the_live_one(
    view: Page, take: Take, complaints: Complaints
) -> None:
    complaints.expect("404")
    words = "The harbour master keeps the keys of all the boats."
    old = take("harbour.md", f"# Harbour\n\n{words} Ask there.\n")
    cite = old.cite(words, quote=words)
    new = take(
        "harbour.md", f"# Harbour\n\nA new beginning, longer than the old one.\n\n{words} Ask there.\n"
    )
    assert new.version != old.version
    view.goto(address([cite]))
    assert marked(view) == words
    expect(view.locator("#notice")).to_contain_text("The document has changed since it was cited")
    expect(view.locator("#notice")).to_contain_text("still there")

    take("harbour.md", "# Harbour\n\nThere are no boats any more, and nobody has a key.\n")
    view.reload()
    expect(view.locator("#notice")).to_contain_text("not in it any more")
    expect(view.locator("#text")).to_contain_text("There are no boats")
    assert view.locator("#text mark").count() == 0


def test_offline_the_page_waits_and_opens_when_the_service_is_back(
    view: Page, context: BrowserContext, ferries: Stored, lemonade: Stored, complaints: Complaints
) -> None:
    complaints.expect("ERR_INTERNET_DISCONNECTED")
    view.goto(address([ferries.cite(PASSAGE), lemonade.cite(EMOJI)]))
    assert marked(view) == PASSAGE
    expect(view.locator("#picture")).to_be_visible()
    context.set_offline(True)
    view.keyboard.press("n")
    expect(view.get_by_role("heading", name="The service cannot be reached")).to_be_visible()
    context.set_offline(False)
    assert marked(view) == EMOJI


def test_a_page_that_cannot_be_drawn_leaves_the_text_readable(
    view: Page, ferries: Stored, complaints: Complaints
) -> None:
    complaints.expect("422")
    problem = {"title": "The page cannot be drawn", "code": "picture_failed", "detail": "x", "status": 422}
    view.route("**/picture?**", lambda route: route.fulfill(status=422, json=problem))
    view.goto(address([ferries.cite(PASSAGE)]))
    assert marked(view) == PASSAGE
    expect(view.locator("#blank")).to_contain_text("cannot be shown as a picture")
    view.unroute("**/picture?**")
    view.locator("#blank").get_by_role("button", name="Try again").click()
    expect(view.locator("#picture")).to_be_visible()
    expect(view.locator(".pen")).to_have_count(1)


def test_a_text_of_five_megabytes_is_usable(view: Page, lemonade: Stored) -> None:
    line = "word " * 15 + "🍋\n"
    text = line * 64_000
    start = len(line) * 50_000
    source: dict[str, Any] = {
        "document_id": lemonade.id,
        "version": lemonade.version,
        "uri": "upload://ferries/lemonade.md",
        "title": "Large",
        "text": text,
        "pages": [],
        "headings": [{"level": 2, "title": f"h{n}", "start": n * len(line) * 100} for n in range(640)],
        "highlight": None,
    }
    view.route("**/source?**", lambda route: route.fulfill(body=json.dumps(source)))
    view.goto(f"/source/{lemonade.id}?version={lemonade.version}&start={start}&end={start + 19}")
    assert marked(view) == "word word word word"
    comes_to_rest_in_view(view, "#text mark")
    expect(view.locator("#outline [aria-current]")).to_have_text("h500")
    view.locator("#outline button", has_text="h600").click()
    expect(view.locator("#outline [aria-current]")).to_have_text("h600")


# ---------------------------------------------------------------- who reads


def token(groups: list[str], seconds: int = 600) -> str:
    now = int(time.time())
    claims = {"sub": "kim", "groups": groups, "aud": "citebox", "iat": now - 60, "exp": now + seconds}
    return jwt.encode(claims, TOKEN_SECRET, algorithm="HS256")


def test_a_token_in_the_fragment_is_taken_out_of_it_and_opens_what_it_may(
    browser: Any, secured: LiveService, take: Take, complaints: Complaints
) -> None:
    complaints.expect("404")
    safe = take("safe.md", f"# Safe\n\n{HIDDEN}\n", groups="crew")
    cite = {**safe.cite(HIDDEN), "start": 6, "end": 6 + len(HIDDEN)}
    context = browser.new_context(base_url=secured.url)
    page = context.new_page()
    complaints.listen(page)
    page.goto(address([cite], token=token(["crew"])))
    assert marked(page) == HIDDEN
    assert "token" not in page.url
    assert "cites=" in page.url
    page.reload()
    assert marked(page) == HIDDEN

    other = context.new_page()
    complaints.listen(other)
    other.goto(address([cite]))
    expect(other.get_by_role("heading", name="Not found")).to_be_visible()
    context.close()


def test_a_token_whose_time_is_over_is_said_so(
    browser: Any, secured: LiveService, ferries: Stored, complaints: Complaints
) -> None:
    complaints.expect("401")
    context = browser.new_context(base_url=secured.url)
    page = context.new_page()
    complaints.listen(page)
    page.goto(address([ferries.cite(PASSAGE)], token=token([], -300)))
    expect(page.get_by_role("heading", name="Your access has ended")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    assert marked(page) == PASSAGE
    context.close()
