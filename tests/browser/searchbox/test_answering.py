"""Asking: from the first state to the finished answer, its sources and what can be done with it."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints
from tests.browser.library import (
    BACKUPS,
    BACKUPS_QUOTE,
    FESTIVAL,
    FESTIVAL_QUOTE,
    PARKING,
    PARKING_QUOTE,
    UNKNOWN,
)
from tests.claude_server import Cite, ClaudeServer, ErrorStatus, Part, Slow, Text
from tests.live import LiveService

from .box import WATCH_SHIFTS, Box
from .conftest import Embed
from .hosts import page, tag

LONG = Text(Part("Backups are kept for ninety days. ", Cite()), "And then there is more to say. " * 60)
UNCLEAR = "When is it shut?"


def test_the_first_state_offers_questions_and_the_next_one_remembers_them(embed: Embed) -> None:
    box = embed(examples=f"{BACKUPS}|{PARKING}")
    box.open()
    expect(box.options).to_have_text([BACKUPS, PARKING])
    expect(box.element.locator(".group")).to_have_text(["Try asking"])
    box.check()

    box.page.keyboard.press("ArrowDown")
    box.page.keyboard.press("Enter")
    box.see("done")
    box.button("New search").click()

    expect(box.element.locator(".group")).to_have_text(["Recent", "Try asking"])
    expect(box.options.first).to_have_text(BACKUPS)
    box.page.reload()
    box.open()
    expect(box.options).to_have_count(3)
    box.button("Clear recent questions").click()
    expect(box.options).to_have_count(2)


def test_a_host_may_keep_questions_out_of_the_browser(embed: Embed) -> None:
    box = embed(no_history=True)
    box.open()
    box.ask_and_see(BACKUPS)
    box.button("New search").click()
    expect(box.options).to_have_count(0)
    assert box.page.evaluate("localStorage.length") == 0


def test_searching_reading_and_writing_are_shown_in_one_line_that_keeps_its_place(
    box: Box, claude: ClaudeServer
) -> None:
    claude.enqueue(Slow(LONG, delay_per_chunk=0.05, before_first=1.5))
    box.ask(BACKUPS)
    box.see("reading")
    expect(box.status).to_contain_text("Reading Operations handbook")
    expect(box.announced).to_contain_text("Reading Operations handbook")
    expect(box.turn).to_have_attribute("aria-busy", "true")
    top = box.status.bounding_box()
    box.check()

    box.see("streaming")
    expect(box.status).to_have_text("Writing")
    expect(box.markers).to_have_text(["1"])
    # Not each word is told, only the states and then the whole answer.
    assert "ninety" not in (box.announced.text_content() or "")
    box.check()

    box.button("Stop").click()
    box.see("stopped")
    assert box.status.bounding_box() == top


def test_nothing_on_the_page_moves_while_an_answer_streams(box: Box, claude: ClaudeServer) -> None:
    paragraphs = Text(
        *[Part(f"Backups are kept for {n} days.\n\n- one\n- two **{n}**\n\n", Cite()) for n in range(6)]
    )
    claude.enqueue(Slow(paragraphs, delay_per_chunk=0.02, before_first=0.8))
    box.field.fill(BACKUPS)
    box.page.keyboard.press("Control+Enter")
    # A shift within half a second of a key is the reader's own.
    box.see("reading")
    box.page.evaluate(WATCH_SHIFTS)
    box.see("done")
    expect(box.turn.locator(".foot")).to_be_visible()
    box.page.wait_for_timeout(200)
    assert box.page.evaluate("window.shifts") == []


def test_the_finished_answer_says_who_gave_it_and_is_announced_once_whole(box: Box) -> None:
    box.ask_and_see(BACKUPS)
    expect(box.prose).to_contain_text(BACKUPS_QUOTE)
    expect(box.status).to_have_text("Answered from 1 document")
    expect(box.turn.locator(".meta")).to_have_text(re.compile(r"^claude-haiku-5-5, [\d.]+ sec$"))
    expect(box.turn.locator(".source")).to_have_count(box.markers.count())
    expect(box.announced).to_contain_text(f"Answer ready. Answered from 1 document. {BACKUPS_QUOTE}")
    expect(box.turn).to_have_attribute("aria-busy", "false")
    expect(box.field).to_be_focused()
    box.check()


def test_what_it_cost_is_shown_only_where_the_host_wants_it(embed: Embed) -> None:
    box = embed(cost=True)
    box.open()
    box.ask_and_see(BACKUPS)
    expect(box.turn.locator(".meta")).to_have_text(re.compile(r" · \$0\.00\d+$"))


def test_a_marker_shows_the_exact_quote_while_the_pointer_is_on_it_and_keeps_it_when_followed(
    box: Box,
) -> None:
    box.ask_and_see(BACKUPS)
    box.markers.first.hover()
    expect(box.card).to_be_visible()
    expect(box.card.locator("blockquote")).to_have_text(BACKUPS_QUOTE)
    expect(box.card.locator("b")).to_have_text("Operations handbook")
    expect(box.card.locator(".card-place")).to_have_text("Backups")
    box.field.hover()
    expect(box.card).to_be_hidden()

    box.markers.first.click()
    expect(box.card.get_by_role("link", name="Open in the document")).to_be_focused()
    box.check()
    box.page.keyboard.press("Escape")
    expect(box.card).to_be_hidden()
    expect(box.markers.first).to_be_focused()
    expect(box.dialog).to_be_visible()


def test_a_pdf_shows_its_page_with_the_passage_marked_and_forgets_the_picture(box: Box) -> None:
    box.page.evaluate(
        "() => { const end = URL.revokeObjectURL; window.revoked = 0;"
        " URL.revokeObjectURL = (url) => { window.revoked += 1; end.call(URL, url); }; }"
    )
    box.ask_and_see(PARKING)
    box.turn.locator(".source").first.click()
    expect(box.card.locator(".page")).to_have_text("Page 2")
    expect(box.card.locator("img")).to_be_visible()
    mark = box.card.locator("i").first.bounding_box()
    window = box.card.locator(".picture").bounding_box()
    assert mark is not None
    assert window is not None
    assert window["y"] <= mark["y"] <= window["y"] + window["height"] - mark["height"]
    assert mark["width"] > 50
    box.check()
    box.page.keyboard.press("Escape")
    expect(box.card).to_be_hidden()
    assert box.page.evaluate("window.revoked") == 1


def test_the_card_leads_to_the_source_view_with_the_other_citations(
    box: Box, context: BrowserContext, service: LiveService, claude: ClaudeServer
) -> None:
    claude.enqueue(Text(Part("One. ", Cite(0, 0, 1)), Part("Two. ", Cite(0, 1, 2))))
    box.ask_and_see(BACKUPS)
    box.markers.nth(1).click()
    with context.expect_page() as opened:
        box.card.get_by_role("link").click()
    expect(opened.value).to_have_url(re.compile("/source/"))  # a new tab is blank at first
    address = urlsplit(opened.value.url)
    query, fragment = parse_qs(address.query), parse_qs(address.fragment)
    assert f"{address.scheme}://{address.netloc}" == service.url
    assert fragment["at"] == ["1"]
    padded = fragment["cites"][0] + "=" * (-len(fragment["cites"][0]) % 4)
    cites = json.loads(base64.urlsafe_b64decode(padded))
    assert [cite["marker"] for cite in cites] == [1, 2]
    assert str(cites[1]["start"]) == query["start"][0]
    document = address.path.rpartition("/")[2]
    stored = httpx.get(f"{service.url}/v1/documents/{document}/source", trust_env=False).json()["text"]
    assert cites[1]["title"] == "Operations handbook"
    assert stored[cites[1]["start"] : cites[1]["end"]]


def test_where_a_token_is_used_it_goes_along_in_the_fragment_and_is_in_no_link(
    embed: Embed, context: BrowserContext
) -> None:
    box = embed(token_endpoint="/token")
    box.open()
    box.ask_and_see(BACKUPS)
    box.markers.first.click()
    link = box.card.get_by_role("link")
    assert "token" not in (link.get_attribute("href") or "")
    seen: list[str] = []
    context.on("page", lambda page: seen.append(page.url))
    # The source view takes the token out of its address at once, so it is read where it is given.
    box.page.evaluate(
        "() => document.querySelector('rag-search').shadowRoot.addEventListener('click', (event) => {"
        " const link = event.composedPath().find((one) => one.localName === 'a');"
        " window.given = link && link.href; })"
    )
    with context.expect_page():
        link.click()
    assert "&token=ey" in box.page.evaluate("window.given")
    expect(link).not_to_have_attribute("href", re.compile("token="))


def test_stop_leaves_what_is_there_and_hangs_up_down_to_claude(box: Box, claude: ClaudeServer) -> None:
    claude.enqueue(Slow(LONG, delay_per_chunk=0.05))
    box.ask(BACKUPS)
    expect(box.markers).to_have_count(1)
    box.button("Stop").click()

    box.see("stopped")
    expect(box.status).to_have_text("Stopped. This answer is incomplete.")
    expect(box.announced).to_have_text("Stopped. This answer is incomplete.")
    expect(box.prose).to_contain_text("Backups are kept for ninety days.")
    expect(box.field).to_be_focused()
    box.check()
    assert claude.requests[-1].wait()
    assert claude.requests[-1].disconnected

    box.button("Try again").click()
    box.see("done")
    expect(box.turns).to_have_count(1)
    expect(box.prose).to_have_text(re.compile(rf"^{re.escape(BACKUPS_QUOTE)}\s*1"))


def test_a_follow_up_belongs_to_its_conversation(box: Box, claude: ClaudeServer) -> None:
    box.ask_and_see(BACKUPS)
    expect(box.field).to_have_attribute("placeholder", "Ask a follow-up question")
    box.ask_and_see("And where do the copies lie?", "done")
    expect(box.turns).to_have_count(2)
    expect(box.turn.locator(".legend")).to_contain_text("Understood as:")
    expect(box.turn.locator(".question-title")).to_be_in_viewport()
    box.check()

    box.button("New search").click()
    expect(box.turns).to_have_count(0)
    expect(box.field).to_be_focused()


def test_copy_takes_the_sources_along(box: Box, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    box.ask_and_see(PARKING)
    box.button("Copy with sources").click()
    expect(box.turn.locator(".aside")).to_have_text("Copied")
    expect(box.announced).to_have_text("Copied")
    copied = box.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(PARKING_QUOTE)
    assert "\n\nSources\n[1] House rules › Page 2\n" in copied
    assert f"“{PARKING_QUOTE}”" in copied


def test_where_the_clipboard_is_closed_the_old_way_is_taken(box: Box) -> None:
    box.page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('closed'));"
        " document.addEventListener('copy', (event) => { const [one] = event.composedPath();"
        " window.taken = one.value; }); }"
    )
    box.ask_and_see(BACKUPS)
    box.button("Copy with sources").click()
    expect(box.turn.locator(".aside")).to_have_text("Copied")
    assert BACKUPS_QUOTE in box.page.evaluate("window.taken")


def test_thumbs_reach_the_service_with_reasons_and_a_comment(box: Box) -> None:
    box.listen("rag-feedback")
    box.ask_and_see(BACKUPS)
    with box.page.expect_response("**/v1/feedback") as liked:
        box.button("Good answer").click()
    assert liked.value.status == 204
    expect(box.turn.locator(".aside")).to_have_text("Thank you.")

    with box.page.expect_response("**/v1/feedback"):
        box.button("Bad answer").click()
    box.element.get_by_text("Out of date").click()
    box.element.get_by_role("textbox", name="Anything to add?").fill("It is a hundred now.")
    box.check()
    with box.page.expect_response("**/v1/feedback") as disliked:
        box.button("Send").click()
    assert disliked.value.status == 204
    expect(box.announced).to_have_text("Thank you.")
    sent = json.loads(disliked.value.request.post_data or "")
    assert sent["rating"] == "down"
    assert sent["reasons"] == ["outdated"]
    assert sent["comment"] == "It is a hundred now."
    assert [detail["rating"] for _, detail in box.heard] == ["up", "down", "down"]


def test_what_is_not_in_the_documents_is_said_so_with_the_nearest_ones(
    box: Box, context: BrowserContext, service: LiveService
) -> None:
    box.ask_and_see(UNKNOWN, "not_found")
    expect(box.status).to_have_text("Not in your documents")
    expect(box.prose).to_have_text("I could not find this in the documents.")
    nearest = box.turn.locator(".sources a")
    expect(nearest.first).to_be_visible()
    box.check()
    with context.expect_page() as opened:
        nearest.first.click()
    expect(opened.value).to_have_url(re.compile(f"^{re.escape(service.url)}/source/"))


def test_a_question_back_is_answered_as_a_follow_up(box: Box) -> None:
    box.ask_and_see(UNCLEAR, "clarification")
    expect(box.status).to_have_text("A question back")
    expect(box.prose).to_contain_text("What does “it” stand for")
    expect(box.field).to_have_attribute("placeholder", "Reply")
    box.check()
    box.listen("rag-ask")
    box.ask("The front door of the house")
    expect(box.turns).to_have_count(2)
    expect(box.turn).to_have_attribute("aria-busy", "false")
    assert box.heard == [("rag-ask", {"question": "The front door of the house", "followUp": True})]


def test_a_notice_is_shown_and_done_replaces_what_was_streamed(box: Box, claude: ClaudeServer) -> None:
    claude.enqueue(ErrorStatus(401))
    box.ask_and_see(BACKUPS)
    expect(box.turn.locator(".notice")).to_be_visible()
    expect(box.turn.locator(".meta")).to_contain_text("Quoted without a model")
    expect(box.prose).to_contain_text(BACKUPS_QUOTE)
    box.check()


def test_sentences_without_a_source_are_marked_and_explained(box: Box, claude: ClaudeServer) -> None:
    claude.enqueue(Text(Part(f"{BACKUPS_QUOTE} ", Cite(0, 2, 3)), "Cows can fly."))
    box.ask_and_see(BACKUPS)
    expect(box.prose.locator(".unsupported")).to_have_text("Cows can fly.")
    expect(box.turn.locator(".legend")).to_have_text("Underlined: no source supports this.")
    box.check()


def test_the_short_answer_stands_out_in_its_sentence(
    blank: Page, keyless: LiveService, complaints: Complaints
) -> None:
    html = page("/searchbox.js", tag())
    complaints.expect("404")  # the icon of a page that is not there
    blank.route("**/host", lambda route: route.fulfill(body=html, content_type="text/html"))
    blank.route("**/style.css", lambda route: route.fulfill(body="", content_type="text/css"))
    blank.goto(f"{keyless.url}/host")
    box = Box(blank)
    box.open()
    box.ask_and_see(BACKUPS)
    expect(box.prose.locator("mark")).to_have_text("ninety")
    box.ask_and_see(FESTIVAL)
    expect(box.prose).to_contain_text(FESTIVAL_QUOTE)


def test_tokens_say_who_asks(embed: Embed) -> None:
    box = embed(token_endpoint="/token")
    box.open()
    with box.page.expect_request("**/v1/ask") as asked:
        box.ask(BACKUPS)
    assert asked.value.headers["authorization"].startswith("Bearer ey")
    assert "token" not in asked.value.url
    box.see("done")
