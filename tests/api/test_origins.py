"""Pages of other origins: those allowed may ask and read, nobody else's may, and none may operate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rag.api.rates import OTHERS, Rates
from rag.errors import SettingsError, TooFast
from rag.settings import Settings, load_settings
from tests.live import LiveService

from . import events
from .conftest import ADMIN_KEY
from .hosts import ELSEWHERE, HERE, ORIGIN, OTHER, SECRET, THERE, bearing, door, token
from .library import HOW_LONG, SALARIES
from .test_problems import NOBODY, application, assert_problem

SHARED = {
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Credentials",
    "Access-Control-Max-Age",
}


def preflight(http: httpx.Client, path: str, method: str, origin: str = ORIGIN) -> httpx.Response:
    headers = {
        "Origin": origin,
        "Sec-Fetch-Site": "cross-site",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return http.request("OPTIONS", path, headers=headers)


def assert_readable(reply: httpx.Response) -> None:
    """A page of the allowed origin may read it, and the two headers that it needs."""
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert reply.headers["Access-Control-Expose-Headers"] == "X-Request-Id, Retry-After"
    assert "Access-Control-Allow-Credentials" not in reply.headers
    assert "Origin" in reply.headers["Vary"]


def assert_unreadable(reply: httpx.Response) -> None:
    assert not SHARED & {name.title() for name in reply.headers}


# ---------------------------------------------------------------- who may ask


ASKS = [
    ("POST", "/v1/ask"),
    ("POST", "/v1/search"),
    ("POST", "/v1/feedback"),
    ("DELETE", "/v1/conversations/abc"),
    ("GET", "/v1/session"),
    ("GET", "/v1/documents"),
    ("GET", f"/v1/documents/{NOBODY}/source"),
]


@pytest.mark.parametrize(("method", "path"), ASKS)
def test_the_browser_is_told_that_a_page_of_an_allowed_origin_may_ask(
    hosted: httpx.Client, method: str, path: str
) -> None:
    reply = preflight(hosted, path, method)
    assert reply.status_code == 204
    assert_readable(reply)
    assert method in reply.headers["Access-Control-Allow-Methods"]
    assert reply.headers["Access-Control-Allow-Headers"] == "authorization, content-type, accept"
    assert reply.headers["Access-Control-Max-Age"] == "7200"


@pytest.mark.parametrize(
    "origin",
    [
        OTHER,
        "null",
        "http://docs.example.com",
        "https://docs.example.com:8443",
        "https://docs.example.com.evil.example",
        "https://sub.docs.example.com",
        "https://DOCS.example.com",
        "*",
    ],
)
def test_no_other_origin_may_ask(hosted: httpx.Client, origin: str) -> None:
    for site in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {}):
        headers = {"Origin": origin, **site}
        asked = hosted.post("/v1/search", json={"query": HOW_LONG}, headers=headers)
        assert_problem(asked, 403, "origin_not_allowed")
        assert_unreadable(asked)
        assert_unreadable(hosted.get("/v1/documents", headers=headers))
    refused = preflight(hosted, "/v1/ask", "POST", origin)
    assert_problem(refused, 403, "origin_not_allowed")
    assert_unreadable(refused)


def test_a_token_does_not_open_the_door_to_another_origins_page(hosted: httpx.Client) -> None:
    headers = ELSEWHERE | bearing(token())
    assert_problem(
        hosted.post("/v1/search", json={"query": HOW_LONG}, headers=headers), 403, "origin_not_allowed"
    )


def test_without_a_token_its_readers_are_the_public(hosted: httpx.Client, ids: dict[str, str]) -> None:
    session = hosted.get("/v1/session", headers=THERE)
    assert session.json()["name"] == f"origin:{ORIGIN}"
    assert session.json()["groups"] == ["everyone"]
    assert_readable(session)
    assert ids[SALARIES.name] not in hosted.get("/v1/documents", headers=THERE).text


def test_with_a_token_they_are_who_the_host_says_they_are(hosted: httpx.Client) -> None:
    session = hosted.get("/v1/session", headers=THERE | bearing(token())).json()
    assert session["name"] == "user:anna"


async def test_where_a_key_is_required_the_public_is_refused_in_words_that_the_page_can_read(
    tmp_path: Path,
) -> None:
    known = {"allowed_origins": (ORIGIN,), "token_secret": SECRET, "require_key": True}
    async with door(tmp_path, **known) as http:
        refused = await http.get("/v1/session", headers=THERE)
        known_user = await http.get("/v1/session", headers=THERE | bearing(token()))
    assert_problem(refused, 401, "unauthorised")
    assert_readable(refused)
    assert known_user.status_code == 200


# ---------------------------------------------------------------- what its page can read


def test_a_stream_can_be_read(hosted: httpx.Client) -> None:
    body = {"question": HOW_LONG, "stream": True}
    with hosted.stream("POST", "/v1/ask", json=body, headers=THERE) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert_readable(reply)
        assert [event.name for event in events.read(reply.iter_lines())][-1] == "done"


def test_problems_can_be_read(hosted: httpx.Client) -> None:
    expired = bearing(token(exp=int(time.time()) - 1))
    for reply, status, code in (
        (hosted.get("/v1/session", headers=THERE | expired), 401, "token_expired"),
        (hosted.get("/v1/session", headers=THERE | bearing("a.b.c")), 401, "token_invalid"),
        (hosted.get("/v1/session", headers=THERE | bearing("cbx_x")), 401, "unauthorised"),
        (hosted.post("/v1/ask", json={}, headers=THERE), 422, "invalid_request"),
        (hosted.get(f"/v1/documents/{NOBODY}", headers=THERE), 404, "not_found"),
        (hosted.post("/v1/ask", content=b"x" * 1_000_001, headers=THERE), 413, "too_large"),
    ):
        assert_problem(reply, status, code)
        assert_readable(reply)


async def test_problems_before_the_models_are_loaded_can_be_read(tmp_path: Path) -> None:
    async with application(tmp_path, allowed_origins=(ORIGIN,)) as (_, http):
        reply = await http.post("/v1/ask", json={"question": "How?"}, headers=THERE)
    assert_problem(reply, 503, "starting")
    assert_readable(reply)


async def test_a_fault_of_the_service_can_be_read(tmp_path: Path) -> None:
    def fails() -> None:
        raise RuntimeError("no such luck")

    async with application(tmp_path, allowed_origins=(ORIGIN,)) as (app, http):
        app.add_api_route("/v1/fails", fails)
        reply = await http.get("/v1/fails", headers=THERE)
    assert_problem(reply, 500, "internal_error")
    assert_readable(reply)


def test_where_origins_are_allowed_every_reply_varies_by_them(hosted: httpx.Client) -> None:
    for headers in ({}, HERE, ELSEWHERE):
        assert "Origin" in hosted.get("/v1/documents", headers=headers).headers["Vary"]


def test_where_none_is_allowed_nothing_is_shared(plain: httpx.Client) -> None:
    for headers in ({}, HERE, THERE, ELSEWHERE):
        reply = plain.get("/v1/documents", headers=headers)
        assert_unreadable(reply)
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert_problem(preflight(plain, "/v1/ask", "POST"), 403, "origin_not_allowed")


def test_the_search_box_is_for_every_page_and_the_pages_are_for_none(hosted: httpx.Client) -> None:
    for path in ("/", "/admin", f"/source/{NOBODY}"):
        assert_unreadable(hosted.get(path, headers=THERE))


# ---------------------------------------------------------------- what no other page may

OPERATING = [
    ("POST", "/v1/documents"),
    ("DELETE", f"/v1/documents/{NOBODY}"),
    ("PUT", "/v1/ask"),
    ("PATCH", "/v1/search"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/usage/"),
    ("GET", "/v1/admin"),
    ("GET", "/v1/admin/documents"),
    ("POST", "/v1/admin/documents"),
    ("DELETE", f"/v1/admin/documents/{NOBODY}"),
    ("POST", "/v1/ask/more"),
    ("DELETE", "/v1/conversations/a/b"),
    ("POST", "/v1/something-new"),
    ("POST", "/v1/ask\n"),
]


@pytest.mark.parametrize(("method", "path"), OPERATING)
def test_what_changes_documents_or_is_the_operators_is_for_no_other_page_whatever_key_it_brings(
    hosted: httpx.Client, method: str, path: str
) -> None:
    path = path.replace("\n", "%0A")
    for page in (THERE, ELSEWHERE):
        reply = hosted.request(method, path, headers=page | bearing(ADMIN_KEY))
        assert_problem(reply, 403, "origin_not_allowed")
    refused = preflight(hosted, path, method)
    assert_problem(refused, 403, "origin_not_allowed")
    assert "Access-Control-Allow-Methods" not in refused.headers


def test_a_line_break_at_the_end_of_a_path_leads_around_nothing(hosted: httpx.Client) -> None:
    for page in (HERE, THERE):
        reply = hosted.get("/v1/usage%0A", headers=page | bearing(ADMIN_KEY))
        assert_problem(reply, 404, "not_found")
    asked = hosted.post("/v1/ask%0A", json={"question": HOW_LONG}, headers=HERE)
    assert_problem(asked, 404, "not_found")


def test_a_page_of_the_service_itself_is_known_also_where_the_browser_does_not_say_so(
    hosted: httpx.Client,
) -> None:
    own = {"Origin": str(hosted.base_url).rstrip("/")}
    assert hosted.post("/v1/search", json={"query": HOW_LONG}, headers=own).status_code == 200
    foreign = {"Origin": "http://127.0.0.1:1"}
    reply = hosted.post("/v1/search", json={"query": HOW_LONG}, headers=foreign)
    assert_problem(reply, 403, "origin_not_allowed")


def test_behind_a_proxy_that_renames_the_host_the_browsers_word_counts(hosted: httpx.Client) -> None:
    headers = {"Origin": "https://rag.example", **HERE}
    assert hosted.post("/v1/search", json={"query": HOW_LONG}, headers=headers).status_code == 200


# ---------------------------------------------------------------- how fast


@pytest.fixture
def slow_lane(plain_service: LiveService, ids: dict[str, str]) -> Iterator[httpx.Client]:
    """A service that answers two questions a minute to the public of an origin."""
    service = LiveService(plain_service.data_dir)
    service.log = plain_service.data_dir / "slow_lane.log"
    env = {
        "RAG_ALLOWED_ORIGINS": f"{ORIGIN}, {OTHER}",
        "RAG_ORIGIN_QUESTIONS_PER_MINUTE": "2",
        "RAG_TOKEN_SECRET": SECRET,
        "RAG_RERANK": "false",
    }
    with service.start(env), httpx.Client(base_url=service.url, trust_env=False, timeout=60) as http:
        yield http


def test_the_public_of_one_origin_is_told_when_to_come_again_and_nobody_else_is(
    slow_lane: httpx.Client,
) -> None:
    def ask(headers: dict[str, str]) -> httpx.Response:
        return slow_lane.post("/v1/ask", json={"question": HOW_LONG}, headers=headers)

    replies = [ask(THERE) for _ in range(6)]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert [reply.status_code for reply in replies[:2]] == [200, 200]
    assert refused
    for reply in refused:
        assert_problem(reply, 429, "rate_limited")
        assert_readable(reply)
        assert 1 <= int(reply.headers["Retry-After"]) <= 30
    searched = slow_lane.post("/v1/search", json={"query": HOW_LONG}, headers=THERE)
    assert searched.status_code == 200
    assert ask(ELSEWHERE).status_code == 200
    assert [ask(THERE | bearing(token())).status_code for _ in range(3)] == [200, 200, 200]
    # The origin is a header: a program that leaves it out gets no more than one that does not.
    assert 429 in [ask({}).status_code for _ in range(6)]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_questions_flow_in_again_and_no_more_than_a_minutes_worth_is_kept() -> None:
    clock = Clock()
    rates = Rates(2, clock)
    for _ in range(2):
        for _ in range(2):
            rates.count("origin:a", question=True)
        with pytest.raises(TooFast) as refused:
            rates.count("origin:a", question=True)
        assert refused.value.retry_after == pytest.approx(30.0)
        clock.now += 30.0
        rates.count("origin:a", question=True)
        clock.now += 3600.0


def test_searches_while_typing_do_not_use_up_questions() -> None:
    rates = Rates(2, Clock())
    for _ in range(2 * OTHERS):
        rates.count("origin:a", question=False)
    with pytest.raises(TooFast, match="20 requests a minute"):
        rates.count("origin:a", question=False)
    rates.count("origin:a", question=True)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://docs.example.com", "https://docs.example.com"),
        ("https://Docs.Example.com:443", "https://docs.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(tmp_path: Path, given: str, kept: str) -> None:
    assert Settings(data_dir=tmp_path, allowed_origins=(given,)).allowed_origins == (kept,)


@pytest.mark.parametrize(
    "given",
    [
        "*",
        "null",
        "docs.example.com",
        "https://*.example.com",
        "https://docs.example.com/",
        "https://docs.example.com/path",
        "https://docs.example.com?",
        "https://user@docs.example.com",
        "https://docs.example.com:port",
        "https://docs example.com",
        "https://bücher.example",
        "ftp://docs.example.com",
        "file://",
        "https://",
    ],
)
def test_what_is_no_exact_origin_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("RAG_ALLOWED_ORIGINS", f"https://good.example, {given}")
    with pytest.raises(SettingsError, match="RAG_ALLOWED_ORIGINS"):
        load_settings()


def test_the_search_box_comes_packed_to_whoever_takes_it_so(hosted: httpx.Client) -> None:
    packed = hosted.get("/searchbox.js", headers={"Accept-Encoding": "gzip"})
    plain = hosted.get("/searchbox.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) <= 45 * 1024 < int(plain.headers["content-length"])
    assert hosted.get("/searchbox.de.js").headers["access-control-allow-origin"] == "*"
    for missing in ("/searchbox.xx.js", "/searchbox.DE.js", "/searchbox...%2fdist%2fsearchbox.js"):
        assert hosted.get(missing).status_code == 404
