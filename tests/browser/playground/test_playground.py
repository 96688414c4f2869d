"""/playground: the box as it is set, the lines that set it so, and what it tells the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.claude_server import ClaudeServer

from ..library import BACKUPS, BACKUPS_QUOTE

AXE = Path(__file__).resolve().parents[3] / "rag/searchbox/node_modules/axe-core/axe.min.js"


@pytest.fixture
def playground(context: BrowserContext, claude: ClaudeServer) -> Page:
    page = context.new_page()
    page.goto("/playground")
    expect(page.locator("rag-search")).to_be_visible()
    return page


def test_what_is_set_is_on_the_box_in_the_lines_and_in_the_address(playground: Page) -> None:
    playground.get_by_label("Theme").select_option("dark")
    playground.get_by_label("Placeholder").fill('Ask "us"')
    playground.get_by_label("Accent", exact=True).fill("#aa3300")

    box = playground.locator("rag-search")
    expect(box).to_have_attribute("theme", "dark")
    expect(box).to_have_attribute("placeholder", 'Ask "us"')
    assert box.evaluate("box => box.style.getPropertyValue('--rag-accent')") == "#aa3300"
    snippet = playground.locator("#snippet")
    expect(snippet).to_contain_text('theme="dark" placeholder="Ask &quot;us&quot;"></rag-search>')
    expect(snippet).to_contain_text("rag-search {\n  --rag-accent: #aa3300;\n}")

    playground.reload()

    expect(box).to_have_attribute("theme", "dark")
    expect(playground.get_by_label("Placeholder")).to_have_value('Ask "us"')
    expect(playground.get_by_label("Accent", exact=True)).to_have_value("#aa3300")

    playground.get_by_role("button", name="Back to the defaults").click()
    expect(snippet).not_to_contain_text("dark")
    expect(playground.get_by_label("Theme")).to_have_value("auto")
    assert "#" not in playground.url


def test_an_address_sets_nothing_that_a_control_could_not(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/playground#theme=wild&endpoint=http://elsewhere.test&--rag-accent=url(x)&onclick=alert(1)")
    box = page.locator("rag-search")
    expect(box).to_be_visible()
    assert box.evaluate("box => [box.hasAttribute('endpoint'), box.hasAttribute('onclick')]") == [
        False,
        False,
    ]
    assert box.get_attribute("theme") in (None, "auto")
    assert box.evaluate("box => box.style.getPropertyValue('--rag-accent')") == ""


def test_what_the_box_tells_the_page_is_listed(playground: Page) -> None:
    playground.get_by_label("Mode").select_option("inline")
    playground.locator("rag-search").evaluate("(box, question) => void box.ask(question)", BACKUPS)
    expect(playground.locator("rag-search")).to_contain_text(BACKUPS_QUOTE)
    events = playground.locator("#events li code")
    expect(events).to_have_text(["rag-answer", "rag-ask"])
    playground.get_by_role("button", name="Clear").click()
    expect(events).to_have_count(0)


def test_the_lines_are_copied(playground: Page, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    playground.get_by_role("button", name="Copy").click()
    copied = playground.evaluate("navigator.clipboard.readText()")
    assert copied == playground.locator("#snippet").inner_text()
    assert copied.startswith('<script type="module" src="http://127.0.0.1:')


@pytest.mark.parametrize(
    "context", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"]
)
def test_nothing_on_the_page_is_closed_to_assistive_technology(playground: Page) -> None:
    # By the inspector's door: the page's own policy lets no script of a test in.
    playground.evaluate(AXE.read_text(encoding="utf-8"))
    found = playground.evaluate("axe.run()")["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize(
    "context", [{"viewport": {"width": 390, "height": 800}}], indirect=True, ids=["phone"]
)
def test_on_a_phone_nothing_lies_beside_the_screen(playground: Page) -> None:
    playground.get_by_label("Examples").fill("How long are backups kept? | " * 8)
    expect(playground.locator("#snippet")).to_contain_text("backups kept")
    assert playground.evaluate("document.documentElement.scrollWidth <= innerWidth")
