"""The operator's page in a browser: the door, each section, and what is done there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Complaints
from tests.live import LiveService

from . import office
from .conftest import ADMIN_KEY, open_section, settled

AXE = Path(__file__).parents[3] / "rag/searchbox/node_modules/axe-core/axe.min.js"


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is shown; run beside the page's policy, not under it."""
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    found = page.evaluate("axe.run().then(({violations}) => violations)")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


def row(page: Page, text: str) -> Locator:
    return page.locator("tbody tr").filter(has_text=text)


def upload(service: LiveService, name: str, data: bytes, **form: str) -> httpx.Response:
    url = f"{service.url}/v1/documents"
    return httpx.post(url, files={"file": (name, data)}, data=form, trust_env=False, timeout=60)


@pytest.fixture(autouse=True)
def _only_the_office_stays(service: LiveService) -> Iterator[None]:
    """Whatever a test has uploaded, none of which is in a collection of the office, goes."""
    yield
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as http:
        for one in http.get("/v1/admin/documents", params={"q": "upload default"}).json()["documents"]:
            http.delete(f"/v1/admin/documents/{one['id']}").raise_for_status()


def ask(service: LiveService, question: str) -> str:
    body = {"question": question, "max_usd": 0}
    response = httpx.post(f"{service.url}/v1/ask", json=body, trust_env=False, timeout=60)
    return str(response.raise_for_status().json()["id"])


# ---------------------------------------------------------------- the door


@pytest.fixture
def door(context: BrowserContext, locked: LiveService, complaints: Complaints) -> Page:
    """The page of the service that asks for the key."""
    complaints.expect("status of 403")
    page = context.new_page()
    page.goto(f"{locked.url}/admin")
    expect(page.get_by_label("Admin key")).to_be_focused()
    return page


def test_without_a_key_nothing_is_shown_but_the_door(door: Page) -> None:
    expect(door.locator("#app")).to_be_hidden()
    expect(door.locator("#door-problem")).to_be_empty()
    assert violations(door) == []


def test_a_wrong_key_is_told_and_forgotten(door: Page) -> None:
    door.get_by_label("Admin key").fill("guessed")
    door.keyboard.press("Enter")
    expect(door.get_by_role("alert").first).to_have_text("This key does not open the operator's page.")
    assert door.evaluate("sessionStorage.length") == 0
    assert violations(door) == []


def test_the_key_opens_and_signing_out_closes(door: Page) -> None:
    sent: list[str] = []
    door.on("request", lambda request: sent.append(request.url))
    door.get_by_label("Admin key").fill(ADMIN_KEY)
    door.keyboard.press("Enter")
    expect(door.get_by_role("heading", level=1)).to_have_text("Overview")
    settled(door)
    assert not [url for url in sent if "operator" in url]
    assert door.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    door.reload()
    expect(door.get_by_role("heading", level=1)).to_have_text("Overview")
    door.get_by_role("button", name="Sign out").click()
    expect(door.get_by_label("Admin key")).to_be_focused()
    assert door.evaluate("sessionStorage.length") == 0
    door.reload()
    expect(door.locator("#app")).to_be_hidden()


def test_another_tab_does_not_know_the_key(door: Page, locked: LiveService, context: BrowserContext) -> None:
    door.get_by_label("Admin key").fill(ADMIN_KEY)
    door.keyboard.press("Enter")
    expect(door.locator("#app")).to_be_visible()
    other = context.new_page()
    other.goto(f"{locked.url}/admin")
    expect(other.get_by_label("Admin key")).to_be_visible()


def test_on_its_own_machine_without_a_key_the_page_just_opens(page: Page) -> None:
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


# ---------------------------------------------------------------- sections


SECTIONS = {
    "overview": "Overview",
    "documents": "Documents",
    "questions": "Questions",
    "gaps": "Content gaps",
    "feedback": "Feedback",
    "usage": "Usage",
}


@pytest.mark.parametrize("context", [{}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
@pytest.mark.parametrize("name", SECTIONS)
def test_axe_finds_nothing_in_a_section(page: Page, name: str) -> None:
    open_section(page, name, SECTIONS[name])
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(page) == []


def test_the_sections_are_reached_and_told_by_the_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Documents")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Documents", level=1)).to_be_focused()
    expect(page.locator("nav [aria-current=page]")).to_have_text(re.compile("Documents"))


