"""Memory over a long ingest: the command, its parsers and the embedded engine, quarter by quarter.

    make bench-memory [CHUNKS=20000]

The documents are stretches of real text (bench/scale/material.py), as many as make about so many chunks.
Memory is resident memory as the kernel tells it, read twice a second; a library that is shared counts in each
process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

from bench.scale.material import CHUNKS_OF_A_DOCUMENT, pieces
from bench.scale.measure import memory_mb
from rag.settings import load_settings
from rag.store.embedded import ENDPOINT_FILE
from rag.terminal import err

QUARTERS = 4
_PAUSE = 0.5


@dataclass(frozen=True)
class Seen:
    """Resident megabytes at one moment."""

    at: float
    command: float
    parsers: float
    engine: float


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.ingest_memory", description=__doc__.splitlines()[0])
    asked.add_argument("--chunks", type=int, default=20_000, help="about how many (default: %(default)s)")
    args = asked.parse_args()
    if load_settings().qdrant_url:
        sys.exit("this fills the index of RAG_QDRANT_URL with what is measured: unset it first")
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as place:
        library = Path(place) / "library"
        library.mkdir()
        _write(library, args.chunks)
        seen, report = _watch(library, Path(place) / "data")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{date.today()}, {machine}.")
    print(f"{report['documents']} documents, {report['chunks']} chunks in {report['seconds']:.0f} s.\n")
    print("| highest of the | command, MB | its parsers, MB | engine, MB |\n|---|---|---|---|")
    begun, length = seen[0].at, seen[-1].at - seen[0].at
    for quarter in range(QUARTERS):
        now = [one for one in seen if int((one.at - begun) / length * QUARTERS) == quarter]
        tops = (max(getattr(one, name) for one in now) for name in ("command", "parsers", "engine"))
        print(f"| {quarter + 1}. quarter | " + " | ".join(f"{top:.0f}" for top in tops) + " |")


def _write(library: Path, chunks: int) -> None:
    texts = islice(pieces(None), chunks)
    for number in range(chunks // CHUNKS_OF_A_DOCUMENT):
        some = list(islice(texts, CHUNKS_OF_A_DOCUMENT))
        (library / f"{number:05d}.txt").write_text(f"Part {number}\n\n" + "\n\n".join(some), "utf-8")


def _watch(library: Path, data: Path) -> tuple[list[Seen], dict[str, float]]:
    """What was seen while the folder was added, and the command's report."""
    command = [str(Path(sys.executable).parent / "ingest"), "add", str(library), "--json"]
    environment = os.environ | {"RAG_DATA_DIR": str(data)}
    seen: list[Seen] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        running = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.DEVNULL)
        with err.status("Ingesting"):
            while running.poll() is None:
                seen.append(_look(running.pid, data))
                time.sleep(_PAUSE)
        said.seek(0)
        if running.returncode:
            sys.exit(f"ingest add ended with code {running.returncode}: {said.read()[-2000:]}")
        report: dict[str, float] = json.load(said)
    return seen, report


def _look(command: int, data: Path) -> Seen:
    engine = _engine(data)
    parsers = (process for process in _children(command) if process != engine)
    return Seen(time.monotonic(), _mb(command), sum(map(_mb, parsers)), _mb(engine))


def _engine(data: Path) -> int:
    """The engine's process; 0 before it has begun."""
    try:
        return int(json.loads((data / "qdrant" / ENDPOINT_FILE).read_bytes())["pid"])
    except (OSError, ValueError):
        return 0


def _children(command: int) -> Iterator[int]:
    try:
        for task in Path(f"/proc/{command}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())
    except OSError:  # ended while we looked
        return


def _mb(process: int) -> float:
    try:
        return memory_mb(str(process))[0]
    except (OSError, KeyError):
        return 0.0


if __name__ == "__main__":
    main()
