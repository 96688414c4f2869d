"""What goes wrong, told in clear words with a way on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Complaints
from tests.browser.library import BACKUPS, BACKUPS_QUOTE
from tests.claude_server import Cite, ClaudeServer, Part, Slow, Text
from tests.live import LiveService

from .box import Box
from .conftest import Embed
from .hosts import Host, Line, policy, sign

LONG = Text(Part("Backups are kept for ninety days. ", Cite()), "And then there is more to say. " * 100)


@pytest.fixture
def line(service: LiveService, host: Host) -> Iterator[Line]:
    """A network between the site's readers and the service."""
    with Line(service.url) as line:
        host.policy = policy(service.url, line.url)
        yield line


def test_a_connection_that_breaks_marks_the_answer_as_incomplete_and_it_can_be_asked_again(
    embed: Embed, line: Line, claude: ClaudeServer, complaints: Complaints
) -> None:
    complaints.expect("net::ERR")
    claude.enqueue(Slow(LONG, delay_per_chunk=0.05))
    box = embed(endpoint=line.url)
    box.open()
    box.listen("rag-error")
    box.ask(BACKUPS)
    expect(box.markers).to_have_count(1)
    line.cut()

    box.see("incomplete")
    expect(box.status).to_have_text("The connection broke. This answer is incomplete.")
    expect(box.prose).to_contain_text("Backups are kept for ninety days.")
    expect(box.announced).to_contain_text("The connection broke")
    expect(box.turn.locator(".foot")).to_have_count(0)
    assert box.heard[0][1]["question"] == BACKUPS
    assert box.heard[0][1]["kind"] == "unreachable"
    box.check()

    box.button("Try again").click()
    box.see("done")
    expect(box.prose).to_contain_text(BACKUPS_QUOTE)
    expect(box.trouble).to_have_count(0)


def test_on_a_slow_network_each_state_is_shown_and_the_answer_comes(embed: Embed, line: Line) -> None:
    line.delay = 0.3
    box = embed(endpoint=line.url)
    box.open()
    box.ask(BACKUPS)
    box.see("retrieving")
    expect(box.status).to_have_text("Searching the documents")
    box.check()
    box.see("done")
    expect(box.prose).to_contain_text(BACKUPS_QUOTE)


def test_a_service_that_is_gone_is_said_so(embed: Embed, line: Line, complaints: Complaints) -> None:
    complaints.expect("net::ERR|Failed to load")
    box = embed(endpoint=line.url)
    box.open()
    line.close()
    box.ask(BACKUPS)
    box.see("failed")
    expect(box.trouble).to_contain_text("The service cannot be reached")
    expect(box.turn.locator(".prose")).to_be_empty()
    box.check()


def test_offline_keeps_the_question_and_hits_come_back_with_the_network(
    box: Box, context: BrowserContext, complaints: Complaints
) -> None:
    complaints.expect("ERR_INTERNET_DISCONNECTED")
    context.set_offline(True)
    box.field.fill("payroll backup")
    expect(box.element.locator(".quiet")).to_have_text("You are offline")
    expect(box.announced).to_have_text("You are offline")
    box.check()
    context.set_offline(False)
    expect(box.hits.first).to_be_visible()

    context.set_offline(True)
    box.ask(BACKUPS)
    box.see("failed")
    expect(box.trouble).to_contain_text("You are offline")
    box.check()
    context.set_offline(False)
    box.button("Try again").click()
    box.see("done")


def test_a_wait_that_is_over_lets_the_question_be_asked_again(box: Box, complaints: Complaints) -> None:
    complaints.expect("429")
    problem = {"title": "Busy", "status": 429, "code": "overloaded", "detail": "Busy."}
    headers = {"Retry-After": "2", "Access-Control-Expose-Headers": "Retry-After"}
    _answer_once(box, 429, problem, headers)
    box.ask(BACKUPS)
    expect(box.turn.get_by_role("button", name="Try again")).to_have_attribute("aria-disabled", "true")
    expect(box.turn.get_by_role("button", name="Try again")).to_have_attribute("aria-disabled", "false")
    box.turn.get_by_role("button", name="Try again").click()
    box.see("done")


def test_a_question_that_is_too_long_is_refused_before_it_is_sent(box: Box) -> None:
    asked: list[str] = []
    box.page.on("request", lambda request: asked.append(request.url) if "/v1/ask" in request.url else None)
    # Code points count, as the service counts: each of these is two units of UTF-16.
    box.field.fill("🍋" * 4000)
    expect(box.element.locator("#over")).to_have_count(0)
    box.field.fill("🍋" * 4002)
    expect(box.element.get_by_role("alert")).to_have_text(
        re.compile(r"This question is too long\s+2 characters too long")
    )
    expect(box.field).to_have_attribute("aria-invalid", "true")
    box.page.keyboard.press("Enter")
    expect(box.turns).to_have_count(0)
    assert asked == []
    box.check()


def test_a_question_to_a_service_that_is_starting_waits_and_one_too_many_is_told_when_to_come_again(
    embed: Embed, host: Host, service: LiveService, embedding: dict[str, str], complaints: Complaints
) -> None:
    complaints.expect("503|429")
    embedding = {**embedding, "RAG_ORIGIN_QUESTIONS_PER_MINUTE": "1"}
    with LiveService(service.data_dir) as second:
        second.log = service.data_dir / "second.log"
        second.start(embedding, wait=False)
        _until_it_listens(second.url)
        host.policy = policy(service.url, second.url)
        box = embed(endpoint=second.url)
        box.open()
        box.ask(BACKUPS)
        expect(box.trouble).to_contain_text("The service is starting")
        expect(box.status).to_have_text("The service is starting")
        box.check()
        expect(box.turn).to_have_attribute("data-phase", "done", timeout=60_000)
        expect(box.trouble).to_have_count(0)

        box.listen("rag-error")
        box.ask_and_see(BACKUPS, "failed")
        expect(box.trouble).to_contain_text("Too many questions at once")
        retry = box.trouble.get_by_role("button")
        expect(retry).to_have_text(re.compile(r"Try again in \d+ sec"))
        expect(retry).to_have_attribute("aria-disabled", "true")
        expect(retry).not_to_have_text(retry.text_content() or "")
        assert [(one["code"], one["status"]) for _, one in box.heard] == [("rate_limited", 429)]
        box.check()


