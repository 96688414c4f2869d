"""Keys, focus, screen readers, sizes, colours and directions."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Complaints
from tests.browser.library import BACKUPS, BACKUPS_QUOTE, PARKING, UNKNOWN

from .box import Box
from .conftest import Embed
from .hosts import tag

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DARK = {"color_scheme": "dark"}
FORCED = {"forced_colors": "active"}
ZOOMED = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}
STILL = {"reduced_motion": "reduce"}
FOCUSED = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at?.className || at?.localName;
}"""


def test_everything_can_be_done_with_the_keyboard_alone(embed: Embed, context: BrowserContext) -> None:
    box = embed()
    keyboard = box.page.keyboard
    keyboard.press("Control+k")
    expect(box.field).to_be_focused()
    keyboard.type(BACKUPS)
    keyboard.press("Enter")
    box.see("done")

    _tab_to(box, "marker")
    keyboard.press("Enter")
    with context.expect_page():
        keyboard.press("Enter")
    keyboard.press("Escape")
    expect(box.card).to_be_hidden()
    expect(box.markers.first).to_be_focused()

    _tab_to(box, "source")
    keyboard.press("Space")
    expect(box.card.locator("blockquote")).to_have_text(BACKUPS_QUOTE)
    keyboard.press("Escape")
    _tab_to(box, "tool down")
    keyboard.press("Enter")
    expect(box.element.locator("form")).to_be_visible()
    keyboard.press("Escape")
    expect(box.dialog).to_be_hidden()


def test_the_focus_is_kept_in_the_dialog_and_given_back(embed: Embed) -> None:
    box = embed()
    link = box.page.get_by_role("link", name="Teams")
    link.focus()
    box.page.keyboard.press("Control+k")
    for _ in range(12):
        box.page.keyboard.press("Tab")
        assert box.page.evaluate("document.activeElement.localName") in ("rag-search", "body")
    box.page.keyboard.press("Escape")
    expect(link).to_be_focused()

    box.trigger.click()
    box.button("Close").click()
    expect(box.trigger).to_be_focused()
    box.trigger.click()
    box.page.mouse.click(20, 500)
    expect(box.dialog).to_be_hidden()


def test_who_is_at_something_else_when_the_dialog_has_closed_stays_there(embed: Embed) -> None:
    box = embed(main='<h1>x</h1><label>Name <input id="name"></label>')
    box.trigger.focus()
    box.page.keyboard.press("Control+k")
    expect(box.field).to_be_focused()
    box.element.evaluate(
        """(element) => new Promise((resolve) => {
          const dialog = element.shadowRoot.querySelector("dialog");
          dialog.addEventListener("close", () => setTimeout(resolve));
          dialog.close();
          document.querySelector("#name").focus();
        })"""
    )
    expect(box.page.locator("#name")).to_be_focused()


def test_slash_opens_outside_of_fields_also_of_those_in_other_shadows(embed: Embed) -> None:
    box = embed(main='<h1>x</h1><label>Name <input id="name"></label><div id="shadowed"></div>')
    box.page.evaluate(
        "() => { const root = document.querySelector('#shadowed').attachShadow({ mode: 'open' });"
        " const field = document.createElement('textarea'); field.ariaLabel = 'x'; root.append(field); }"
    )
    for field in (box.page.locator("#name"), box.page.locator("textarea[aria-label=x]")):
        field.focus()
        box.page.keyboard.press("/")
        expect(field).to_have_value("/")
        expect(box.dialog).to_be_hidden()
    box.page.locator("h1").click()
    box.page.keyboard.press("/")
    expect(box.field).to_be_focused()
    expect(box.field).to_have_value("")
    # In the field itself it is a sign like any other, and the shortcut closes what it opened.
    box.page.keyboard.press("/")
    expect(box.field).to_have_value("/")
    box.page.keyboard.press("Control+k")
    expect(box.dialog).to_be_hidden()


