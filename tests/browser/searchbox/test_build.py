"""The file that ships is the one that the source makes."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

from .box import SEARCHBOX

BUILT = SEARCHBOX / "dist" / "searchbox.js"
MOST_BYTES = 45 * 1024


def test_the_shipped_file_is_what_the_source_builds(node_modules: Path, tmp_path: Path) -> None:
    run = ["node", "build.mjs", str(tmp_path)]
    built = subprocess.run(run, cwd=SEARCHBOX, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "searchbox.js").read_bytes() == BUILT.read_bytes(), "npm run build, and commit dist/"


def test_the_source_and_the_example_keep_to_their_types(node_modules: Path) -> None:
    checked = subprocess.run(
        [str(node_modules / ".bin" / "tsc"), "--noEmit"],
        cwd=SEARCHBOX,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert checked.returncode == 0, checked.stdout


def test_it_is_small_and_runs_without_eval() -> None:
    text = BUILT.read_text(encoding="utf-8")
    assert len(gzip.compress(text.encode(), 9)) <= MOST_BYTES
    assert not re.search(r"\beval\(|new Function\b|https?://(?!www\.w3\.org/)[a-z]", text)
