"""One shape on every error path: RFC 9457, with a stable code and the id of the request."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.api.app import create_app
from rag.errors import CircuitOpen, ClaudeUnavailable, RateLimited, StoreUnavailable
from rag.settings import Settings
from tests.claude_server import ClaudeServer, Refusal

from .conftest import MAX_FILE_MB
from .library import HOW_LONG

NOBODY = str(uuid.UUID(int=0))
Parts = tuple[str, str, dict[str, Any]]


def body(path: str, **json: Any) -> Parts:
    return "POST", path, {"json": json}


def raw(path: str, content: bytes) -> Parts:
    return "POST", path, {"content": content, "headers": {"Content-Type": "application/json"}}


PROBLEMS: dict[str, tuple[Parts, int, str]] = {
    "an unknown path": (("GET", "/v1/nowhere", {}), 404, "not_found"),
    "an unknown asset": (("GET", "/assets/../../pyproject.toml", {}), 404, "not_found"),
    "an escaping asset": (("GET", "/assets/%2e%2e%2fpyproject.toml", {}), 404, "not_found"),
    "a wrong method": (("PUT", "/v1/ask", {}), 405, "method_not_allowed"),
    "no body": (("POST", "/v1/ask", {}), 422, "invalid_request"),
    "no JSON": (raw("/v1/ask", b"{"), 422, "invalid_request"),
    "bytes that are no text": (raw("/v1/ask", b'{"question": "\xff"}'), 400, "bad_request"),
    "a review of no prose": (
        body("/v1/ask", question="How?", review=True, response_schema={"type": "object"}),
        422,
        "invalid_request",
    ),
    "half a character": (raw("/v1/ask", rb'{"question": "\ud800 kept?"}'), 422, "invalid_request"),
    "half a character in a search": (raw("/v1/search", rb'{"query": "\udfff"}'), 422, "invalid_request"),
    "a form instead of JSON": (("POST", "/v1/ask", {"data": {"question": "How?"}}), 422, "invalid_request"),
    "an unknown field": (body("/v1/ask", question="How?", temperature=0), 422, "invalid_request"),
    "no question": (body("/v1/ask"), 422, "invalid_request"),
    "a blank question": (body("/v1/ask", question=" \n "), 422, "invalid_request"),
    "a question that is too long": (body("/v1/ask", question="why " * 1001), 422, "invalid_request"),
    "an unknown mode": (body("/v1/ask", question="How?", mode="wild"), 422, "invalid_request"),
    "a filter that lets nothing through": (
        body("/v1/ask", question="How?", filters={"document_ids": []}),
        422,
        "invalid_request",
    ),
    "a filter that is neither a list nor a name": (
        body("/v1/ask", question="How?", filters={"collections": 7}),
        422,
        "invalid_request",
    ),
    "an unknown filter": (
        body("/v1/search", query="How?", filters={"owner": ["me"]}),
        422,
        "invalid_request",
    ),
    "a limit of nothing": (body("/v1/search", query="How?", limit=0), 422, "invalid_request"),
    "a limit of everything": (body("/v1/search", query="How?", limit=101), 422, "invalid_request"),
    "a document that is not there": (("GET", f"/v1/documents/{NOBODY}", {}), 404, "not_found"),
    "an id that is none": (("GET", "/v1/documents/no-uuid", {}), 404, "not_found"),
    "a source with an id that is none": (("GET", "/v1/documents/%00/source", {}), 404, "not_found"),
    "the removal of nothing": (("DELETE", f"/v1/documents/{NOBODY}", {}), 404, "not_found"),
    "the removal of an id that is none": (("DELETE", "/v1/documents/no-uuid", {}), 404, "not_found"),
    "an upload of nothing": (("POST", "/v1/documents", {}), 422, "invalid_request"),
    "an upload for nobody": (
        ("POST", "/v1/documents", {"files": {"file": ("a.txt", b"words")}, "data": {"groups": " , "}}),
        422,
        "invalid_request",
    ),
    "an upload that is too large": (
        ("POST", "/v1/documents", {"files": {"file": ("a.txt", b"words " * (MAX_FILE_MB * 200_000))}}),
        413,
        "source_too_large",
    ),
    "a write from another site": (
        ("POST", "/v1/ask", {"json": {"question": "How?"}, "headers": {"Sec-Fetch-Site": "cross-site"}}),
        403,
        "origin_not_allowed",
    ),
    "a removal from another site": (
        ("DELETE", f"/v1/documents/{NOBODY}", {"headers": {"Sec-Fetch-Site": "same-site"}}),
        403,
        "origin_not_allowed",
    ),
    "another host": (("GET", "/v1/documents", {"headers": {"Host": "rebound.example"}}), 403, "forbidden"),
    "another host that sounds like ours": (
        ("GET", "/v1/documents", {"headers": {"Host": "127.0.0.1.rebound.example"}}),
        403,
        "forbidden",
    ),
}


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"].split(";")[0] == "application/problem+json"
    problem = response.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "code", "request_id"}
    assert problem.keys() <= {"type", "title", "status", "detail", "code", "request_id", "remedy", "errors"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["X-Request-Id"]


@pytest.mark.parametrize("kind", PROBLEMS)
def test_every_error_has_the_one_shape(plain: httpx.Client, kind: str) -> None:
    (method, path, parts), status, code = PROBLEMS[kind]
    assert_problem(plain.request(method, path, **parts), status, code)


def test_a_field_that_is_wrong_is_named(plain: httpx.Client) -> None:
    problem = plain.post("/v1/ask", json={"question": "How?", "filters": {"owner": 1}}).json()
    assert problem["errors"][0]["field"] == "filters.owner"
    assert "filters.owner" in problem["detail"]


def test_where_json_ends_to_be_json_is_said_in_words_and_is_no_field(plain: httpx.Client) -> None:
    problem = plain.post(
        "/v1/ask", content=b'{"question": }', headers={"content-type": "application/json"}
    ).json()
    assert problem["errors"] == [{"field": "", "message": "the body is not valid JSON (at character 13)"}]


def test_what_was_sent_is_not_repeated_in_the_problem(plain: httpx.Client) -> None:
    assert "s3cret" not in plain.post("/v1/ask", json={"question": 1, "key": "s3cret"}).text


def test_a_value_that_claude_cannot_give_has_the_shape_too(
    answering: httpx.Client, claude: ClaudeServer
) -> None:
    claude.enqueue(Refusal("I would rather not"))
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
    response = answering.post("/v1/ask", json={"question": HOW_LONG, "response_schema": schema})
    assert_problem(response, 502, "answer_refused")


def test_every_reply_carries_a_request_id_of_its_own(plain: httpx.Client) -> None:
    ids = {plain.get(path).headers["X-Request-Id"] for path in ("/healthz", "/v1/documents", "/nowhere")}
    assert len(ids) == 3


def test_a_page_of_the_service_itself_may_write(plain: httpx.Client) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert plain.post("/v1/search", json={"query": "backups"}, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_the_names_of_this_machine_are_answered(plain: httpx.Client, host: str) -> None:
    assert plain.get("/healthz", headers={"Host": f"{host}:8000"}).status_code == 200


def test_sniffing_is_forbidden_on_every_reply(plain: httpx.Client) -> None:
    for path in ("/healthz", "/nowhere", "/v1/documents"):
        assert plain.get(path).headers["X-Content-Type-Options"] == "nosniff"


# ---------------------------------------------------------------- without a service


@asynccontextmanager
async def application(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    """The application without its lifespan: no model, no store."""
    app = create_app(Settings(data_dir=tmp_path, **settings))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        yield app, http


async def test_an_unforeseen_error_has_the_shape_and_tells_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise RuntimeError("the password is 4711")

    async with application(tmp_path) as (app, http):
        app.add_api_route("/fails", fails)
        response = await http.get("/fails")
    assert_problem(response, 500, "internal_error")
    assert "4711" not in response.text
    assert "4711" in caplog.text


async def test_before_the_models_are_loaded_the_service_says_when_to_come_again(
    tmp_path: Path,
) -> None:
    async with application(tmp_path) as (_, http):
        response = await http.post("/v1/ask", json={"question": "How?"})
    assert_problem(response, 503, "starting")
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (CircuitOpen("left alone", retry_after=12.3), "13"),
        (RateLimited("too many", retry_after=0.0), "1"),
        (ClaudeUnavailable("not there"), "2"),
    ],
    ids=lambda value: getattr(value, "code", value),
)
async def test_a_claude_that_is_not_there_says_when_to_come_again(
    tmp_path: Path, error: ClaudeUnavailable, seconds: str
) -> None:
    def fails() -> None:
        raise error

    async with application(tmp_path) as (app, http):
        app.add_api_route("/fails", fails)
        response = await http.get("/fails")
    assert_problem(response, 503, error.code)
    assert response.headers["Retry-After"] == seconds


async def test_a_service_that_could_not_open_its_store_says_why(tmp_path: Path) -> None:
    async with application(tmp_path) as (app, http):
        app.state.runtime.failure = StoreUnavailable("no engine", remedy="start one")
        response = await http.post("/v1/ask", json={"question": "How?"})
        ready = await http.get("/readyz")
    assert_problem(response, 503, "store_unavailable")
    assert response.json()["remedy"] == "start one"
    assert (ready.status_code, ready.json()["status"]) == (503, "failed")


async def test_beyond_this_machine_any_host_is_answered_but_nothing_can_be_changed(tmp_path: Path) -> None:
    async with application(tmp_path, host="0.0.0.0") as (_, http):
        assert (await http.get("/healthz", headers={"Host": "rag.example"})).status_code == 200
        response = await http.delete(f"/v1/documents/{NOBODY}", headers={"Host": "rag.example"})
    assert_problem(response, 403, "forbidden")
    assert "RAG_ADMIN_KEY" in response.json()["remedy"]


async def test_a_body_that_says_it_is_too_long_is_refused_unread(tmp_path: Path) -> None:
    async with application(tmp_path) as (_, http):
        response = await http.post("/v1/ask", content=b"x" * 1_000_001)
    assert_problem(response, 413, "too_large")


async def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 100_000
            yield b"x" * 100_000

    async with application(tmp_path) as (app, http):
        app.state.runtime.failure = StoreUnavailable("no engine")
        response = await http.post("/v1/ask", content=endless(), headers={"Content-Type": "application/json"})
    assert_problem(response, 413, "too_large")
    assert sent < 2_000_000


async def test_an_upload_without_the_right_to_it_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with application(tmp_path, admin_key="k3y") as (_, http):
        response = await http.post("/v1/documents", content=unread())
    assert_problem(response, 403, "forbidden")


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"])
async def test_behind_a_proxy_nothing_can_be_changed_without_a_key(tmp_path: Path, header: str) -> None:
    async with application(tmp_path) as (_, http):
        response = await http.delete(f"/v1/documents/{NOBODY}", headers={header: "192.0.2.7"})
    assert_problem(response, 403, "forbidden")


async def test_a_name_of_another_host_means_a_proxy_as_well(tmp_path: Path) -> None:
    async with application(tmp_path, allowed_hosts=("rag.example",)) as (_, http):
        headers = {"Host": "rag.example"}
        response = await http.delete(f"/v1/documents/{NOBODY}", headers=headers)
        foreign = await http.get("/healthz", headers={"Host": "other.example"})
        assert (await http.get("/healthz", headers=headers)).status_code == 200
    assert_problem(response, 403, "forbidden")
    assert_problem(foreign, 403, "forbidden")


async def test_a_service_that_fails_to_open_in_an_unforeseen_way_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(settings: Settings) -> None:
        raise PermissionError("no such luck")

    monkeypatch.setattr("rag.api.app.open_service", broken)
    app = create_app(Settings(data_dir=tmp_path))
    async with app.router.lifespan_context(app):
        await app.state.runtime.settled.wait()
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "failed")
    assert "no such luck" not in ready.text
    assert "no such luck" in caplog.text
