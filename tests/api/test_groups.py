"""Rights: what a reader's groups do not allow does not exist for them, by no path."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.claude_server import ClaudeServer
from tests.live import LiveService

from . import events
from .conftest import ADMIN_KEY
from .library import ASKING_SECRET, NOT_IN_THE_LIBRARY, SALARIES, SECRET

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
def salaries(ids: dict[str, str]) -> str:
    """The id of the document that only `hr` may read."""
    return ids[SALARIES.name]


def test_without_its_group_a_document_is_not_listed(plain: httpx.Client, salaries: str) -> None:
    assert salaries not in [record["id"] for record in plain.get("/v1/documents").json()["documents"]]


@pytest.mark.parametrize("path", ["", "/source", "/source?start=0&end=5", "/source?version=x"])
def test_without_its_group_a_document_is_as_if_it_were_not_there(
    plain: httpx.Client, salaries: str, path: str
) -> None:
    response = plain.get(f"/v1/documents/{salaries}{path}")
    unknown = plain.get(f"/v1/documents/00000000-0000-0000-0000-000000000000{path}")
    assert response.status_code == unknown.status_code == 404
    assert response.json()["code"] == unknown.json()["code"]


@pytest.mark.parametrize("widening", [{}, {"groups": ["hr"]}, {"groups": ["hr", "everyone"]}])
def test_no_filter_widens_what_is_found(plain: httpx.Client, salaries: str, widening: dict[str, Any]) -> None:
    for filters in (widening, {**widening, "document_ids": [salaries]}):
        found = plain.post("/v1/search", json={"query": ASKING_SECRET, "filters": filters, "limit": 100})
        assert found.status_code == 200
        assert salaries not in found.text


def test_no_answer_no_source_and_no_nearest_document_tells_of_it(plain: httpx.Client, salaries: str) -> None:
    for question in (ASKING_SECRET, NOT_IN_THE_LIBRARY, "Summarise the document Salary bands"):
        reply = plain.post("/v1/ask", json={"question": question}).text
        assert salaries not in reply
        assert "Osprey" not in reply
        told = str(events.stream(plain, question))
        assert salaries not in told
        assert SALARIES.name not in told


def test_without_its_group_a_document_cannot_be_removed(
    plain: httpx.Client, answering: httpx.Client, salaries: str
) -> None:
    assert plain.delete(f"/v1/documents/{salaries}").status_code == 404
    assert answering.get(f"/v1/documents/{salaries}").status_code == 200


def test_with_its_group_it_is_listed_shown_found_and_answers(
    answering: httpx.Client, claude: ClaudeServer, salaries: str
) -> None:
    assert salaries in [record["id"] for record in answering.get("/v1/documents").json()["documents"]]
    assert SECRET in answering.get(f"/v1/documents/{salaries}/source").json()["text"]
    found = answering.post("/v1/search", json={"query": ASKING_SECRET}).json()["hits"]
    assert found[0]["document_id"] == salaries
    answer = answering.post("/v1/ask", json={"question": ASKING_SECRET}).json()
    assert answer["citations"][0]["quote"] == SECRET
    assert len(claude.requests) == 1


def test_a_filter_narrows_within_the_readers_groups(answering: httpx.Client, salaries: str) -> None:
    asked = {"query": "Heron building Osprey team", "limit": 100}
    only_hr = answering.post("/v1/search", json={**asked, "filters": {"groups": ["hr"]}}).json()["hits"]
    assert {hit["document_id"] for hit in only_hr} == {salaries}
    board = answering.post("/v1/search", json={**asked, "filters": {"groups": ["board"]}}).json()["hits"]
    assert board == []


# ---------------------------------------------------------------- who may write


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", "Basic x", "Bearer  " + ADMIN_KEY]
)
def test_with_an_admin_key_set_nothing_changes_without_it(
    answering: httpx.Client, salaries: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    removal = answering.delete(f"/v1/documents/{salaries}", headers=headers)
    upload = answering.post("/v1/documents", headers=headers, files={"file": ("a.txt", b"words")})
    for response in (removal, upload):
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert answering.get(f"/v1/documents/{salaries}").status_code == 200


def test_with_the_admin_key_documents_can_be_changed(answering: httpx.Client) -> None:
    files = {"file": ("memo.txt", b"The memo of the Merlin project lies in the safe.")}
    added = answering.post("/v1/documents", headers=ADMIN, files=files, data={"groups": "hr,board"})
    assert added.status_code == 201
    assert added.json()["document"]["groups"] == ["hr", "board"]
    ident = added.json()["document"]["id"]
    assert answering.delete(f"/v1/documents/{ident}", headers=ADMIN).status_code == 204


def test_the_admin_key_is_never_printed(answering: httpx.Client, answering_service: LiveService) -> None:
    answering.post("/v1/documents", headers=ADMIN, files={"file": ("a.exe", b"MZ")})
    assert ADMIN_KEY not in answering_service.printed()


def test_moving_a_document_to_another_group_takes_it_from_its_old_readers(
    plain: httpx.Client, answering: httpx.Client
) -> None:
    words = b"The plan of the Harrier office is drawn by the architect."
    files = {"file": ("plan.txt", words)}
    ident = plain.post("/v1/documents", files=files).json()["document"]["id"]
    assert plain.get(f"/v1/documents/{ident}").status_code == 200
    moved = answering.post("/v1/documents", headers=ADMIN, files=files, data={"groups": "hr"})
    assert moved.json()["status"] == "changed"
    assert plain.get(f"/v1/documents/{ident}").status_code == 404
    assert ident not in plain.post("/v1/search", json={"query": "Harrier office plan"}).text
    assert ident in answering.post("/v1/search", json={"query": "Harrier office plan"}).text
    assert answering.delete(f"/v1/documents/{ident}", headers=ADMIN).status_code == 204
