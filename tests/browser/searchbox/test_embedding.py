"""In other people's pages: policies, styles, events, and the script's own ways to be loaded."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.library import BACKUPS, PARKING
from tests.claude_server import ClaudeServer, Grounded, Slow
from tests.live import LiveService

from .box import SEARCHBOX, Box
from .conftest import Embed
from .hosts import Host, page, policy, tag

AGGRESSIVE = """
* { all: unset !important; }
* { box-sizing: content-box !important; font: italic 40px serif !important; color: red !important;
  letter-spacing: 9px !important; text-transform: uppercase !important; line-height: 3 !important;
  text-align: right !important; visibility: hidden !important; white-space: pre !important;
  cursor: wait !important; word-spacing: 30px !important; text-indent: 50px !important;
  direction: rtl !important; pointer-events: none !important; }
button, input, dialog, p { display: none !important; position: static !important; opacity: 0.1 !important; }
"""


def test_under_a_strict_policy_it_asks_nobody_but_the_service(
    embed: Embed, host: Host, service: LiveService
) -> None:
    box = embed()
    asked: set[str] = set()
    box.page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
    box.page.reload()
    box.open()
    box.field.fill("backup")
    expect(box.hits.first).to_be_visible()
    box.ask_and_see(PARKING)
    box.turn.locator(".source").first.click()
    expect(box.card.locator("img")).to_be_visible()
    own = {one for one in asked if not one.startswith("blob:")}
    assert own == {host.origin, service.url}


def test_a_page_that_only_shows_it_asks_the_service_for_nothing_but_the_script(embed: Embed) -> None:
    box = embed(token_endpoint="/token")
    asked: list[str] = []
    box.page.on("request", lambda request: asked.append(request.url))
    box.page.reload()
    expect(box.trigger).to_be_visible()
    box.page.wait_for_timeout(200)
    assert not [one for one in asked if "/v1/" in one or "/token" in one]


def test_it_works_on_the_services_own_origin(blank: Page, host: Host, service: LiveService) -> None:
    html = page("/searchbox.js", tag())
    headers = {"Content-Security-Policy": policy("'self'")}
    blank.route("**/host", lambda route: route.fulfill(body=html, content_type="text/html", headers=headers))
    blank.route("**/style.css", lambda route: route.fulfill(body="", content_type="text/css"))
    blank.goto(f"{service.url}/host")
    box = Box(blank)
    box.open()
    box.ask_and_see(BACKUPS)


def test_the_styles_of_the_page_end_at_the_element(embed: Embed, host: Host) -> None:
    box = embed()
    box.open()
    box.ask_and_see(BACKUPS)
    box.page.wait_for_timeout(200)
    shapes = (
        "() => [...document.querySelector('rag-search').shadowRoot.querySelectorAll"
        "('.panel, .bar, input, .turn h2, .prose, .marker, .source, .meta')].map((one) => {"
        " const style = getComputedStyle(one); const { width, height } = one.getBoundingClientRect();"
        " const names = ['color', 'font', 'letter-spacing', 'text-transform', 'visibility', 'text-indent',"
        " 'text-align', 'cursor']; return [...names.map((name) => style.getPropertyValue(name)),"
        " Math.round(width), Math.round(height)].join(' '); })"
    )
    before = box.page.evaluate(shapes)
    host.files["/aggressive.css"] = ("text/css", AGGRESSIVE)
    box.page.evaluate(
        "() => new Promise((resolve) => { const link = document.createElement('link');"
        " link.rel = 'stylesheet'; link.href = '/aggressive.css'; link.onload = resolve;"
        " document.head.append(link); })"
    )
    assert box.page.evaluate(shapes) == before
    box.button("New search").click()
    expect(box.turns).to_have_count(0)


def test_inline_it_is_part_of_the_page_and_nothing_below_it_moves_while_it_answers(
    embed: Embed, claude: ClaudeServer
) -> None:
    claude.enqueue(Slow(Grounded(), before_first=1))
    box = embed(
        main=f'<h1>Help</h1>{tag(mode="inline", id="inline", examples=BACKUPS)}<p id="below">Below</p>'
    )
    inline = Box(box.page, "#inline")
    expect(inline.element.get_by_role("search", name="Search and ask")).to_be_visible()
    inline.options.first.click()
    inline.see("reading")
    below = box.page.locator("#below")
    top = below.bounding_box()
    inline.see("done")
    assert below.bounding_box() == top
    inline.check()
    box.page.keyboard.press("Control+k")
    expect(box.dialog).to_be_visible()


def test_the_page_can_drive_it_and_hears_what_happens(embed: Embed) -> None:
    box = embed()
    box.listen("rag-ask", "rag-answer", "rag-cite", "rag-error")
    answer = box.page.evaluate("(question) => document.querySelector('rag-search').ask(question)", BACKUPS)
    assert answer["outcome"] == "answered"
    expect(box.dialog).to_be_visible()
    box.markers.first.click()
    expect(box.card).to_be_visible()
    names = [name for name, _ in box.heard]
    assert names == ["rag-ask", "rag-answer", "rag-cite"]
    assert box.heard[1][1]["answer"]["id"] == answer["id"]
    assert box.heard[2][1]["action"] == "preview"
    box.page.evaluate("document.querySelector('rag-search').close()")
    expect(box.dialog).to_be_hidden()
    assert box.element.evaluate("(element) => element.opened") is False
    box.page.evaluate("document.querySelector('rag-search').open('parking')")
    expect(box.dialog).to_be_visible()


def test_the_page_may_open_citations_itself(embed: Embed) -> None:
    box = embed()
    box.open()
    box.ask_and_see(BACKUPS)
    box.page.evaluate("document.addEventListener('rag-cite', (event) => event.preventDefault())")
    box.markers.first.click()
    box.page.wait_for_timeout(100)
    expect(box.card).to_be_hidden()


def test_an_attribute_that_is_taken_away_leaves_its_default(embed: Embed) -> None:
    box = embed()
    for name in (
        "mode",
        "placeholder",
        "shortcut",
        "theme",
        "lang",
        "collection",
        "examples",
        "sign-in",
        "cost",
    ):
        box.element.evaluate("(box, name) => box.setAttribute(name, name === 'mode' ? 'inline' : 'x')", name)
        box.element.evaluate("(box) => box.updateComplete")
        box.element.evaluate("(box, name) => box.removeAttribute(name)", name)
        box.element.evaluate("(box) => box.updateComplete")
    box.open()
    expect(box.field).to_have_attribute("placeholder", "Search or ask a question")
    box.ask_and_see(BACKUPS)


def test_a_box_that_was_taken_out_while_open_opens_again(embed: Embed) -> None:
    box = embed()
    box.open()
    box.element.evaluate("(box) => { const { parentNode } = box; box.remove(); parentNode.append(box); }")
    expect(box.field).to_be_hidden()
    box.open()
    assert box.element.evaluate("(box) => box.shadowRoot.querySelector('dialog').matches(':modal')")


def test_the_page_may_bring_a_trigger_of_its_own(embed: Embed) -> None:
    box = embed(id="plain")
    box.page.evaluate(
        "() => { const button = document.createElement('button'); button.slot = 'trigger'; button.id = 'own';"
        " button.textContent = 'Help'; document.querySelector('rag-search').append(button); }"
    )
    box.page.locator("#own").click()
    expect(box.field).to_be_focused()
    box.page.keyboard.press("Escape")
    expect(box.page.locator("#own")).to_be_focused()


def test_it_can_be_imported_as_a_module_and_loaded_twice(
    blank: Page, host: Host, service: LiveService
) -> None:
    built = (SEARCHBOX / "dist" / "searchbox.js").read_text(encoding="utf-8")
    host.files["/vendor/searchbox.js"] = ("text/javascript", built)
    host.files["/app.js"] = (
        "text/javascript",
        f'import {{ RagSearch }} from "/vendor/searchbox.js"; import "{service.url}/searchbox.js";'
        "window.known = customElements.get('rag-search') === RagSearch;",
    )
    host.put(page("/app.js", tag(endpoint=service.url)))
    blank.goto(host.origin)
    box = Box(blank)
    box.open()
    assert blank.evaluate("window.known") is True
    box.ask_and_see(BACKUPS)


def test_properties_colour_it_and_parts_are_named(embed: Embed) -> None:
    box = embed()
    box.open()
    box.page.evaluate(
        "document.querySelector('rag-search').style.setProperty('--rag-accent', 'rgb(160, 0, 80)')"
    )
    box.field.fill("x")
    expect(box.button("Ask")).to_have_css("background-color", "rgb(160, 0, 80)")
    used = (SEARCHBOX / "dist" / "searchbox.js").read_text(encoding="utf-8")
    documented = (SEARCHBOX.parents[1] / "docs" / "searchbox.md").read_text(encoding="utf-8")
    properties = set(re.findall(r"--rag-[a-z-]+", used))
    assert properties == set(re.findall(r"`(--rag-[a-z-]+)`", documented))
    parts = set(re.findall(r'part="?([a-z-]+)"?', used)) | {"marker", "answer", "short-answer", "unsupported"}
    assert parts == set(re.findall(r"`::part\(([a-z-]+)\)`", documented))
