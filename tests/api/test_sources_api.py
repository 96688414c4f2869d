"""What the source view shows over HTTP: pictures of pages, the passage on them, the original."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen import canvas

from tests.live import LiveService

from .conftest import ADMIN_KEY, Uploader

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
PLACE = "The pilot's locker stands in the third corridor."
SECRET = "The Kestrel vault opens with the number nine."


def pdf(*pages: list[str]) -> bytes:
    """Pages of 400 by 600 points, a line every 40, the first at (50, 500)."""
    out = io.BytesIO()
    drawing = canvas.Canvas(out, pagesize=(400, 600), invariant=1)
    for lines in pages:
        for index, line in enumerate(lines):
            drawing.drawString(50, 500 - 40 * index, line)
        drawing.showPage()
    drawing.save()
    return out.getvalue()


PLAN = pdf(["The plan of the house."], ["Lockers and keys.", PLACE])


@pytest.fixture
def plan(upload: Uploader) -> dict[str, Any]:
    """The record of a PDF that everyone may read; the passage is on its second page."""
    record: dict[str, Any] = upload("plan of the house.pdf", PLAN).json()["document"]
    return record


@pytest.fixture
def vault(answering: httpx.Client) -> Iterator[str]:
    """The id of a PDF that only `hr` may read."""
    files = {"file": ("vault.pdf", pdf([SECRET]))}
    added = answering.post("/v1/documents", files=files, data={"groups": "hr"}, headers=ADMIN)
    ident = str(added.json()["document"]["id"])
    yield ident
    answering.delete(f"/v1/documents/{ident}", headers=ADMIN)


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# ---------------------------------------------------------------- pictures


def test_a_page_comes_as_a_picture(plain: httpx.Client, plan: dict[str, Any]) -> None:
    response = plain.get(f"/v1/documents/{plan['id']}/pages/2/picture", params={"width": 300})
    assert response.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(response.content)).size == (300, 450)
    default = plain.get(f"/v1/documents/{plan['id']}/pages/1/picture")
    assert Image.open(io.BytesIO(default.content)).width == 1000


def test_a_picture_is_kept_by_the_browser_and_by_nobody_else(
    plain: httpx.Client, plan: dict[str, Any]
) -> None:
    path = f"/v1/documents/{plan['id']}/pages/1/picture"
    named = plain.get(path, params={"version": plan["version"]})
    assert "private" in named.headers["cache-control"]
    assert "immutable" in named.headers["cache-control"]
    assert {"Authorization", "Cookie"} <= set(named.headers["vary"].split(", "))
    unnamed = plain.get(path)
    assert unnamed.headers["cache-control"] == "private, no-cache"
    again = plain.get(path, headers={"If-None-Match": unnamed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = plain.get(path, params={"width": 400}, headers={"If-None-Match": unnamed.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize("page", [3, 0, 10**9])
def test_a_page_that_is_not_there_has_no_picture(
    plain: httpx.Client, plan: dict[str, Any], page: int
) -> None:
    response = plain.get(f"/v1/documents/{plan['id']}/pages/{page}/picture")
    assert response.status_code == (404 if page == 3 else 422)


def test_a_text_has_no_pictures_of_pages(plain: httpx.Client, ids: dict[str, str]) -> None:
    for what in ("picture", "marks?start=0&end=4"):
        response = plain.get(f"/v1/documents/{ids['falcon-backups.md']}/pages/1/{what}")
        assert code_of(response) == (404, "not_found")


@pytest.mark.parametrize("width", [199, 2001, "wide"])
def test_a_width_that_no_screen_has_is_refused(
    plain: httpx.Client, plan: dict[str, Any], width: object
) -> None:
    response = plain.get(f"/v1/documents/{plan['id']}/pages/1/picture", params={"width": str(width)})
    assert code_of(response) == (422, "invalid_request")


def test_a_version_that_was_replaced_has_neither_picture_nor_marks_nor_original(
    plain: httpx.Client, plan: dict[str, Any]
) -> None:
    for what in ("pages/2/picture?", "pages/2/marks?start=0&end=4&", "original?"):
        response = plain.get(f"/v1/documents/{plan['id']}/{what}version=gone")
        assert code_of(response) == (404, "not_found")


# ---------------------------------------------------------------- marks


def test_the_marks_of_a_passage_lie_on_its_words(plain: httpx.Client, plan: dict[str, Any]) -> None:
    text = plain.get(f"/v1/documents/{plan['id']}/source").json()["text"]
    start = text.index(PLACE)
    asked = {"version": plan["version"], "start": start, "end": start + len(PLACE)}
    marks = plain.get(f"/v1/documents/{plan['id']}/pages/2/marks", params=asked).json()
    assert (marks["page"], marks["width"], marks["height"], marks["exact"]) == (2, 400, 600, True)
    [box] = marks["rectangles"]
    assert abs(box["left"] * 400 - 50) < 3
    assert abs(box["width"] * 400 - stringWidth(PLACE, "Helvetica", 12)) < 6
    baseline = 600 - 460
    assert box["top"] * 600 < baseline - 8 < baseline < (box["top"] + box["height"]) * 600 < baseline + 8

    elsewhere = plain.get(f"/v1/documents/{plan['id']}/pages/1/marks", params=asked).json()
    assert (elsewhere["rectangles"], elsewhere["exact"]) == ([], False)


@pytest.mark.parametrize("asked", [{}, {"start": 0}, {"start": 5, "end": 5}, {"start": -1, "end": 5}])
def test_marks_of_no_range_are_refused(
    plain: httpx.Client, plan: dict[str, Any], asked: dict[str, int]
) -> None:
    response = plain.get(f"/v1/documents/{plan['id']}/pages/2/marks", params=asked)
    assert code_of(response) == (422, "invalid_request")


# ---------------------------------------------------------------- originals


def test_the_original_is_what_was_taken_in_and_is_only_ever_saved(
    plain: httpx.Client, plan: dict[str, Any]
) -> None:
    response = plain.get(f"/v1/documents/{plan['id']}/original", params={"version": plan["version"]})
    assert response.content == PLAN
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"plan of the house.pdf\"; filename*=UTF-8''plan%20of%20the%20house.pdf"
    )


def test_a_page_of_another_sites_making_is_bytes_and_no_page(plain: httpx.Client, upload: Uploader) -> None:
    hostile = "<html><title>T</title><body><p>Words of the page.</p><script>alert(1)</script></body></html>"
    record = upload("page.html", hostile).json()["document"]
    response = plain.get(f"/v1/documents/{record['id']}/original")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith("attachment;")
    assert response.text == hostile


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a; filename=b.html: y.txt", "a_ filename=b.html_ y.txt"),
        ("Übersicht – 漢字.txt", "Übersicht – 漢字.txt"),
        ("report\u202etxt.exe.txt", "reporttxt.exe.txt"),
        ("100%41.txt", "100_41.txt"),
        ("a\uff02\uff1b filename\uff0a=b.txt", "a\uff02\uff1b filename\uff0a=b.txt"),
    ],
)
def test_a_hostile_name_stays_one_name(plain: httpx.Client, upload: Uploader, name: str, shown: str) -> None:
    record = upload(name, "The words of a document with a name.").json()["document"]
    told = plain.get(f"/v1/documents/{record['id']}/original").headers["content-disposition"]
    plain_part, _, encoded = told.removeprefix("attachment; ").partition("; filename*=UTF-8''")
    assert httpx.URL(f"http://x/{encoded}").path == f"/{shown}"
    assert plain_part.startswith('filename="')
    assert plain_part.count('"') == 2
    assert plain_part.isascii()


def test_originals_are_kept_back_where_the_settings_say_so(
    plain_service: LiveService, plan: dict[str, Any]
) -> None:
    closed = LiveService(plain_service.data_dir)
    closed.log = plain_service.data_dir / "closed.log"
    with closed:
        closed.start({"RAG_DOWNLOADS": "false", "RAG_RERANK": "false"})
        with httpx.Client(base_url=closed.url, trust_env=False, timeout=60) as http:
            path = f"/v1/documents/{plan['id']}"
            assert code_of(http.get(f"{path}/original")) == (403, "downloads_off")
            assert http.get(f"{path}/pages/1/picture").status_code == 200
            assert http.get("/v1/session").json()["downloads"] is False


# ---------------------------------------------------------------- rights


@pytest.mark.parametrize("what", ["pages/1/picture", "pages/1/marks?start=0&end=9", "original"])
def test_without_its_group_nothing_of_a_document_is_there_even_when_others_have_just_seen_it(
    plain: httpx.Client, answering: httpx.Client, vault: str, what: str
) -> None:
    path = f"/v1/documents/{vault}/{what}"
    seen = answering.get(path)
    assert seen.status_code == 200
    unknown = plain.get(f"/v1/documents/00000000-0000-0000-0000-000000000000/{what}")
    tag = {"If-None-Match": seen.headers.get("etag", "*")}
    for response in (plain.get(path), plain.get(path, headers=tag)):
        assert code_of(response) == code_of(unknown) == (404, "not_found")


def test_a_document_moved_away_from_its_readers_is_gone_from_the_warm_cache(
    plain: httpx.Client, answering: httpx.Client
) -> None:
    files = {"file": ("moving.pdf", pdf(["The plan of the Harrier hall hangs here."]))}
    record = plain.post("/v1/documents", files=files).json()["document"]
    path = f"/v1/documents/{record['id']}/pages/1/picture"
    first = plain.get(path)
    assert first.status_code == 200
    answering.post("/v1/documents", headers=ADMIN, files=files, data={"groups": "hr"}).raise_for_status()
    for headers in ({}, {"If-None-Match": first.headers["etag"]}):
        assert plain.get(path, headers=headers).status_code == 404
        assert plain.get(path, params={"version": record["version"]}, headers=headers).status_code == 404
    assert answering.get(path).status_code == 200
    answering.delete(f"/v1/documents/{record['id']}", headers=ADMIN)