def test_the_overview_leads_to_what_failed(page: Page) -> None:
    page.get_by_role("link", name="See why").click()
    expect(page.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "true")
    expect(row(page, office.CUT).locator(".failure")).to_contain_text("damaged or cut-off PDF")


def test_gaps_show_other_wordings(page: Page) -> None:
    open_section(page, "gaps", "Content gaps")
    first = page.locator(".gaps > li").first
    expect(first).to_contain_text("19times")
    first.locator("summary").click()
    assert set(first.locator("li").all_text_contents()) < set(office.MISSING)
    expect(first).to_contain_text("Nearest: ")


def test_a_chart_tells_its_values_to_pointer_keyboard_and_table(page: Page) -> None:
    open_section(page, "usage", "Usage")
    plot = page.get_by_role("img", name="Questions a day")
    plot.hover()
    expect(page.locator(".tip:visible")).to_contain_text("Answered")
    page.mouse.move(0, 0)
    plot.focus()
    page.keyboard.press("End")
    expect(page.locator("#announcer")).to_contain_text("Answered")
    last = page.locator(".tip:visible strong").inner_text()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".tip:visible strong").inner_text() != last
    chart = page.locator("figure").filter(has=page.get_by_role("heading", name="Questions a day"))
    chart.locator("summary").click()
    expect(chart.locator("tbody tr")).to_have_count(30)
    expect(chart.locator("tbody tr").first).to_contain_text(last)


def test_a_service_that_is_gone_is_told_and_tried_again(page: Page, complaints: Complaints) -> None:
    complaints.expect("ERR_FAILED")
    page.route("**/v1/admin/**", lambda route: route.abort())
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#problem")).to_contain_text("The service cannot be reached")
    assert violations(page) == []
    page.unroute("**/v1/admin/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#problem")).to_be_hidden()


def test_the_page_is_read_again_by_itself_only_while_it_is_looked_at(page: Page) -> None:
    page.clock.install()
    page.reload()
    settled(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    page.clock.run_for(61_000)
    assert asked == []
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', {value: 'visible', configurable: true})"
    )
    with page.expect_request("**/v1/admin/overview"):
        page.clock.run_for(21_000)


# ---------------------------------------------------------------- documents


def test_a_document_is_found_read_again_and_removed(page: Page, service: LiveService) -> None:
    upload(service, "kettle.txt", b"The kettle is descaled in May.", groups="kitchen").raise_for_status()
    open_section(page, "documents", "Documents")
    page.get_by_label("Search documents").fill("kettle")
    expect(page.locator("tbody tr")).to_have_count(1)
    one = row(page, "kettle.txt")
    one.get_by_role("button", name="Re-ingest kettle").click()
    expect(one.locator(".outcome")).to_have_text("Already up to date, 1 chunk")
    one.get_by_role("button", name="Remove kettle").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Remove this document?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(one).to_be_visible()
    expect(one.get_by_role("button", name="Remove kettle")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("No document matches.")).to_be_visible()
    listed = httpx.get(f"{service.url}/v1/admin/documents", params={"q": "kettle"}, trust_env=False).json()
    assert listed["total"] == 0


def test_all_failed_documents_are_read_again_or_removed_at_once(
    page: Page, service: LiveService, complaints: Complaints
) -> None:
    complaints.expect("status of 409")
    for name in ("first-cut.pdf", "second-cut.pdf"):
        assert upload(service, name, b"%PDF-1.7 cut").status_code == 422
    upload(service, "mended.txt", b"The door is mended.").raise_for_status()
    assert upload(service, "mended.txt", b"").status_code == 422
    open_section(page, "documents?state=failed", "Documents")
    page.get_by_label("Search documents").fill("upload default")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("button", name="Re-ingest these 3").click()
    expect(page.locator(".outcome.bad")).to_have_count(2)
    expect(page.locator(".outcome.bad").first).to_contain_text("upload it again")
    expect(row(page, "mended.txt")).to_have_count(0)  # ready again
    page.get_by_role("button", name="Remove these 2").click()
    expect(page.get_by_role("dialog").locator("li")).to_have_text(["first-cut.pdf", "second-cut.pdf"])
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("No document matches.")).to_be_visible()