def test_of_two_boxes_one_answers_the_keys(embed: Embed) -> None:
    main = f"<h1>x</h1>{tag(id='second')}{tag(mode='inline', id='third', shortcut='ctrl+j')}"
    first = embed(main=main)
    second, third = Box(first.page, "#second"), Box(first.page, "#third")
    first.page.keyboard.press("Control+k")
    expect(first.dialog).to_be_visible()
    expect(second.dialog).to_be_hidden()
    first.check()
    first.page.keyboard.press("Escape")
    second.open()
    first.page.keyboard.press("Control+k")
    expect(second.dialog).to_be_hidden()
    expect(first.dialog).to_be_hidden()
    first.page.keyboard.press("Control+j")
    expect(third.field).to_be_focused()
    first.check()


@pytest.mark.parametrize("shortcut", ["none", "alt+shift+s"])
def test_the_shortcut_can_be_another_or_none(embed: Embed, shortcut: str) -> None:
    box = embed(shortcut=shortcut)
    box.page.keyboard.press("Control+k")
    if shortcut == "none":
        box.page.keyboard.press("/")
    expect(box.dialog).to_be_hidden()
    if shortcut != "none":
        box.page.keyboard.press("Alt+Shift+S")
        expect(box.dialog).to_be_visible()
    else:
        expect(box.trigger.locator("kbd")).to_have_count(0)


def test_the_roles_are_those_of_the_patterns(box: Box) -> None:
    expect(box.element.get_by_role("dialog", name="Search and ask")).to_be_visible()
    expect(box.field).to_have_attribute("aria-autocomplete", "list")
    expect(box.field).to_have_attribute("aria-expanded", "false")
    box.page.keyboard.type("backup")
    expect(box.element.get_by_role("listbox", name="Suggestions")).to_be_visible()
    expect(box.field).to_have_attribute("aria-controls", "list")
    box.ask_and_see(BACKUPS)
    expect(box.element.get_by_role("article", name=BACKUPS)).to_be_visible()
    expect(box.button("Source 1: Operations handbook").first).to_be_visible()
    expect(box.element.get_by_role("heading", level=2)).to_have_text(BACKUPS)


@pytest.mark.parametrize("context", [PHONE], indirect=True)
def test_on_a_phone_the_dialog_fills_the_screen_and_nothing_scrolls_sideways(embed: Embed) -> None:
    box = embed()
    box.trigger.tap()
    expect(box.panel).to_be_visible()
    box.page.wait_for_timeout(200)
    assert box.panel.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
    assert box.field.evaluate("(field) => parseFloat(getComputedStyle(field).fontSize)") >= 16
    box.field.fill("backup")
    expect(box.hits.first).to_be_visible()
    _fits(box)
    box.check()
    box.ask_and_see(BACKUPS)
    _fits(box)
    box.markers.first.tap()
    expect(box.card).to_be_visible()
    card = box.card.bounding_box()
    assert card is not None
    assert (card["x"], card["width"]) == (0, 390)
    assert card["y"] + card["height"] == pytest.approx(844, abs=1)
    box.check()


@pytest.mark.parametrize("context", [ZOOMED], indirect=True)
def test_at_200_percent_everything_is_in_reach(embed: Embed) -> None:
    box = embed()
    box.open()
    box.ask_and_see(BACKUPS)
    _fits(box)
    box.button("Bad answer").click()
    box.button("Send").click()
    expect(box.turn.locator(".aside")).to_be_in_viewport()


@pytest.mark.parametrize("context", [DARK, FORCED, STILL], indirect=True, ids=["dark", "forced", "still"])
def test_colours_and_motion_are_the_readers_own(embed: Embed, request: pytest.FixtureRequest) -> None:
    box = embed(examples=BACKUPS)
    box.open()
    kind = request.node.callspec.id
    box.check()
    ground = box.panel.evaluate("(panel) => getComputedStyle(panel).backgroundColor")
    if kind == "dark":
        assert ground == "rgb(22, 25, 28)"
    if kind == "still":
        assert box.panel.evaluate("(panel) => getComputedStyle(panel).animationName") == "none"
    box.field.fill("backup")
    expect(box.hits.first).to_be_visible()
    box.page.keyboard.press("ArrowDown")
    box.check()
    box.ask_and_see(PARKING)
    box.markers.first.click()
    expect(box.card.locator("img")).to_be_visible()
    box.check()
    box.page.keyboard.press("Escape")
    box.ask_and_see(UNKNOWN, "not_found")
    box.check()


