"""`ingest list`, `show`, `remove` and `doctor`: none of them needs a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .commands import Commands, Ran
from .folder import BROKEN, GOOD

LISTED = {"id", "uri", "title", "version", "state", "pages", "chunks", "sha256"}


@pytest.fixture(scope="module")
def listed(added: Ran, commands: Commands) -> dict[str, Any]:
    """What `ingest list --json` says, by the end of the URI."""
    ran = commands.ingest("list", "--json")
    assert ran.code == 0
    return {one["uri"].split("/", 6)[-1]: one for one in ran.json if "/library" in one["uri"]}


def _one(listed: dict[str, Any], name: str) -> Any:
    (found,) = [one for uri, one in listed.items() if uri.endswith(f"/{name}")]
    return found


def test_the_list_has_every_field_that_others_rely_on(listed: dict[str, Any], library: Path) -> None:
    assert all(one.keys() >= LISTED for one in listed.values())
    report = _one(listed, "report.pdf")
    assert report["uri"] == f"file://{library}/report.pdf"
    assert (report["state"], report["title"]) == ("ready", "Backup policy")
    assert report["pages"] > 1
    assert report["chunks"] > 0


def test_documents_that_failed_are_listed_with_the_reason(listed: dict[str, Any]) -> None:
    failed = {uri.rsplit("/", 1)[-1] for uri, one in listed.items() if one["state"] == "failed"}
    parsed = {name for name in BROKEN if name != "huge.txt"}
    assert failed == parsed
    assert "password" in _one(listed, "encrypted.pdf")["failure"]


def test_the_list_for_people_names_each_document(added: Ran, commands: Commands) -> None:
    ran = commands.ingest("list")
    assert ran.code == 0
    assert all(Path(name).name in ran.out for name in GOOD)


def test_a_document_is_shown_with_all_that_is_known_of_it(listed: dict[str, Any], commands: Commands) -> None:
    ran = commands.ingest("show", "handbook.md", "--json")
    assert ran.code == 0
    wanted = _one(listed, "handbook.md")
    assert {field: ran.json[field] for field in wanted} == wanted
    assert (ran.json["groups"], ran.json["collection"]) == (["everyone"], "default")


def test_the_stored_text_and_the_chunks_of_a_document_fit(listed: dict[str, Any], commands: Commands) -> None:
    text = commands.ingest("show", "report.pdf", "--text", "--json").json["text"]
    chunks = commands.ingest("show", "report.pdf", "--chunks", "--json").json["chunks"]
    assert len(chunks) == _one(listed, "report.pdf")["chunks"]
    assert all(chunk["text"] == text[chunk["start"] : chunk["end"]] for chunk in chunks)
    assert all(chunk["page"] >= 1 for chunk in chunks)


def test_a_name_of_two_documents_is_asked_about(listed: dict[str, Any], commands: Commands) -> None:
    ran = commands.ingest("remove", "notes.txt")
    assert ran.code == 1
    assert "2 documents" in ran.err
    assert "id" in ran.err


def test_a_name_of_no_document_is_not_found(added: Ran, commands: Commands) -> None:
    ran = commands.ingest("show", "nothing.pdf")
    assert ran.code == 1
    assert "nothing.pdf" in ran.err
    assert "ingest list" in ran.err


def test_nothing_is_removed_when_one_of_the_names_is_wrong(
    listed: dict[str, Any], commands: Commands
) -> None:
    assert commands.ingest("remove", "faq.html", "nothing.pdf").code == 1
    assert commands.ingest("show", "faq.html").code == 0


def test_documents_are_removed_by_name_path_uri_and_id(
    listed: dict[str, Any], commands: Commands, library: Path
) -> None:
    names = ["cut.pdf", str(library / "encrypted.pdf"), _one(listed, "picture.md")["uri"]]
    names.append(_one(listed, "scanned.pdf")["id"])
    ran = commands.ingest("remove", *names, "--json")
    assert ran.code == 0
    assert [Path(one["uri"]).name for one in ran.json["removed"]] == [
        "cut.pdf",
        "encrypted.pdf",
        "picture.md",
        "scanned.pdf",
    ]
    left = {Path(one["uri"]).name for one in commands.ingest("list", "--json").json}
    assert not left & {"cut.pdf", "encrypted.pdf", "picture.md", "scanned.pdf"}
    assert (library / "cut.pdf").exists()


def test_the_doctor_finds_every_document_whole_and_names_failures(
    listed: dict[str, Any], commands: Commands
) -> None:
    ran = commands.ingest("doctor", "--json")
    assert ran.code == 0
    checks = {check["name"]: check for check in ran.json}
    assert checks["documents"]["state"] == checks["leftovers"]["state"] == checks["store"]["state"] == "OK"
    assert checks["failures"]["state"] == "WARN"
    assert checks["failures"]["remedy"]


def test_a_document_whose_stored_text_is_gone_fails_the_doctor(
    commands: Commands, listed: dict[str, Any]
) -> None:
    ident = _one(listed, "faq.html")["id"]
    (stored,) = (commands.data_dir / "files").rglob(ident)
    aside = commands.data_dir / "aside"
    stored.rename(aside)
    try:
        ran = commands.ingest("doctor")
    finally:
        aside.rename(stored)
    assert ran.code == 1
    assert "FAIL" in ran.out
    assert "faq.html" in ran.out
    assert "ingest add" in ran.out


def test_an_empty_index_is_listed_as_such(elsewhere: Commands, no_models: str) -> None:
    ran = elsewhere.ingest("list", "--json", RAG_MODELS_DIR=no_models)
    assert (ran.code, ran.json) == (0, [])
    assert "ingest add" in elsewhere.ingest("list").err
