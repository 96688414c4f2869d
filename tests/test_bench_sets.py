"""Our own question sets, and how they are put together from published packages."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bench.peers.material import read_rows
from bench.sets.__main__ import HERE, SETS, _members, _place


@pytest.mark.parametrize("name", SETS)
def test_each_question_points_at_lines_of_files_that_are_fetched(name: str) -> None:
    fetched: dict[str, dict[str, str]] = json.loads((HERE / name / "files.json").read_text("utf-8"))
    projects = {
        package.partition(":")[2].replace("==", "@").rpartition("@")[0]: package for package in fetched
    }
    documents = {f"{project}/{path}" for project, package in projects.items() for path in fetched[package]}
    rows: list[dict[str, Any]] = read_rows(HERE / name / "questions.jsonl")
    assert len(rows) >= 90
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["question"].strip()
        assert row["relevant"]
        for proof in row["relevant"]:
            assert proof["doc"] in documents
            first, last = proof["lines"]
            assert 1 <= first <= last


def test_a_place_by_lines_is_the_text_from_the_first_to_the_end_of_the_last() -> None:
    texts = {"a": "one\ntwo  \nthree\n\nfour\n"}
    assert _place({"doc": "a", "lines": [2, 4]}, texts) == {"doc_id": "a", "start": 4, "end": 15}
    assert texts["a"][4:15] == "two  \nthree"


def test_files_go_by_their_path_in_a_wheel_and_below_the_top_folder_in_a_tarball(
    tmp_path: Path,
) -> None:
    with zipfile.ZipFile(tmp_path / "a-1.whl", "w") as wheel:
        wheel.writestr("a/b.py", "x = 1")
    with tarfile.open(tmp_path / "a-1.tar.gz", "w:gz") as tarball:
        member = tarfile.TarInfo("a-1/docs/b.rst")
        member.size = 2
        tarball.addfile(member, io.BytesIO(b"hi"))
        tarball.addfile(tarfile.TarInfo("a-1/link"), None)
    assert _members(tmp_path / "a-1.whl") == {"a/b.py": b"x = 1"}
    assert _members(tmp_path / "a-1.tar.gz")["docs/b.rst"] == b"hi"