def test_a_failure_of_the_service_names_its_request_and_can_be_tried_again(
    box: Box, complaints: Complaints
) -> None:
    complaints.expect("500")
    problem = {
        "title": "Internal error",
        "status": 500,
        "code": "internal_error",
        "detail": "It <b>broke</b>.",
        "request_id": "4f2a",
    }
    _answer_once(box, 500, problem)
    box.ask(BACKUPS)
    box.see("failed")
    expect(box.trouble).to_contain_text("That did not work")
    expect(box.trouble).to_contain_text("It <b>broke</b>.")
    expect(box.trouble).to_contain_text("Request 4f2a")
    box.check()
    box.button("Try again").click()
    box.see("done")
    expect(box.turns).to_have_count(1)


def test_an_error_in_the_stream_marks_what_came_before_it(box: Box) -> None:
    stream = (
        'event: sources\ndata: {"hits": [], "route": {}}\n\nevent: delta\ndata: {"text": "Ninety"}\n\n'
        f"event: error\ndata: {json.dumps({'title': 'Failed', 'status': 502, 'code': 'answer_failed'})}\n\n"
    )
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/event-stream"}
    box.page.route("**/v1/ask", lambda route: route.fulfill(body=stream, headers=headers), times=1)
    box.ask(BACKUPS)
    box.see("incomplete")
    expect(box.prose).to_have_text("Ninety")
    expect(box.trouble).to_contain_text("That did not work")


def test_a_token_that_has_ended_is_renewed_once_and_the_reader_sees_nothing(
    embed: Embed, host: Host, complaints: Complaints
) -> None:
    complaints.expect("401")
    host.tokens = [sign(exp=int(time.time()) - 60), sign()]
    box = embed(token_endpoint="/token")
    box.open()
    box.ask_and_see(BACKUPS)
    expect(box.prose).to_contain_text(BACKUPS_QUOTE)
    assert host.asked == 2


def test_a_token_is_renewed_before_it_ends(embed: Embed, host: Host) -> None:
    host.lives_seconds = 2
    box = embed(token_endpoint="/token")
    box.open()
    expect(box.field).to_be_focused()
    box.page.wait_for_timeout(1300)
    box.ask_and_see(BACKUPS)
    assert host.asked >= 2


@pytest.mark.parametrize("given", ["ended", "none"])
def test_a_reader_whose_sign_in_is_over_is_told_and_can_sign_in_again(
    embed: Embed, host: Host, complaints: Complaints, given: str
) -> None:
    complaints.expect("401")
    bad: dict[str, str | int] = {"ended": sign(exp=int(time.time()) - 60), "none": 401}
    host.tokens = [bad[given]]
    box = embed(token_endpoint="/token", sign_in="/login")
    box.open()
    expect(box.trouble).to_contain_text("You are signed out")
    expect(box.trouble.get_by_role("link", name="Sign in again")).to_have_attribute("href", "/login")
    expect(box.announced).to_contain_text("You are signed out")
    box.check()

    box.ask(BACKUPS)
    box.see("failed")
    expect(box.trouble).to_contain_text("You are signed out")
    host.tokens = [sign()]
    host.asked = 0
    box.button("Try again").click()
    box.see("done")


def test_a_token_that_the_host_makes_wrongly_is_not_told_as_an_ended_sign_in(
    embed: Embed, host: Host, complaints: Complaints
) -> None:
    complaints.expect("401")
    host.tokens = [sign(aud="somebody")]
    box = embed(token_endpoint="/token", sign_in="/login")
    box.open()
    box.ask_and_see(BACKUPS, "failed")
    expect(box.trouble).to_contain_text("the audience of the token is not citebox")
    expect(box.trouble.get_by_role("link", name="Sign in again")).to_have_count(0)


def test_what_may_not_be_spent_is_said_so(embed: Embed, host: Host, complaints: Complaints) -> None:
    complaints.expect("402")
    host.tokens = [sign(max_usd_per_day=0)]
    box = embed(token_endpoint="/token")
    box.open()
    box.ask_and_see(BACKUPS, "failed")
    expect(box.trouble).to_contain_text("The budget is used up")
    box.check()


def test_a_page_whose_origin_is_not_allowed_is_told_so(
    embed: Embed, host: Host, complaints: Complaints
) -> None:
    complaints.expect("CORS|net::ERR_FAILED|403|RAG_ALLOWED_ORIGINS of .* does not name")
    box = embed(origin=host.elsewhere)
    box.open()
    expect(box.trouble).to_contain_text("Not allowed here")
    box.ask(BACKUPS)
    box.see("failed")
    expect(box.trouble).to_contain_text("The service takes no questions from this page.")
    box.check()


def _answer_once(
    box: Box, status: int, problem: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    """The next question gets a problem that the service has no reason for here."""
    shared = {"Access-Control-Allow-Origin": "*", **(headers or {})}
    box.page.route(
        "**/v1/ask", lambda route: route.fulfill(status=status, json=problem, headers=shared), times=1
    )


def _until_it_listens(url: str) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{url}/healthz", trust_env=False, timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"nothing listens at {url}")
