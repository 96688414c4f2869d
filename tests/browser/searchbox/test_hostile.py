"""Documents, titles and answers that mean harm, or are far too much."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.library import BACKUPS, HOSTILE, HOSTILE_QUOTE, HOSTILE_TITLE
from tests.claude_server import Cite, ClaudeServer, Part, Text

from .box import Box

ATTACK = (
    "\n\n# <script>window.pwned=1</script>\n\n"
    '<img src=x onerror="window.pwned=2"> <svg onload="window.pwned=3"></svg> <style>*{display:none}</style> '
    "[one](javascript:window.pwned=4) [two](data:text/html,<script>window.pwned=5</script>) "
    "[three](https://example.com/?a=1&b=2) ![a picture](https://example.com/pixel.png) "
    "<https://example.com/auto> [1]: javascript:window.pwned=6\n\n"
    "[1](javascript:window.pwned=7) <a href='javascript:window.pwned=8'>x</a>\n\n"
    "[2]: javascript:window.pwned=9\n\n"
    '<iframe srcdoc="<script>parent.pwned=10</script>"></iframe>'
    '<form action="//example.com"><input></form>\n\n'
    "```html\n<script>window.pwned=11</script>\n```\n"
)
STREAM = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/event-stream"}


def test_hostile_documents_and_titles_are_only_ever_text(box: Box) -> None:
    box.field.fill("ledger of the lighthouse")
    expect(box.hits.first).to_contain_text(HOSTILE_TITLE)
    box.ask_and_see(HOSTILE)
    expect(box.prose).to_contain_text("The ledger of the lighthouse is kept by <script>")
    box.turn.locator(".source").first.click()
    expect(box.card.locator("b")).to_have_text(HOSTILE_TITLE)
    expect(box.card.locator("blockquote")).to_have_text(HOSTILE_QUOTE)
    _unharmed(box)
    box.check()


def test_a_hostile_answer_is_only_ever_text(box: Box, claude: ClaudeServer) -> None:
    asked: list[str] = []
    box.page.on("request", lambda request: asked.append(request.url))
    claude.enqueue(Text(Part("Safe. ", Cite()), ATTACK))
    box.ask_and_see(f"{HOSTILE} {HOSTILE_TITLE}")
    expect(box.prose.locator("h3")).to_have_text("<script>window.pwned=1</script>")
    expect(box.prose).to_contain_text("a picture")
    expect(box.prose.locator("pre")).to_have_text("<script>window.pwned=11</script>")
    links = box.prose.locator("a").evaluate_all(
        "(links) => links.map(({ href, rel, target }) => [href, rel, target])"
    )
    assert [href for href, _, _ in links] == ["https://example.com/?a=1&b=2", "https://example.com/auto"]
    assert all(rel.startswith("noopener") and target == "_blank" for _, rel, target in links)
    _unharmed(box)
    assert not [one for one in asked if "example.com" in one]
    box.check()


def test_a_giant_table_scrolls_in_itself(box: Box) -> None:
    # Played, as the service checks each of its cells against the documents first.
    columns = 40
    head = "|" + "|".join(f"column {n}" for n in range(columns)) + "|\n|" + "--|" * columns + "\n"
    cells = [[f"{row}/{n} some words" for n in range(columns)] for row in range(200)]
    rows = "".join(f"|{'|'.join(row)}|\n" for row in cells)
    _play(box, ["Here it is.\n\n", head, *rows.splitlines(keepends=True), "\nThat was it."], [])
    box.ask_and_see(BACKUPS)
    frame = box.prose.get_by_role("region", name="Table")
    expect(frame.locator("tr")).to_have_count(201)
    assert frame.evaluate("(one) => one.scrollWidth > one.clientWidth && one.clientHeight <= 400")
    assert box.element.locator(".body").evaluate("(body) => body.scrollWidth <= body.clientWidth")
    expect(box.prose).to_contain_text("That was it.")


def test_ten_thousand_citations_leave_the_page_responsive(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    # No model writes so many.
    numbers = range(1, 10_001)
    pieces = [f"Word {n}[{n}]" + ("\n\n" if n % 50 == 0 else " ") for n in numbers]
    _play(box, pieces, [_cite(n) for n in numbers])
    box.page.evaluate(
        "() => { window.longest = 0; new PerformanceObserver((list) => {"
        " for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);"
        " }).observe({ type: 'longtask' }); }"
    )
    begun = time.monotonic()
    box.ask_and_see(BACKUPS)
    expect(box.turn.locator(".source")).to_have_count(6)
    longest = box.page.evaluate("longest")
    with capsys.disabled():
        print(f"\n10,000 citations: {time.monotonic() - begun:.1f} s, longest task {longest:.0f} ms")
    assert box.markers.count() <= 500
    box.button("Show 9,994 more").click()
    assert box.element.locator(".body").evaluate("(body) => body.querySelectorAll('*').length") < 15_000
    expect(box.turn.locator(".source")).to_have_count(56)
    box.markers.nth(3).click()
    expect(box.card).to_be_visible()
    box.page.keyboard.press("Escape")
    box.button("New search").click()
    expect(box.field).to_be_focused()


def _play(box: Box, pieces: list[str], citations: list[dict[str, Any]]) -> None:
    """The next question gets these pieces, each after the citation of the same number."""
    events: list[tuple[str, dict[str, Any]]] = [("sources", {"hits": [], "route": {}})]
    for n, piece in enumerate(pieces):
        events += [("citation", one) for one in citations[n : n + 1]] + [("delta", {"text": piece})]
    answer = {
        "id": "x", "text": "".join(pieces), "citations": citations, "answered": True, "outcome": "answered",
        "nearest": [], "notice": None, "question": None, "conversation_id": None, "grounding": None,
        "receipt": {"model": "m", "usd": 0, "cached": False}, "short_answer": None,
    }  # fmt: skip
    events.append(("done", answer))
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    box.page.route("**/v1/ask", lambda route: route.fulfill(body=body, headers=STREAM), times=1)


def _cite(n: int) -> dict[str, Any]:
    return {
        "marker": n, "document_id": f"d{n}", "version": "v", "chunk_id": "c", "uri": "u", "title": f"T {n}",
        "page": None, "headings": ["H"], "quote": f"Quote {n}.", "start": n, "end": n + 9,
    }  # fmt: skip


@pytest.mark.parametrize("text", [">" * 3000 + " deep", "*a " * 2000, "- " * 2000 + "deep"])
def test_text_that_is_hard_to_read_is_shown_all_the_same(box: Box, text: str) -> None:
    _play(box, [text, " The end[1]."], [_cite(1)])
    box.ask_and_see(BACKUPS)
    expect(box.prose).to_contain_text("The end")


def _unharmed(box: Box) -> None:
    assert box.page.evaluate("window.pwned") is None
    shown = box.element.locator(".prose, .card")
    assert shown.locator("img, script, iframe, style, form, input").count() == 0
    assert box.element.locator(".prose svg").count() == 0
    assert box.page.evaluate(
        "() => [...document.querySelector('rag-search').shadowRoot.querySelectorAll('a')]"
        ".every(({ protocol }) => ['http:', 'https:', ':'].includes(protocol))"
    )
