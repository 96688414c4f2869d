"""`ingest add`: a folder with good and broken files, again, changed, and interrupted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from .commands import Commands, Ran
from .folder import BROKEN, GOOD, MAX_FILE_MB

FIELDS = {"new", "changed", "unchanged", "failed", "documents", "chunks", "seconds"} | {
    "pages_without_text",
    "ocr_pages",
}


def names(report: Any) -> dict[str, str]:
    """The reasons of what failed, by file name."""
    return {Path(one["path"]).name: one["reason"] for one in report["failed"]}


# ---------------------------------------------------------------- the first time


def test_broken_files_make_the_exit_code_one_and_the_rest_goes_in(added: Ran) -> None:
    assert added.code == 1
    assert added.json["new"] == added.json["documents"] == len(GOOD) + 1
    assert names(added.json).keys() == BROKEN.keys()


def test_the_report_has_every_field_that_others_rely_on(added: Ran) -> None:
    report = added.json
    assert report.keys() >= FIELDS
    assert all(failure.keys() == {"path", "reason"} for failure in report["failed"])
    assert (report["changed"], report["unchanged"]) == (0, 0)
    assert report["chunks"] >= len(GOOD)
    assert (report["pages_without_text"], report["ocr_pages"]) == (1, 1)
    assert report["seconds"] > 0


def test_standard_output_holds_one_line_of_json_and_nothing_else(added: Ran) -> None:
    assert added.out.count("\n") == 1
    assert isinstance(added.json, dict)


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_file_has_one_clear_line(added: Ran, name: str) -> None:
    (line,) = [row for row in added.rows if f"/{name}" in row]
    reason = names(added.json)[name]
    assert reason in line
    assert BROKEN[name][1] in reason
    assert len(reason) > 5
    assert "Traceback" not in reason


def test_files_that_are_no_documents_are_told_apart_from_failures(added: Ran) -> None:
    assert [Path(one["path"]).name for one in added.json["skipped"]] == ["photo.jpg"]


# ---------------------------------------------------------------- again


def test_adding_unchanged_files_again_needs_no_model(
    added: Ran, commands: Commands, library: Path, no_models: str
) -> None:
    again = commands.ingest(
        "add", str(library), "--json", RAG_MAX_FILE_MB=MAX_FILE_MB, RAG_MODELS_DIR=no_models
    )
    report = again.json
    assert (report["new"], report["changed"], report["unchanged"]) == (0, 0, len(GOOD))
    assert names(report).keys() == BROKEN.keys()


def test_unchanged_files_alone_are_a_success(
    added: Ran, commands: Commands, library: Path, no_models: str
) -> None:
    ran = commands.ingest("add", str(library / "notes.txt"), RAG_MODELS_DIR=no_models)
    assert (ran.code, ran.out) == (0, "")
    assert [row.split() for row in ran.rows if row.startswith("unchanged")] == [["unchanged", "1"]]


def test_what_was_asked_for_by_name_and_cannot_be_read_fails(
    elsewhere: Commands, tmp_path: Path, no_models: str
) -> None:
    (tmp_path / "program.exe").write_bytes(b"MZ")
    os.mkfifo(tmp_path / "pipe.txt")
    asked = [str(tmp_path / name) for name in ("program.exe", "pipe.txt", "nowhere.pdf", "*.docx")]
    ran = elsewhere.ingest("add", *asked, "--json", RAG_MODELS_DIR=no_models)
    assert ran.code == 1
    assert [one["path"] for one in ran.json["failed"]] == asked
    assert (ran.json["new"], ran.json["documents"]) == (0, 0)


def test_a_folder_without_files_is_said_to_have_none(
    elsewhere: Commands, tmp_path: Path, no_models: str
) -> None:
    (tmp_path / "empty").mkdir()
    ran = elsewhere.ingest("add", str(tmp_path / "empty"), RAG_MODELS_DIR=no_models)
    assert (ran.code, ran.out) == (0, "")
    assert "no file to add" in ran.err


def test_a_changed_file_is_changed_and_a_glob_finds_the_new_one(
    added: Ran, commands: Commands, changing: Path
) -> None:
    with (changing / "rules.md").open("a") as file:
        file.write("\nOn Fridays the annex closes at noon.\n")
    (changing / "sub").mkdir()
    (changing / "sub" / "new.md").write_text("# New\n\nThe annex opens in the spring of next year.\n")
    ran = commands.ingest("add", str(changing / "**" / "*.md"), "--json")
    assert ran.code == 0
    assert (ran.json["new"], ran.json["changed"], ran.json["failed"]) == (1, 1, [])
    assert commands.ingest("show", "rules.md", "--text").out.count("closes at noon") == 1
