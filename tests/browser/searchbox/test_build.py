"""The files that ship are those that the source makes."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

from .box import SEARCHBOX

DIST = SEARCHBOX / "dist"
MOST_BYTES = 45 * 1024


def test_the_shipped_files_are_what_the_source_builds(node_modules: Path, tmp_path: Path) -> None:
    run = ["node", "build.mjs", str(tmp_path)]
    built = subprocess.run(run, cwd=SEARCHBOX, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    made, shipped = (
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (tmp_path, DIST)
    )
    assert made == shipped, "npm run build, and commit dist/"


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
    """The box, with the largest language but English."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in DIST.iterdir()}
    sizes = {name: len(gzip.compress(text.encode(), 9)) for name, text in texts.items()}
    assert sizes["searchbox.js"] <= MOST_BYTES
    assert max(size for name, size in sizes.items() if name != "searchbox.js") <= 2048
    for text in texts.values():
        assert not re.search(r"\beval\(|new Function\b|https?://(?!www\.w3\.org/)[a-z]", text)
