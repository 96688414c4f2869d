"""Our own question sets, put together from published packages: python -m bench.sets FOLDER

Here lie the questions and where in which files the answers stand (`code/`, `product/`); the texts, under
licences of their own, are fetched by pip and npm, as the archives whose sha256 `files.json` has. FOLDER then
has a folder for each set, with `corpus.jsonl` and `queries.jsonl`, as `bench.quality` and `bench.peers` take
them. pip asks a source distribution for its name and dependencies, which runs code of that package, after it
has checked the archive.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from bench.peers.material import read_rows, write_rows

HERE = Path(__file__).parent
SETS = ("code", "product")
MADE_OF = "made-of"
"""The file with the digest of what a set was put together from; a folder that has it is whole."""
LARGEST = 2 << 20
"""Bytes of a file that is read from an archive."""


class Package(BaseModel):
    """An archive and the files of it that belong to a set: in a tarball, paths below its top folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["wheel", "sdist", "npm"]
    name: str
    version: str
    sha256: str
    files: tuple[str, ...]


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.sets", description=__doc__.splitlines()[0])
    asked.add_argument("folder", type=Path, metavar="FOLDER")
    folder: Path = asked.parse_args().folder
    for name in SETS:
        make(HERE / name, folder / name)


def make(given: Path, made: Path) -> None:
    """Put a set together, unless it is there as `given` has it now."""
    parts = [(given / part).read_bytes() for part in ("files.json", "questions.jsonl")]
    digest = hashlib.sha256(b"\n".join(parts)).hexdigest()
    marker = made / MADE_OF
    if marker.exists() and marker.read_text("utf-8") == digest:
        print(f"{given.name}: present")
        return
    made.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)
    texts = dict(_texts(packages_of(given)))
    rows = [placed(row, texts) for row in read_rows(given / "questions.jsonl")]
    write_rows(made / "corpus.jsonl", [{"id": id, "title": id, "text": text} for id, text in texts.items()])
    write_rows(made / "queries.jsonl", rows)
    marker.write_text(digest, "utf-8")
    print(f"{given.name}: {len(rows)} questions on {len(texts)} files, in {made}")


def packages_of(given: Path) -> list[Package]:
    return TypeAdapter(list[Package]).validate_json((given / "files.json").read_bytes())


def document_id(package: Package, path: str) -> str:
    """How questions name a file."""
    return f"{package.name}/{path}"


def placed(row: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """A question whose proofs are given by their lines, the last included, with their positions."""
    proofs = []
    for proof in row["relevant"]:
        (first, last), text = proof["lines"], texts[proof["doc"]]
        lines = [f"{line}\n" for line in text.split("\n")]
        start = sum(map(len, lines[: first - 1]))
        held = "".join(lines[first - 1 : last]).rstrip()
        if not (1 <= first <= last <= len(lines) and held):
            sys.exit(
                f"question {row['id']}: {proof['doc']} has no text in lines {first} to {last}: mend them"
            )
        proofs.append({"doc_id": proof["doc"], "start": start, "end": start + len(held)})
    return {**row, "relevant": proofs}


def members(archive: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """The wanted files of an archive, those no larger than LARGEST; nothing else of it is kept."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            sizes = {entry.filename: entry.file_size for entry in wheel.infolist()}
            return {name: wheel.read(name) for name in wanted if sizes.get(name, LARGEST + 1) <= LARGEST}
    found = {}
    with tarfile.open(archive) as tarball:
        for member in tarball:
            path = member.name.partition("/")[2]
            if path in wanted and member.isreg() and not member.issparse() and member.size <= LARGEST:
                content = tarball.extractfile(member)
                found[path] = content.read() if content else b""
    return found


def _texts(packages: Iterable[Package]) -> Iterator[tuple[str, str]]:
    """The files of a set by their ids."""
    for package in packages:
        print(f"fetching {package.name} {package.version}", flush=True)
        with tempfile.TemporaryDirectory(prefix="citebox-sets-") as place:
            found = members(_fetched(package, Path(place)), package.files)
        for path in package.files:
            if path not in found:
                sys.exit(f"{package.name} has no {path} of a usual size: take it out of files.json")
            yield document_id(package, path), found[path].decode("utf-8")


def _fetched(package: Package, place: Path) -> Path:
    """The archive of a package, which has the sha256 that it should have."""
    wanted = f"{package.name}=={package.version}"
    if package.kind == "npm":
        if shutil.which("npm") is None:
            sys.exit(f"{wanted} is fetched by npm: install it (Debian's package npm) and start again")
        command = ["npm", "pack", "--loglevel=error", "--ignore-scripts", "--pack-destination", str(place)]
        command.append(f"{package.name}@{package.version}")
    else:
        hashed = place / "requirements.txt"
        hashed.write_text(f"{wanted} --hash=sha256:{package.sha256}\n", "utf-8")
        only = "--only-binary" if package.kind == "wheel" else "--no-binary"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += [only, package.name, "--dest", str(place), "--requirement", str(hashed)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    archives = [path for path in place.iterdir() if path.suffix in {".whl", ".gz", ".tgz"}]
    if done.returncode or len(archives) != 1:
        sys.exit(f"{wanted} could not be fetched: the reason stands above. Start again when it is mended.")
    if hashlib.sha256(archives[0].read_bytes()).hexdigest() != package.sha256:
        sys.exit(
            f"{wanted} is another archive than the questions are about: remove what altered it on its way"
        )
    return archives[0]


if __name__ == "__main__":
    main()
