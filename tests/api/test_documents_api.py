"""/v1/documents: upload, list, get, source, remove."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.ingest import files

from .conftest import Uploader, stored_text

WORDS = "The zebra crossing of the Kestrel depot is repainted every spring."
FORMATS = {
    "kestrel.pdf": (files.pdf_of_texts(["A first page of the depot rules.", WORDS]), "application/pdf"),
    "kestrel.md": (f"# Depot rules\n\n{WORDS}\n".encode(), "text/markdown"),
    "kestrel.html": (f"<h1>Depot rules</h1><p>{WORDS}</p>".encode(), "text/html"),
    "kestrel.docx": (
        files.docx_of(WORDS),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    "kestrel.txt": (WORDS.encode(), "text/plain"),
}


def hits(http: httpx.Client, query: str, document_id: str) -> list[Any]:
    asked = {"query": query, "filters": {"document_ids": [document_id]}}
    return list(http.post("/v1/search", json=asked).json()["hits"])


# ---------------------------------------------------------------- adding


@pytest.mark.parametrize("name", FORMATS)
def test_a_document_of_each_format_goes_in_and_is_found(
    plain: httpx.Client, upload: Uploader, name: str
) -> None:
    data, media_type = FORMATS[name]
    response = upload(name, data)
    assert response.status_code == 201
    assert response.json()["status"] == "new"
    record = response.json()["document"]
    assert record["uri"] == f"upload://default/{name}"
    assert (record["state"], record["media_type"]) == ("ready", media_type)
    (hit, *_) = hits(plain, "zebra crossing of the Kestrel depot", record["id"])
    assert WORDS in hit["text"]
    assert hit["page"] == (1 if name.endswith(".pdf") else None)


def test_a_citation_names_the_page_of_its_sentence(plain: httpx.Client, upload: Uploader) -> None:
    record = upload("kestrel.pdf", FORMATS["kestrel.pdf"][0]).json()["document"]
    only = {"document_ids": [record["id"]]}
    asked = {"question": "When is the zebra crossing of the Kestrel depot repainted?", "filters": only}
    (citation, *_) = plain.post("/v1/ask", json=asked).json()["citations"]
    assert (citation["quote"], citation["page"]) == (WORDS, 2)


def test_a_document_without_a_title_of_its_own_is_called_by_its_file_name(upload: Uploader) -> None:
    title = upload("kestrel-depot.txt", WORDS).json()["document"]["title"]
    assert title in ("kestrel-depot", "kestrel-depot.txt", "kestrel depot")


def test_uploading_the_same_again_changes_nothing(upload: Uploader) -> None:
    first = upload("kestrel.txt", WORDS)
    again = upload("kestrel.txt", WORDS)
    assert (again.status_code, again.json()["status"]) == (200, "unchanged")
    assert again.json()["document"] == first.json()["document"]


def test_a_changed_document_replaces_its_old_text(plain: httpx.Client, upload: Uploader) -> None:
    old = upload("kestrel.txt", WORDS).json()["document"]
    response = upload("kestrel.txt", WORDS.replace("spring", "autumn"))
    assert (response.status_code, response.json()["status"]) == (200, "changed")
    new = response.json()["document"]
    assert new["id"] == old["id"]
    assert new["version"] != old["version"]
    assert ["autumn" in hit["text"] for hit in hits(plain, "Kestrel depot", new["id"])] == [True]
    assert "spring" not in stored_text(plain, new["id"])
    source = plain.get(f"/v1/documents/{old['id']}/source", params={"version": old["version"]})
    assert source.status_code == 404


def test_the_same_name_in_another_collection_is_another_document(
    plain: httpx.Client, upload: Uploader
) -> None:
    one = upload("kestrel.txt", WORDS).json()["document"]
    two = upload("kestrel.txt", WORDS, collection="depots").json()["document"]
    assert one["id"] != two["id"]
    asked = {"query": "zebra crossing", "filters": {"collections": ["depots"]}}
    found = plain.post("/v1/search", json=asked).json()["hits"]
    assert {hit["document_id"] for hit in found} == {two["id"]}


BROKEN = {
    "cut.pdf": (FORMATS["kestrel.pdf"][0][:300], ""),
    "encrypted.pdf": (files.pdf_encrypted("secret"), "password|encrypted"),
    "pictures.pdf": (files.pdf_of_texts(["", ""]), "text"),
    "empty.txt": (b"", "empty"),
    "program.exe": (b"MZ\x90\x00", "not supported"),
    "no-extension": (WORDS.encode(), "extension"),
    "picture.md": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, ""),
    "page.docx": (b"<html><p>not Word</p></html>", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_refused_with_the_reason(
    plain: httpx.Client, upload: Uploader, name: str
) -> None:
    data, reason = BROKEN[name]
    response = upload(name, data)
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] in ("source_error", *_codes_of_sources())
    assert re.search(reason, problem["detail"])
    assert "Traceback" not in problem["detail"]
    assert "/tmp" not in problem["detail"]


def _codes_of_sources() -> list[str]:
    from rag.errors import SourceError

    return [kind.code for kind in SourceError.__subclasses__()]


def test_a_broken_new_version_leaves_the_old_one_answering(plain: httpx.Client, upload: Uploader) -> None:
    good, _ = FORMATS["kestrel.pdf"]
    record = upload("kestrel.pdf", good).json()["document"]
    assert upload("kestrel.pdf", good[:300]).status_code == 422
    now = plain.get(f"/v1/documents/{record['id']}").json()
    assert (now["state"], now["version"]) == ("failed", record["version"])
    assert now["failure"]
    assert WORDS in stored_text(plain, record["id"])
    assert WORDS in hits(plain, "zebra crossing", record["id"])[0]["text"]
    assert upload("kestrel.pdf", good).json()["document"]["state"] == "ready"


HOSTILE = {
    "../../etc/passwd.txt": "passwd.txt",
    "..\\..\\windows\\system.txt": "system.txt",
    "a\\b.txt": "b.txt",
    "/etc/shadow.md": "shadow.md",
    "invoice\u202etxt.txt": "invoicetxt.txt",
    "zero\u200bwidth.txt": "zerowidth.txt",
    "<script>.txt": "<script>.txt",
    "größe 100%.txt": "größe 100%.txt",
    "....txt": "....txt",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_name_is_reduced_to_a_plain_one(upload: Uploader, name: str) -> None:
    response = upload(name, WORDS)
    assert response.status_code == 201
    assert response.json()["document"]["uri"] == f"upload://default/{HOSTILE[name]}"


def test_a_name_that_is_very_long_is_cut_and_keeps_its_ending(upload: Uploader) -> None:
    uri = upload("ü" * 300 + ".txt", WORDS).json()["document"]["uri"]
    name = uri.removeprefix("upload://default/")
    assert name.startswith("üüü")
    assert name.endswith(".txt")
    assert len(name.encode()) <= 200


def test_two_long_names_that_differ_are_two_documents(upload: Uploader) -> None:
    one = upload("a" * 300 + "1.txt", WORDS).json()["document"]["id"]
    two = upload("a" * 300 + "2.txt", WORDS).json()["document"]["id"]
    assert one != two


@pytest.mark.parametrize("name", ["", "/", "..", "\u202e"])
def test_an_upload_without_a_name_is_refused(upload: Uploader, name: str) -> None:
    assert upload(name, WORDS).status_code == 422


@pytest.mark.parametrize("field", ["file", "other"])
def test_two_files_in_one_request_are_refused_and_neither_is_lost_in_silence(
    plain: httpx.Client, field: str
) -> None:
    both = [("file", ("heron.txt", WORDS.encode())), (field, ("egret.txt", WORDS.encode()))]
    refused = plain.post("/v1/documents", files=both)
    assert refused.status_code == 422
    assert "one file" in refused.json()["detail"]
    listed = {one["uri"] for one in plain.get("/v1/documents").json()["documents"]}
    assert not any("heron" in uri or "egret" in uri for uri in listed)


def test_the_name_of_a_collection_has_its_limit(upload: Uploader) -> None:
    assert upload("kestrel.txt", WORDS, collection="x" * 101).status_code == 422


# ---------------------------------------------------------------- reading


def test_documents_are_listed_and_shown_alike(plain: httpx.Client, upload: Uploader) -> None:
    record = upload("kestrel.txt", WORDS).json()["document"]
    listed = plain.get("/v1/documents").json()["documents"]
    assert [one for one in listed if one["id"] == record["id"]] == [record]
    assert plain.get(f"/v1/documents/{record['id']}").json() == record
    assert record.keys() >= {"id", "uri", "title", "version", "state", "pages", "chunks", "sha256"}


def test_the_source_gives_the_text_its_pages_and_headings(plain: httpx.Client, upload: Uploader) -> None:
    record = upload("kestrel.pdf", files.pdf_report(title="Depot rules")).json()["document"]
    source = plain.get(f"/v1/documents/{record['id']}/source").json()
    assert (source["version"], source["uri"]) == (record["version"], record["uri"])
    assert len(source["pages"]) == record["pages"] >= 2
    assert source["pages"][0]["start"] == 0
    assert source["pages"][-1]["end"] <= len(source["text"])
    for heading in source["headings"]:
        assert source["text"][heading["start"] :].startswith(heading["title"])
    assert source["highlight"] is None


def test_a_range_of_the_source_comes_with_its_text_page_and_headings(
    plain: httpx.Client, upload: Uploader
) -> None:
    text = "# Depot rules\n\n## Zebras 🦓\n\n" + WORDS
    record = upload("kestrel.md", text).json()["document"]
    stored = stored_text(plain, record["id"])
    start = stored.index(WORDS)
    place = {"start": start, "end": start + len(WORDS)}
    highlight = plain.get(f"/v1/documents/{record['id']}/source", params=place).json()["highlight"]
    assert highlight["text"] == WORDS
    assert highlight["headings"] == ["Depot rules", "Zebras 🦓"]
    assert highlight["page"] is None


@pytest.mark.parametrize(
    "place",
    [
        {"start": 5, "end": 5},
        {"start": 6, "end": 5},
        {"start": -1, "end": 5},
        {"start": 0, "end": 10_000_000},
        {"start": 0},
        {"end": 5},
        {"start": "a", "end": "b"},
    ],
)
def test_a_range_that_is_none_is_refused(plain: httpx.Client, ids: dict[str, str], place: Any) -> None:
    response = plain.get(f"/v1/documents/{ids['visitors.txt']}/source", params=place)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_a_version_that_never_was_is_not_found(plain: httpx.Client, ids: dict[str, str]) -> None:
    response = plain.get(f"/v1/documents/{ids['visitors.txt']}/source", params={"version": "../live"})
    assert response.status_code == 404


# ---------------------------------------------------------------- removing


def test_a_removed_document_is_gone_from_everything(plain: httpx.Client, upload: Uploader) -> None:
    ident = upload("kestrel.txt", WORDS).json()["document"]["id"]
    response = plain.delete(f"/v1/documents/{ident}")
    assert (response.status_code, response.content) == (204, b"")
    assert plain.get(f"/v1/documents/{ident}").status_code == 404
    assert plain.get(f"/v1/documents/{ident}/source").status_code == 404
    assert plain.delete(f"/v1/documents/{ident}").status_code == 404
    assert hits(plain, "zebra crossing of the Kestrel depot", ident) == []
    assert upload("kestrel.txt", WORDS).json()["status"] == "new"