def test_the_names_and_failures_of_documents_are_shown_as_text(page: Page, service: LiveService) -> None:
    title = office.HOSTILE.replace("<", "&lt;")
    upload(
        service, f"{office.HOSTILE.replace('/', '')}.html", f"<title>{title}</title><p>Words.</p>".encode()
    )
    upload(service, f"{office.HOSTILE.replace('/', '')}.pdf", b"%PDF")
    open_section(page, "documents", "Documents")
    page.get_by_label("Search documents").fill("pwned")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_text(office.HOSTILE, exact=True)).to_be_visible()
    page.locator("tbody tr").first.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog").locator("li")).to_contain_text("<script>")
    assert page.evaluate("[window.pwned, document.querySelectorAll('#app img, main script').length]") == [
        None,
        0,
    ]


# ---------------------------------------------------------------- questions


def test_a_hostile_question_and_comment_are_shown_as_text_everywhere(
    page: Page, service: LiveService
) -> None:
    ident = ask(service, office.HOSTILE_QUESTION)
    given = {"answer_id": ident, "rating": "down", "reasons": ["wrong"], "comment": office.HOSTILE}
    httpx.post(f"{service.url}/v1/feedback", json=given, trust_env=False).raise_for_status()
    open_section(page, "questions", "Questions")
    first = page.locator("tbody tr").first
    expect(first.locator(".asked")).to_have_text(office.HOSTILE_QUESTION)
    expect(first.locator(".comment")).to_have_text(f"“wrong: {office.HOSTILE}”")
    open_section(page, "feedback", "Feedback")
    expect(page.locator(".comments .comment").first).to_have_text(f"“{office.HOSTILE}”")
    open_section(page, "gaps", "Content gaps")
    page.get_by_label("with answers that were rated down").check()
    expect(page.get_by_role("heading", name=office.HOSTILE_QUESTION)).to_be_visible()
    assert page.evaluate("[window.pwned, document.querySelectorAll('#app img, main script').length]") == [
        None,
        0,
    ]
    httpx.delete(f"{service.url}/v1/admin/questions/{ident}", trust_env=False).raise_for_status()


def test_questions_are_filtered_by_outcome_rating_and_caller(page: Page) -> None:
    open_section(page, "questions", "Questions")
    page.get_by_label("Outcome").select_option("Failed")
    expect(page.locator("tbody .chip.good, tbody .chip.warn")).to_have_count(0)
    expect(row(page, "Summarise all contracts")).not_to_have_count(0)
    page.get_by_label("Outcome").select_option("any")
    page.get_by_label("Rating").select_option("down")
    expect(page.locator("tbody tr").first.locator(".chip.bad")).to_have_text("Down")
    page.get_by_label("Rating").select_option("any")
    page.get_by_role("button", name="Only questions of wiki", exact=True).first.click()
    expect(page.get_by_role("button", name="Forget all of this caller")).to_be_visible()
    expect(page.locator("td.by .link").first).to_have_text("wiki")


def test_more_questions_are_shown_when_they_are_asked_for(page: Page) -> None:
    open_section(page, "questions", "Questions")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("tbody tr")).to_have_count(100)


def test_a_question_is_forgotten(page: Page, service: LiveService) -> None:
    ask(service, "What shall be forgotten?")
    open_section(page, "questions", "Questions")
    page.get_by_role("button", name="Forget: What shall be forgotten?").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.get_by_text("What shall be forgotten?")).to_have_count(0)


def test_an_action_that_is_refused_is_told(page: Page, service: LiveService, complaints: Complaints) -> None:
    complaints.expect("status of 503")
    ask(service, "What stays known?")
    open_section(page, "questions", "Questions")
    told = {"title": "The vector store cannot be reached", "detail": "the log is locked", "status": 503}
    page.route(
        "**/v1/admin/questions/*",
        lambda route: route.fulfill(status=503, content_type="application/problem+json", json=told),
    )
    page.get_by_role("button", name="Forget: What stays known?").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.locator("#problem")).to_contain_text("the log is locked")
    expect(row(page, "What stays known?")).to_be_visible()


def test_questions_and_gaps_are_saved_as_csv(page: Page) -> None:
    for name, title in (("questions", "Questions"), ("gaps", "Content gaps")):
        open_section(page, name, title)
        with page.expect_download() as saved:
            page.get_by_role("button", name="Export CSV").click()
        assert saved.value.suggested_filename == f"citebox-{name}.csv"
        assert "parental leave" in Path(saved.value.path()).read_text(encoding="utf-8-sig")
