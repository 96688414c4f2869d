"""`ingest add`: a folder with good and broken files, again, changed, and interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from .commands import SECONDS, Commands, Ran
from .folder import BROKEN, GOOD, MAX_FILE_MB

FIELDS = {"new", "changed", "unchanged", "failed", "documents", "chunks", "pages_without_text", "seconds"}


def names(report: Any) -> dict[str, str]:
    """The reasons of what failed, by file name."""
    return {Path(one["path"]).name: one["reason"] for one in report["failed"]}


# ---------------------------------------------------------------- the first time


def test_broken_files_make_the_exit_code_one_and_the_rest_goes_in(added: Ran) -> None:
    assert added.code == 1
    assert added.json["new"] == added.json["documents"] == len(GOOD)
    assert names(added.json).keys() == BROKEN.keys()


def test_the_report_has_every_field_that_others_rely_on(added: Ran) -> None:
    report = added.json
    assert report.keys() >= FIELDS
    assert all(failure.keys() == {"path", "reason"} for failure in report["failed"])
    assert (report["changed"], report["unchanged"]) == (0, 0)
    assert report["chunks"] >= len(GOOD)
    assert report["pages_without_text"] == 1
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
    assert report["chunks"] == added.json["chunks"]


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


def test_a_changed_file_is_changed_and_a_glob_finds_the_new_one(
    added: Ran, commands: Commands, library: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(library / "handbook.md", copy / "handbook.md")
    first = commands.ingest("add", str(copy / "**" / "*.md"), "--json")
    assert (first.code, first.json["new"]) == (0, 1)
    with (copy / "handbook.md").open("a") as file:
        file.write("\nOn Fridays it closes at noon.\n")
    (copy / "sub").mkdir()
    (copy / "sub" / "new.md").write_text("# New\n\nThe annex opens in the spring of next year.\n")
    ran = commands.ingest("add", str(copy / "**" / "*.md"), "--json", "--collection", "default")
    assert ran.code == 0
    assert {key: ran.json[key] for key in ("new", "changed", "unchanged", "failed")} == {
        "new": 1,
        "changed": 1,
        "unchanged": 0,
        "failed": [],
    }
    text = commands.ingest("show", str(copy / "handbook.md"), "--text").out
    assert text.count("closes at noon") == 1
    assert commands.ingest("remove", str(copy / "handbook.md"), str(copy / "sub" / "new.md")).code == 0


# ---------------------------------------------------------------- interrupted


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_done_and_the_next_add_does_the_rest(
    elsewhere: Commands, tmp_path: Path
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(6):
        words = "\n\n".join(f"Paragraph {n} of volume {number} tells of the sea." * 8 for n in range(40))
        (many / f"volume-{number}.txt").write_text(words)
    running = elsewhere.start("ingest", "add", str(many), "--json", RAG_EMBEDDING_BATCH="1")
    deadline = time.monotonic() + SECONDS
    while not _ready(elsewhere):
        assert running.poll() is None, "it was over before it could be interrupted"
        assert time.monotonic() < deadline
    os.killpg(running.pid, signal.SIGINT)
    ran = elsewhere.wait(running)
    assert ran.code == 130
    assert "Interrupted" in ran.err
    done = ran.json["new"]
    assert 1 <= done < 6
    assert len(_ready(elsewhere)) == done
    assert elsewhere.ingest("doctor").code == 0
    rest = elsewhere.ingest("add", str(many), "--json")
    assert (rest.code, rest.json["unchanged"], rest.json["new"]) == (0, done, 6 - done)


def _ready(commands: Commands) -> list[Any]:
    return [one for one in commands.ingest("list", "--json").json if one["state"] == "ready"]
