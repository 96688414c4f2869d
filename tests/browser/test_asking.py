"""Asking: every state an answer can be in, and every way it can fail to come."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.claude_server import Cite, ClaudeServer, MidStreamError, Part, Slow, Text
from tests.live import LiveService

from .conftest import Complaints
from .library import BACKUPS, BACKUPS_QUOTE, PARKING, PARKING_QUOTE, UNKNOWN
from .steps import ask, ask_and_wait, see_state

LONG_ANSWER = Text(
    Part("Backups are kept for ninety days. ", Cite()), "And then there is more to say. " * 200
)


def test_an_answer_comes_with_its_sources_and_says_who_gave_it(page: Page) -> None:
    ask_and_wait(page, BACKUPS)

    expect(page.locator("#text")).to_contain_text(BACKUPS_QUOTE)
    expect(page.locator("#text .marker").first).to_have_text("1")
    first = page.locator("#citations li").first
    expect(first.locator("cite")).to_have_text("Operations handbook")
    expect(first.locator(".where")).to_have_text("Backups")
    expect(first.locator("blockquote")).to_have_text(BACKUPS_QUOTE)
    expect(page.locator("#route")).to_contain_text("Answered by claude-haiku-5-5 in")
    expect(page.locator("#announcer")).to_contain_text("Answer ready")
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    expect(page).to_have_title(f"{BACKUPS} · Citebox")


def test_words_are_shown_while_the_answer_streams(page: Page, claude: ClaudeServer) -> None:
    claude.enqueue(Slow(LONG_ANSWER, delay_per_chunk=0.1))
    ask(page, BACKUPS)

    expect(page.locator("#text .marker")).to_have_text("1")
    see_state(page, "busy")
    expect(page.locator("#state")).to_contain_text("Reading Operations handbook")
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#submit")).to_be_hidden()


def test_stop_ends_the_work_down_to_claude_and_marks_the_answer_as_incomplete(
    page: Page, claude: ClaudeServer
) -> None:
    claude.enqueue(Slow(LONG_ANSWER, delay_per_chunk=0.1))
    ask(page, BACKUPS)
    expect(page.locator("#text .marker")).to_be_visible()

    page.locator("#stop").click()

    see_state(page, "incomplete")
    expect(page.locator("#problem-title")).to_have_text("This answer is incomplete")
    expect(page.locator("#text")).to_contain_text("Backups are kept for ninety days.")
    expect(page.locator("#submit")).to_be_visible()
    assert claude.requests[-1].wait()
    assert claude.requests[-1].disconnected


def test_a_new_question_hangs_up_on_the_former(page: Page, claude: ClaudeServer) -> None:
    claude.enqueue(Slow(LONG_ANSWER, delay_per_chunk=0.1))
    ask(page, BACKUPS)
    expect(page.locator("#text .marker")).to_be_visible()

    ask_and_wait(page, PARKING)

    expect(page.locator("#text")).to_contain_text(PARKING_QUOTE)
    expect(page.locator("#text")).not_to_contain_text("ninety")
    assert claude.requests[0].wait()
    assert claude.requests[0].disconnected


def test_what_is_not_in_the_documents_is_said_so_with_the_nearest_ones(page: Page) -> None:
    ask_and_wait(page, UNKNOWN, "unanswered")

    expect(page.locator("#text")).to_have_text("I could not find this in the documents.")
    expect(page.locator("#citations")).to_be_hidden()
    expect(page.locator("#copy")).to_be_hidden()
    page.locator("#nearest a").first.click()
    expect(page.locator("#stored mark").first).to_be_visible()


def test_without_a_key_sentences_are_quoted_and_the_page_says_so(page: Page, keyless: LiveService) -> None:
    page.goto(keyless.url)
    expect(page.locator("#library")).to_be_visible()
    expect(page.locator("#modes")).to_be_hidden()

    ask_and_wait(page, BACKUPS)

    expect(page.locator("#text")).to_contain_text(BACKUPS_QUOTE)
    expect(page.locator("#route")).to_contain_text("Quoted without a model")


def test_an_answer_that_breaks_off_is_replaced_by_quotes_and_the_page_says_why(
    page: Page, claude: ClaudeServer
) -> None:
    claude.enqueue(MidStreamError("Backups are kept for ever"))
    ask_and_wait(page, BACKUPS)

    expect(page.locator("#text")).to_contain_text(BACKUPS_QUOTE)
    expect(page.locator("#text")).not_to_contain_text("for ever")
    expect(page.locator("#answer")).to_contain_text("Claude stopped in the middle of the answer")
    expect(page.locator("#route")).to_contain_text("Quoted without a model")


def test_an_error_on_the_way_marks_the_answer_as_incomplete_and_it_can_be_asked_again(
    context: BrowserContext,
) -> None:
    problem = {"title": "The service failed", "detail": "It broke.", "request_id": "4f2a"}
    answered = (
        'event: sources\ndata: {"hits": [], "route": {}}\n\nevent: delta\ndata: {"text": "Ninety"}\n\n'
        f"event: error\ndata: {json.dumps(problem)}\n\n"
    )
    context.add_init_script(
        f"""const real = fetch;
        let failed = false;
        window.fetch = (path, options) => {{
          if (path !== 'v1/ask' || failed) return real(path, options);
          failed = true;
          return Promise.resolve(new Response({json.dumps(answered)}));
        }};"""
    )
    page = context.new_page()
    page.goto("/")
    ask(page, BACKUPS)

    see_state(page, "incomplete")
    expect(page.locator("#text")).to_have_text("Ninety")
    expect(page.locator("#problem-title")).to_contain_text("This answer is incomplete")
    expect(page.locator("#problem-request")).to_contain_text("Request 4f2a")
    expect(page.locator("#footer")).to_be_hidden()

    page.locator("#retry").click()

    see_state(page, "answered")
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#text")).to_contain_text(BACKUPS_QUOTE)


@pytest.mark.parametrize("ending", ["controller.close()", "controller.error(new TypeError('network error'))"])
def test_a_connection_lost_on_the_way_never_looks_like_an_answer(
    context: BrowserContext, ending: str
) -> None:
    begun = 'event: sources\ndata: {"hits": [], "route": {}}\n\nevent: delta\ndata: {"text": "Ninety"}\n\n'
    context.add_init_script(
        f"""const real = fetch;
        window.fetch = (path, options) => path !== 'v1/ask' ? real(path, options) : Promise.resolve(
          new Response(new ReadableStream({{
            async pull(controller) {{
              if (this.sent) {{
                while (!document.querySelector('#text p')) await new Promise(requestAnimationFrame);
                {ending};
              }} else controller.enqueue(new TextEncoder().encode({json.dumps(begun)}));
              this.sent = true;
            }},
          }})));"""
    )
    page = context.new_page()
    page.goto("/")
    ask(page, BACKUPS)

    see_state(page, "incomplete")
    expect(page.locator("#text")).to_have_text("Ninety")
    expect(page.locator("#problem-title")).to_have_text("This answer is incomplete: the connection broke off")


def test_offline_is_said_and_can_be_tried_again(
    page: Page, context: BrowserContext, complaints: Complaints
) -> None:
    complaints.expect("ERR_INTERNET_DISCONNECTED")
    context.set_offline(True)
    ask(page, BACKUPS)
    see_state(page, "failed")
    expect(page.locator("#problem-title")).to_have_text("The service cannot be reached")

    context.set_offline(False)
    page.locator("#retry").click()
    see_state(page, "answered")


def test_a_problem_is_shown_with_its_remedy(page: Page, complaints: Complaints) -> None:
    complaints.expect("502")
    problem = {
        "title": "Claude did not accept the request",
        "detail": "Claude refused the key",
        "remedy": "check ANTHROPIC_API_KEY",
        "code": "claude_rejected",
    }
    page.route("**/v1/ask", lambda route: _refuse(route, 502, problem))
    ask(page, BACKUPS)

    see_state(page, "failed")
    expect(page.locator("#problem-title")).to_have_text("Claude did not accept the request")
    expect(page.locator("#problem-detail")).to_have_text("Claude refused the key.")
    expect(page.locator("#problem-remedy")).to_have_text("Check ANTHROPIC_API_KEY.")


def test_a_reply_of_a_proxy_is_a_problem_too(page: Page, complaints: Complaints) -> None:
    complaints.expect("504")
    page.route("**/v1/ask", lambda route: route.fulfill(status=504, body="<h1>Gateway timeout</h1>"))
    ask(page, BACKUPS)
    see_state(page, "failed")
    expect(page.locator("#problem-title")).to_have_text("The service answered 504")


def test_while_the_service_starts_the_question_waits_and_is_then_asked(
    page: Page, complaints: Complaints
) -> None:
    complaints.expect("503")
    starting = {"title": "The service is starting", "detail": "loading", "code": "starting"}
    page.route("**/v1/ask", lambda route: _refuse(route, 503, starting, {"Retry-After": "1"}), times=1)
    ask(page, BACKUPS)

    expect(page.locator("#state")).to_contain_text("The service is starting")
    see_state(page, "answered")


def test_examples_are_questions_that_the_library_answers(page: Page) -> None:
    chip = page.locator("#examples button").first
    question = chip.inner_text()
    chip.click()
    see_state(page, "answered")
    expect(page.locator("#question")).to_have_value(question)


def test_the_mode_goes_along_with_the_question(page: Page, claude: ClaudeServer) -> None:
    page.locator("#mode").select_option("thorough")
    ask_and_wait(page, BACKUPS)
    expect(page.locator("#route")).to_contain_text("claude-sonnet-5-5")
    assert "mode=thorough" in page.url


def test_an_answer_is_copied_with_its_sources(page: Page, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask_and_wait(page, BACKUPS)
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"{BACKUPS}\n\n{BACKUPS_QUOTE}")
    assert f"[1] Operations handbook, Backups\n    “{BACKUPS_QUOTE}”\n    file://" in copied


def test_back_shows_the_former_answer_without_asking_again(page: Page, claude: ClaudeServer) -> None:
    ask_and_wait(page, BACKUPS)
    ask_and_wait(page, PARKING)
    asked = len(claude.requests)

    page.go_back()
    expect(page.locator("#text")).to_contain_text(BACKUPS_QUOTE)
    page.go_back()
    expect(page.locator("#answer")).to_be_hidden()
    page.go_forward()
    expect(page.locator("#text")).to_contain_text(BACKUPS_QUOTE)
    assert len(claude.requests) == asked


def _refuse(
    route: Route, status: int, problem: dict[str, str], headers: dict[str, str] | None = None
) -> None:
    route.fulfill(
        status=status,
        headers=headers or {},
        content_type="application/problem+json",
        body=json.dumps({**problem, "status": status, "request_id": "r1"}),
    )
