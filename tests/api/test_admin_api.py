"""/v1/admin: who gets in, and what the operator sees and does there."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from rag.api import admin
from rag.api.app import create_app
from rag.keys import digest
from rag.settings import Settings
from tests.ingest import files

from .library import HOW_LONG, SECRET
from .operating import ADMIN_KEY, KEYS, UNANSWERED, Operated, ask, operated, problem

SIGNING = "a secret that signs tokens in these tests"
ORIGIN = "https://wiki.example.com"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    with operated(tmp_path_factory.mktemp("admin")) as service:
        yield service


def document(service: Operated, name: str) -> Any:
    found = service.admin.get("/v1/admin/documents", params={"q": name}).json()["documents"]
    return next(one for one in found if one["uri"].endswith(name))


def upload(service: Operated, name: str, data: bytes, **form: str) -> httpx.Response:
    return service.admin.post("/v1/documents", files={"file": (name, data)}, data=form)


# ---------------------------------------------------------------- who gets in


def routes() -> list[tuple[str, str]]:
    described = create_app(Settings(data_dir=Path("/nowhere"))).openapi()["paths"]
    return [
        (method.upper(), path.replace("{document_id}", "x").replace("{question_id}", "x"))
        for path, methods in described.items()
        if path.startswith("/v1/admin")
        for method in methods
    ]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.write_text(f'[keys.anna]\nsha256 = "{digest(KEYS["anna"])}"\n')
    return path


def token() -> str:
    return jwt.encode({"sub": "anna", "exp": time.time() + 600, "aud": "citebox"}, SIGNING, "HS256")


LOCKED: dict[str, Any] = {"admin_key": ADMIN_KEY}
STRANGERS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "no key": (LOCKED, {}),
    "a wrong key": (LOCKED, {"Authorization": "Bearer wrong"}),
    "a part of the key": (LOCKED, {"Authorization": f"Bearer {ADMIN_KEY[:-1]}"}),
    "an empty key": (LOCKED, {"Authorization": "Bearer "}),
    "a reader's key": (LOCKED, {"Authorization": f"Bearer {KEYS['anna']}"}),
    "a token": (LOCKED, {"Authorization": f"Bearer {token()}"}),
    "a token in the cookie": (
        LOCKED,
        {"Cookie": f"citebox_token={token()}", "Sec-Fetch-Site": "same-origin"},
    ),
    "an allowed origin with the key": (
        LOCKED,
        {"Authorization": f"Bearer {ADMIN_KEY}", "Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
    ),
    "a foreign origin with the key": (
        LOCKED,
        {
            "Authorization": f"Bearer {ADMIN_KEY}",
            "Origin": "https://evil.example",
            "Sec-Fetch-Site": "cross-site",
        },
    ),
    "a foreign page on this machine": ({}, {"Sec-Fetch-Site": "cross-site"}),
    "an allowed origin on this machine": ({}, {"Origin": ORIGIN}),
    "a neighbouring page on this machine": (
        {},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"},
    ),
    "a reader's key on this machine": ({}, {"Authorization": f"Bearer {KEYS['anna']}"}),
    "a proxy on this machine": ({}, {"X-Forwarded-For": "192.0.2.1"}),
    "another host": ({}, {"Host": "evil.example"}),
    "no key beyond this machine": ({"host": "0.0.0.0"}, {}),
    "a reader's key beyond this machine": ({"host": "0.0.0.0"}, {"Authorization": f"Bearer {KEYS['anna']}"}),
    "no key behind a named host": ({"allowed_hosts": ("docs.example.com",)}, {"Host": "docs.example.com"}),
}


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(("method", "path"), routes())
async def test_no_stranger_opens_any_route(
    method: str, path: str, stranger: str, keys: Path, tmp_path: Path
) -> None:
    more, headers = STRANGERS[stranger]
    settings = Settings(
        data_dir=tmp_path, keys_file=keys, token_secret=SIGNING, allowed_origins=(ORIGIN,), **more
    )
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        response = await http.request(method, path, headers=headers)
    assert response.status_code == 403
    assert response.json()["code"] in ("forbidden", "origin_not_allowed")


def test_there_are_routes_to_try() -> None:
    assert len(routes()) >= 10


def test_the_page_itself_is_open_and_holds_nothing(service: Operated) -> None:
    response = httpx.get(f"{service.live.url}/admin", trust_env=False)
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert HOW_LONG not in response.text


def test_what_the_operator_sees_is_kept_in_no_cache(service: Operated) -> None:
    for path in ("overview", "documents", "questions", "questions?format=csv"):
        assert service.admin.get(f"/v1/admin/{path}").headers["cache-control"] == "no-store"


# ---------------------------------------------------------------- overview and documents


def test_the_overview_says_how_the_service_is(service: Operated) -> None:
    now = service.admin.get("/v1/admin/overview").raise_for_status().json()
    assert now["engine"]["reachable"]
    assert now["documents"]["ready"] >= 2
    assert now["data"]["bytes"] > 0
    assert now["answers"] == "extractive"
    assert now["models"]["reranking"] is None
    assert {one["name"] for one in now["warnings"]} == {"claude"}


def test_the_operator_sees_the_documents_of_all_groups(service: Operated) -> None:
    assert "salaries.txt" not in service.admin.get("/v1/documents").text
    one = document(service, "salaries.txt")
    assert (one["groups"], one["state"]) == (["hr"], "ready")
    assert one["size"] > len(SECRET)


def test_documents_are_searched_by_all_words_and_paged(service: Operated) -> None:
    everything = service.admin.get("/v1/admin/documents").json()
    pages = [
        service.admin.get("/v1/admin/documents", params={"limit": 1, "offset": offset}).json()
        for offset in range(everything["total"])
    ]
    assert [page["documents"][0] for page in pages] == everything["documents"]
    found = service.admin.get("/v1/admin/documents", params={"q": "FALCON backups.md"}).json()
    assert [one["uri"] for one in found["documents"]] == ["upload://default/falcon-backups.md"]
    assert service.admin.get("/v1/admin/documents", params={"q": "falcon salaries"}).json()["total"] == 0


def test_a_failed_document_is_listed_first_with_its_failure(service: Operated) -> None:
    assert upload(service, "z-cut.pdf", files.pdf_of_texts(["One."])[:200]).status_code == 422
    listed = service.admin.get("/v1/admin/documents").json()
    assert listed["documents"][0]["uri"] == "upload://default/z-cut.pdf"
    assert listed["documents"][0]["failure"]
    failed = service.admin.get("/v1/admin/documents", params={"state": "failed"}).json()
    assert (failed["total"], failed["failed"]) == (1, 1)
    assert service.admin.delete(f"/v1/admin/documents/{failed['documents'][0]['id']}").status_code == 204


def test_the_operator_removes_a_document_of_another_group(service: Operated) -> None:
    ident = upload(service, "secret.txt", SECRET.encode(), groups="board").json()["document"]["id"]
    assert service.admin.delete(f"/v1/documents/{ident}").status_code == 404
    assert service.admin.delete(f"/v1/admin/documents/{ident}").status_code == 204
    assert problem(service.admin.delete(f"/v1/admin/documents/{ident}")) == (404, "not_found")


def test_the_data_folder_is_measured_by_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 10_000)
    within: list[int] = []
    measure = admin._size_of

    def slow(folder: Path) -> int:
        within.append(admin._measured(folder).bytes)  # somebody else, meanwhile
        return measure(folder)

    monkeypatch.setattr(admin, "_size_of", slow)
    assert admin._measured(tmp_path).bytes >= 10_000
    assert within == [0]
    assert admin._measured(tmp_path).bytes >= 10_000
    assert len(within) == 1


# ---------------------------------------------------------------- reading again


def again(service: Operated, ident: str) -> httpx.Response:
    return service.admin.post(f"/v1/admin/documents/{ident}/reingest")


def test_a_document_is_read_again_from_what_is_stored(service: Operated) -> None:
    before = upload(service, "kept.txt", b"The kettle is kept.", collection="kitchen", groups="hr").json()[
        "document"
    ]
    assert again(service, before["id"]).json()["status"] == "unchanged"
    assert upload(service, "kept.txt", b"", collection="kitchen").status_code == 422
    assert document(service, "kept.txt")["state"] == "failed"
    told = again(service, before["id"]).raise_for_status().json()
    assert told["document"]["state"] == "ready"
    kept = ("id", "uri", "title", "version", "collection", "groups", "chunks", "sha256", "media_type")
    assert {name: told["document"][name] for name in kept} == {name: before[name] for name in kept}


def test_a_document_that_never_went_in_is_to_be_uploaded_again(service: Operated) -> None:
    assert upload(service, "never.pdf", files.pdf_of_texts(["One."])[:200]).status_code == 422
    response = again(service, document(service, "never.pdf")["id"])
    assert problem(response) == (409, "no_original")
    assert response.json()["remedy"] == "upload it again"


def test_a_document_that_is_not_there_is_not_read_again(service: Operated) -> None:
    assert problem(again(service, "0f0c9a0e-6d0f-5d3c-9f0e-1f6f0c7f9b11")) == (404, "not_found")


def test_a_file_is_read_again_where_it_lies_and_from_the_store_when_it_is_gone(
    service: Operated, tmp_path: Path
) -> None:
    path = tmp_path / "on-disk.md"
    path.write_text("# On disk\n\nThe stapler lies on the first shelf.\n")
    service.live.ingest([path], "--group", "hr")
    ident = document(service, "on-disk.md")["id"]
    path.write_text("# On disk\n\nThe stapler lies on the second shelf.\n")
    told = again(service, ident).raise_for_status().json()
    assert (told["status"], told["document"]["groups"]) == ("changed", ["hr"])
    path.unlink()
    told = again(service, ident).raise_for_status().json()
    assert (told["status"], told["document"]["uri"]) == ("unchanged", f"file://{path}")


def test_a_link_in_the_place_of_a_file_is_not_followed(service: Operated, tmp_path: Path) -> None:
    path, other = tmp_path / "linked.txt", tmp_path / "other.txt"
    path.write_text("The ladder stands in the cellar.")
    other.write_text("What must not go in.")
    service.live.ingest([path])
    ident = document(service, "linked.txt")["id"]
    path.unlink()
    path.symlink_to(other)
    assert again(service, ident).json()["status"] == "unchanged"
    source = service.admin.get(f"/v1/documents/{ident}/source").json()
    assert "ladder" in source["text"]


def test_a_file_that_broke_meanwhile_fails_with_its_reason(service: Operated, tmp_path: Path) -> None:
    path = tmp_path / "breaks.pdf"
    path.write_bytes(files.pdf_of_texts(["The hammer hangs on the wall."]))
    service.live.ingest([path])
    path.write_bytes(path.read_bytes()[:200])
    ident = document(service, "breaks.pdf")["id"]
    response = again(service, ident)
    assert response.status_code == 422
    now = document(service, "breaks.pdf")
    assert (now["state"], now["failure"].split(" (")[0]) == (
        "failed",
        response.json()["detail"].split(" (")[0],
    )
    assert now["version"]


# ---------------------------------------------------------------- questions, gaps, feedback


def test_questions_are_chosen_and_paged(service: Operated) -> None:
    asked = [
        ask(service.anna, f"How long are backups kept, in the words of number {n}?")["id"] for n in range(3)
    ]
    ask(service.ben, UNANSWERED)
    first = service.admin.get("/v1/admin/questions", params={"q": "in the words of", "limit": 2}).json()
    rest = service.admin.get(
        "/v1/admin/questions", params={"q": "in the words of", "limit": 2, "before": first["next"]}
    ).json()
    assert [one["id"] for one in first["questions"] + rest["questions"]] == asked[::-1]
    assert (first["total"], rest["next"]) == (3, None)
    assert {one["caller"] for one in service.questions(caller="ben")} == {"ben"}
    assert {one["outcome"] for one in service.questions(outcome="not_found")} == {"not_found"}
    assert service.questions(until="2020-01-01") == []
    (cited,) = {each for one in service.questions(q="in the words of") for each in one["documents"]}
    assert first["titles"][cited] == "Falcon backups"


def test_a_page_after_more_questions_than_can_be_counted_is_not_valid(service: Operated) -> None:
    response = service.admin.get("/v1/admin/questions", params={"before": 2**63})
    assert problem(response) == (422, "invalid_request")
    assert service.questions(before=2**63 - 1) == service.questions()


def test_a_question_and_all_questions_of_a_caller_can_be_forgotten(service: Operated) -> None:
    ident = ask(service.anna, "What is to be forgotten by itself?")["id"]
    assert service.admin.delete(f"/v1/admin/questions/{ident}").status_code == 204
    assert problem(service.admin.delete(f"/v1/admin/questions/{ident}")) == (404, "not_found")
    ask(service.ben, "What is to be forgotten with all of Ben's?")
    kept = len(service.questions(caller="anna", limit=500))
    deleted = service.admin.delete("/v1/admin/questions", params={"caller": "ben"}).json()["deleted"]
    assert deleted >= 1
    assert service.questions(caller="ben") == []
    assert len(service.questions(caller="anna", limit=500)) == kept
    assert problem(service.admin.delete("/v1/admin/questions")) == (422, "invalid_request")


FORMULAS = ["=HYPERLINK(1)", "+1", "-1+2", "@SUM(1)", " =1", "＝1"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_a_sheet_is_a_formula(service: Operated, formula: str) -> None:
    answer = ask(service.anna, f'{formula}, "quoted"; who keeps the zebra?')
    given = {"answer_id": answer["id"], "rating": "down", "comment": formula}
    assert service.anna.post("/v1/feedback", json=given).is_success
    for path in ("questions", "gaps"):
        response = service.admin.get(f"/v1/admin/{path}", params={"format": "csv", "disliked": "true"})
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.headers["content-disposition"].startswith("attachment")
        rows = list(csv.reader(io.StringIO(response.text.removeprefix("\ufeff"))))
        assert any(formula.strip() in cell for row in rows for cell in row)
        for cell in (cell for row in rows for cell in row):
            assert not cell.strip().startswith(("=", "+", "-", "@", "＝"))


def test_gaps_put_wordings_together_and_name_the_nearest_documents(service: Operated) -> None:
    for question in ("How do I request parental leave?", "How can I apply for parental leave?"):
        assert not ask(service.ben, question)["answered"]
    found = service.admin.get("/v1/admin/gaps").raise_for_status().json()
    (gap,) = [one for one in found["gaps"] if "parental" in one["question"]]
    assert (gap["count"], gap["callers"], len(gap["examples"])) == (2, 1, 1)
    assert set(found["titles"]) == {each for one in found["gaps"] for each in one["nearest"]}


def test_feedback_is_summed_by_day_reason_and_document(service: Operated) -> None:
    before = service.admin.get("/v1/admin/feedback").json()
    answer = ask(service.anna, HOW_LONG)
    given = {"answer_id": answer["id"], "rating": "down", "reasons": ["wrong_source"]}
    service.anna.post("/v1/feedback", json=given).raise_for_status()
    now = service.admin.get("/v1/admin/feedback").json()
    assert now["down"] == before["down"] + 1
    assert now["days"][-1]["down"] == before["days"][-1]["down"] + 1
    assert "wrong_source" in {one["reason"] for one in now["reasons"]}
    (cited, *_) = answer["citations"]
    assert now["titles"][cited["document_id"]] == cited["title"]


def test_activity_has_a_row_for_each_day_and_what_was_spent(service: Operated) -> None:
    ask(service.anna, HOW_LONG)
    found = service.admin.get("/v1/admin/activity", params={"days": 7}).raise_for_status().json()
    assert len(found["days"]) == 7
    today = found["days"][-1]
    assert today["questions"] == sum(today["outcomes"].values()) > 0
    assert today["p50_ms"] <= today["p95_ms"]
    assert {row["model"] for row in found["usage"]} >= {"extractive"}


@pytest.mark.parametrize(
    "settings",
    [{"token_secret": "s" * 32}, {"allowed_origins": ("https://wiki.example",)}, {"require_key": True}],
)
async def test_where_readers_are_told_apart_even_this_machine_needs_the_admin_key(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    app = create_app(Settings(data_dir=tmp_path, **settings))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        refused = await http.get("/v1/admin/overview")
    assert refused.status_code == 403
    assert "RAG_ADMIN_KEY" in refused.json()["remedy"]
