"""Hits while the reader types: what is shown, what is dropped, and how soon."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.library import BACKUPS
from tests.live import LiveService

from .box import Box
from .conftest import Embed

PRESS_TO_HIT = """() => new Promise((resolve) => {
  const root = document.querySelector("rag-search").shadowRoot;
  root.querySelector("input").addEventListener("input", () => {
    const pressed = performance.now();
    const watch = new MutationObserver(() => {
      if (!root.querySelector(".hit")) return;
      watch.disconnect();
      requestAnimationFrame(() => setTimeout(() => {
        const shown = performance.now();
        const asked = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/search"));
        resolve({ all: shown - pressed, server: asked.at(-1).duration });
      }));
    });
    watch.observe(root, { subtree: true, childList: true });
  }, { once: true });
})"""


def test_hits_come_while_typing_with_their_words_marked(box: Box) -> None:
    with box.page.expect_request("**/v1/search") as asked:
        box.page.keyboard.type("payroll backup", delay=5)
    expect(box.hits.first).to_contain_text("Operations handbook")
    expect(box.hits.first.locator("mark").first).to_have_text(re.compile("payroll|backups?", re.I))
    expect(box.announced).to_have_text(re.compile(r"^\d passages?$"))
    expect(box.field).to_have_attribute("aria-expanded", "true")
    sent = json.loads(asked.value.post_data or "")
    assert (sent["limit"], sent["rerank"]) == (6, False)
    box.check()


def test_typing_fast_asks_once_and_late_replies_are_dropped(box: Box) -> None:
    sent: list[str] = []

    def later(route: Route) -> None:
        query = json.loads(route.request.post_data or "")["query"]
        sent.append(query)
        if query == "festival":
            box.page.wait_for_timeout(400)
        route.continue_()

    box.page.route("**/v1/search", later)
    box.page.keyboard.type("festival", delay=1)
    box.page.wait_for_timeout(150)
    box.field.fill("parking places courtyard")
    expect(box.hits.first).to_contain_text("House rules")
    box.page.wait_for_timeout(500)
    expect(box.hits.first).to_contain_text("House rules")
    assert sent == ["festival", "parking places courtyard"]


def test_arrows_choose_and_enter_opens_the_hit_in_the_source_view(
    box: Box, context: BrowserContext, service: LiveService
) -> None:
    box.field.fill("parking")  # at once: typed, a slow machine shows the hits of its beginning first
    expect(box.hits.first).to_be_visible()
    count = box.hits.count()
    box.page.keyboard.press("ArrowDown")
    expect(box.hits.first).to_have_attribute("aria-selected", "true")
    expect(box.field).to_have_attribute("aria-activedescendant", "option-0")
    expect(box.field).to_be_focused()
    box.check()
    box.page.keyboard.press("ArrowUp")
    expect(box.field).not_to_have_attribute("aria-activedescendant", re.compile("."))
    box.page.keyboard.press("ArrowUp")
    expect(box.field).to_have_attribute("aria-activedescendant", f"option-{count - 1}")
    box.page.keyboard.press("ArrowDown")
    box.page.keyboard.press("ArrowDown")

    with context.expect_page() as opened:
        box.page.keyboard.press("Enter")
    # A new tab is blank at first.
    place = rf"{re.escape(service.url)}/source/[0-9a-f-]+\?version=\w+&start=\d+&end=\d+"
    expect(opened.value).to_have_url(re.compile(place))
    expect(box.turns).to_have_count(0)


def test_enter_in_the_field_asks_and_so_does_ctrl_enter_on_a_hit(box: Box) -> None:
    box.page.keyboard.type(BACKUPS)
    expect(box.hits.first).to_be_visible()
    box.page.keyboard.press("Enter")
    box.see("done")
    box.button("New search").click()
    box.page.keyboard.type(BACKUPS)
    expect(box.hits.first).to_be_visible()
    box.page.keyboard.press("ArrowDown")
    box.page.keyboard.press("Control+Enter")
    box.see("done")
    expect(box.turn.locator("h2")).to_have_text(BACKUPS)


def test_words_that_no_document_has_are_said_to_have_no_passage(embed: Embed) -> None:
    box = embed(collection="nowhere")
    box.open()
    with box.page.expect_request("**/v1/search") as asked:
        box.page.keyboard.type("payroll")
    expect(box.element.locator(".quiet")).to_contain_text("No passage has these words.")
    assert json.loads(asked.value.post_data or "")["filters"] == {"collections": ["nowhere"]}
    box.check()


def test_a_composing_input_method_keeps_its_enter(box: Box) -> None:
    box.field.fill("日本")
    box.field.evaluate(
        "(field) => field.dispatchEvent(new KeyboardEvent('keydown',"
        " { key: 'Enter', bubbles: true, composed: true, isComposing: true }))"
    )
    # As Safari tells of it, once the composition is over.
    box.field.evaluate(
        "(field) => field.dispatchEvent(new KeyboardEvent('keydown',"
        " { key: 'Enter', bubbles: true, composed: true, keyCode: 229 }))"
    )
    expect(box.turns).to_have_count(0)


def test_the_time_from_key_press_to_the_first_hit_is_measured(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    box.page.keyboard.type("warm up")
    expect(box.hits.first).to_be_visible()
    times = []
    for word in ("payroll", "parking", "festival", "snapshot", "sudo"):
        box.field.fill("")
        expect(box.hits).to_have_count(0)
        box.page.evaluate(f"() => {{ window.measured = ({PRESS_TO_HIT})(); }}")
        box.field.evaluate(
            "(field, word) => { field.value = word; field.dispatchEvent(new InputEvent('input')); }",
            word,
        )
        times.append(box.page.evaluate("() => window.measured"))
    own = sorted(one["all"] - one["server"] for one in times)
    server = sorted(one["server"] for one in times)
    with capsys.disabled():
        print(
            f"\nfrom key press to first hit, less the service's own time: median {own[2]:.0f} ms, "
            f"worst {own[-1]:.0f} ms, 60 of them for the next key (service: median {server[2]:.0f} ms)"
        )