@pytest.mark.parametrize("context", [DARK], indirect=True)
def test_the_host_may_choose_the_theme(embed: Embed) -> None:
    box = embed(theme="light")
    box.open()
    assert box.panel.evaluate("(panel) => getComputedStyle(panel).backgroundColor") == "rgb(255, 255, 255)"
    box.element.evaluate("(element) => element.theme = 'dark'")
    expect(box.panel).to_have_css("background-color", "rgb(22, 25, 28)")


def test_arabic_runs_from_right_to_left(embed: Embed) -> None:
    box = embed(lang="ar", examples=BACKUPS)
    box.open()
    expect(box.field).to_have_attribute("placeholder", "ابحث أو اطرح سؤالاً")
    close = box.button("إغلاق").bounding_box()
    field = box.field.bounding_box()
    assert close is not None
    assert field is not None
    assert close["x"] < field["x"]
    box.check()
    box.ask_and_see(BACKUPS)
    expect(box.status).to_have_text("الإجابة من مستند واحد")
    # An English answer is still read from left to right.
    assert box.prose.evaluate("(prose) => getComputedStyle(prose).direction") == "ltr"
    box.markers.first.click()
    box.check()
    _fits(box)


@pytest.mark.parametrize(
    ("lang", "placeholder"),
    [
        ("de-AT", "Suchen oder eine Frage stellen"),
        ("es", "Busque o haga una pregunta"),
        ("fr", "Search or ask a question"),
    ],
)
def test_the_language_is_that_of_the_page(embed: Embed, lang: str, placeholder: str) -> None:
    box = embed(lang=lang)
    box.open()
    expect(box.field).to_have_attribute("placeholder", placeholder)
    box.element.evaluate("(element) => element.lang = 'de'")
    expect(box.field).to_have_attribute("placeholder", "Suchen oder eine Frage stellen")
    own = {"placeholder": "Was gibt es?", "reasons": {"wrong": "Nö"}}
    box.element.evaluate("(element, own) => element.strings = own", own)
    expect(box.field).to_have_attribute("placeholder", "Was gibt es?")


def test_a_box_that_is_opened_at_once_opens_when_its_language_is_there(embed: Embed) -> None:
    box = embed()
    box.page.evaluate(
        """() => {
          const second = Object.assign(document.createElement("rag-search"), { lang: "de", id: "second" });
          document.body.append(second);
          second.open("Sicherung");
        }"""
    )
    second = Box(box.page, "#second")
    expect(second.field).to_be_focused()
    expect(second.field).to_have_value("Sicherung")
    expect(second.field).to_have_attribute("placeholder", "Suchen oder eine Frage stellen")


def test_a_language_that_cannot_be_loaded_leaves_english(embed: Embed, complaints: Complaints) -> None:
    complaints.expect("ERR_FAILED")
    box = embed()
    box.page.route("**/searchbox.de.js", lambda route: route.abort())
    box.element.evaluate("(element) => element.lang = 'de'")
    box.open()
    expect(box.field).to_have_attribute("placeholder", "Search or ask a question")


def _tab_to(box: Box, name: str) -> None:
    for _ in range(24):
        box.page.keyboard.press("Tab")
        if box.page.evaluate(FOCUSED) == name:
            return
    raise AssertionError(f"Tab never reaches {name}")


def _fits(box: Box) -> None:
    assert box.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert box.element.locator(".body").evaluate("(body) => body.scrollWidth <= body.clientWidth")
