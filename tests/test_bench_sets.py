"""Our own question sets, and how they are put together from published packages."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bench.peers.material import read_rows
from bench.quality import _placed
from bench.sets import __main__ as sets


@pytest.mark.parametrize("name", sets.SETS)
def test_each_question_points_at_lines_of_files_that_are_fetched(name: str) -> None:
    packages = sets.packages_of(sets.HERE / name)
    documents = {sets.document_id(package, path) for package in packages for path in package.files}
    rows = read_rows(sets.HERE / name / "questions.jsonl")
    assert len(rows) >= 100
    assert len({row["id"] for row in rows}) == len({row["question"] for row in rows}) == len(rows)
    assert all(row["relevant"] for row in rows)
    assert {proof["doc"] for row in rows for proof in row["relevant"]} <= documents


def test_a_place_by_lines_is_the_text_from_the_first_to_the_end_of_the_last() -> None:
    texts = {"a": "one\ntwo  \nthree\n\nfour\n"}
    row = sets.placed({"id": "q", "relevant": [{"doc": "a", "lines": [2, 4]}]}, texts)
    assert row == {"id": "q", "relevant": [{"doc_id": "a", "start": 4, "end": 15}]}
    assert texts["a"][4:15] == "two  \nthree"


@pytest.mark.parametrize("lines", [[0, 1], [3, 2], [2, 9], [4, 4]])
def test_lines_that_are_not_there_or_blank_are_told_with_their_question(lines: list[int]) -> None:
    with pytest.raises(SystemExit, match="question q: a has no text in lines"):
        sets.placed(
            {"id": "q", "relevant": [{"doc": "a", "lines": lines}]}, {"a": "one\ntwo\nthree\n\nfour\n"}
        )


def test_only_wanted_files_of_a_usual_size_are_read_from_an_archive(tmp_path: Path) -> None:
    wanted = ("docs/b.rst", "docs/large.rst", "docs/link.rst")
    with zipfile.ZipFile(tmp_path / "a-1.whl", "w") as wheel:
        for path, size in (("docs/b.rst", 2), ("docs/large.rst", sets.LARGEST + 1), ("docs/other.rst", 2)):
            wheel.writestr(path, b"x" * size)
    with tarfile.open(tmp_path / "a-1.tar.gz", "w:gz") as tarball:
        for path, size in (("docs/b.rst", 2), ("docs/large.rst", sets.LARGEST + 1), ("docs/other.rst", 2)):
            member = tarfile.TarInfo(f"a-1/{path}")
            member.size = size
            tarball.addfile(member, io.BytesIO(b"x" * size))
        link = tarfile.TarInfo("a-1/docs/link.rst")
        link.type, link.linkname = tarfile.SYMTYPE, "b.rst"
        tarball.addfile(link)
    assert sets.members(tmp_path / "a-1.whl", wanted) == {"docs/b.rst": b"xx"}
    assert sets.members(tmp_path / "a-1.tar.gz", wanted) == {"docs/b.rst": b"xx"}


def test_a_set_is_put_together_again_when_its_questions_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given, made, archive = tmp_path / "code", tmp_path / "made", tmp_path / "a-1.whl"
    given.mkdir()
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr("a/b.py", "x = 1\ny = 2\n")
    monkeypatch.setattr(sets, "_fetched", lambda package, place: archive)
    package = {"kind": "wheel", "name": "a", "version": "1", "sha256": "", "files": ["a/b.py"]}
    (given / "files.json").write_text(json.dumps([package]), "utf-8")

    def ask(line: int) -> None:
        row = {"id": "q", "question": "What?", "relevant": [{"doc": "a/a/b.py", "lines": [line, line]}]}
        (given / "questions.jsonl").write_text(json.dumps(row), "utf-8")
        sets.make(given, made)

    ask(1)
    ask(2)
    (row,) = read_rows(made / "queries.jsonl")
    assert row["relevant"] == [{"doc_id": "a/a/b.py", "start": 6, "end": 11}]
    assert "present" not in capsys.readouterr().out
    ask(2)
    assert capsys.readouterr().out == "code: present\n"


def test_an_archive_that_is_another_than_it_should_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pack(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        (tmp_path / "a-1.tgz").write_bytes(b"altered")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", pack)
    monkeypatch.setattr(sets.shutil, "which", lambda name: name)
    package = sets.Package(kind="npm", name="a", version="1", sha256="0" * 64, files=())
    with pytest.raises(SystemExit, match="a==1 is another archive"):
        sets._fetched(package, tmp_path)


def test_a_proof_is_found_though_the_stored_text_lacks_tags_fences_and_targets() -> None:
    said = '<span class="new">New in 2.0</span> See [all](https://a.example/b).\n\n```yaml\nhook: 1\n```'
    text = f"# Hooks\n\n{said}\n"
    start = text.index(said)
    place = _placed({"start": start, "end": start + len(said)}, text, "00001.md")
    assert set(place) == {"doc_id", "start", "end"}
    assert place["end"] - place["start"] > 20
