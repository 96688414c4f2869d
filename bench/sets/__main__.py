"""Our own question sets, put together from published packages: python -m bench.sets FOLDER

Here lie the questions and where in which files the answers stand (`code/`, `product/`); the texts, under
licences of their own, are fetched by pip and npm in the versions that `files.json` names. FOLDER then has a
folder for each set, with `corpus.jsonl` and `queries.jsonl`, as `bench.quality` and `bench.peers` take them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.peers.material import read_rows

SETS = ("code", "product")
HERE = Path(__file__).parent


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.sets", description=__doc__.splitlines()[0])
    asked.add_argument("folder", type=Path, metavar="FOLDER")
    folder: Path = asked.parse_args().folder
    for name in SETS:
        made = folder / name
        if (made / "queries.jsonl").exists():
            print(f"{name}: present")
            continue
        made.mkdir(parents=True, exist_ok=True)
        texts = dict(_texts(json.loads((HERE / name / "files.json").read_text("utf-8")), name))
        with (made / "corpus.jsonl").open("w", encoding="utf-8") as file:
            for id, text in texts.items():
                file.write(json.dumps({"id": id, "title": id, "text": text}) + "\n")
        rows = read_rows(HERE / name / "questions.jsonl")
        placed = [row | {"relevant": [_place(each, texts) for each in row["relevant"]]} for row in rows]
        # Last, since a folder that has it is whole.
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in placed)
        (made / "queries.jsonl").write_text(lines, "utf-8")
        print(f"{name}: {len(rows)} questions on {len(texts)} files, in {made}")


def _texts(packages: dict[str, dict[str, str]], name: str) -> Iterator[tuple[str, str]]:
    """The files of a set by their ids; each has to be the very one that the questions were written for."""
    for package, files in packages.items():
        kind, named = package.split(":", 1)
        project = named.replace("==", "@").rsplit("@", 1)[0]
        print(f"{name}: fetching {named}", flush=True)
        with tempfile.TemporaryDirectory(prefix="citebox-sets-") as place:
            members = _members(_fetched(kind, named, Path(place)))
            for path, digest in files.items():
                content = members.get(path, b"")
                if hashlib.sha256(content).hexdigest() != digest:
                    sys.exit(f"{named}: {path} is not the file that the questions are about")
                yield f"{project}/{path}", content.decode("utf-8")


def _fetched(kind: str, named: str, place: Path) -> Path:
    """The archive of a package."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(place)]
    command = {
        "wheel": pip,
        "sdist": [*pip, "--no-binary", named.split("==")[0]],
        "npm": ["npm", "pack", "--silent", "--pack-destination", str(place)],
    }[kind]
    if shutil.which(command[0]) is None:
        sys.exit(f"{named} is fetched by {command[0]}, which is not installed")
    done = subprocess.run([*command, named], stdout=subprocess.DEVNULL, check=False)
    archives = list(place.iterdir())
    if done.returncode or len(archives) != 1:
        sys.exit(f"{named} could not be fetched; the reason stands above")
    return archives[0]


def _members(archive: Path) -> dict[str, bytes]:
    """The files of an archive by their paths; in a tarball below its top folder. Nothing is unpacked."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    found = {}
    with tarfile.open(archive) as tarball:
        for member in tarball:
            content = tarball.extractfile(member) if member.isfile() else None
            if content is not None:
                found[member.name.partition("/")[2]] = content.read()
    return found


def _place(proof: dict[str, Any], texts: dict[str, str]) -> dict[str, Any]:
    """A proof by its lines, of which the last counts too, as one by its positions."""
    first, last = proof["lines"]
    lines = texts[proof["doc"]].splitlines(keepends=True)
    start = sum(map(len, lines[: first - 1]))
    text = "".join(lines[first - 1 : last]).rstrip()
    return {"doc_id": proof["doc"], "start": start, "end": start + len(text)}


if __name__ == "__main__":
    main()
