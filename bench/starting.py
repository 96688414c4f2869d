"""What a command costs before it does anything: seconds, processor seconds and memory, from the shell.

    make bench-start

The library is the sample one. The peer, in the same run, is Python importing sentence-transformers, as
others do before they can embed a question. `rag serve` is ended as soon as /readyz says yes. Memory is the
most that the command itself held; the engine, a process of its own, is running and not counted. Processor
seconds of `rag serve` are those until it has ended.
"""

from __future__ import annotations

import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from rag.terminal import err

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = Path(sys.executable).parent
RUNS = 5
QUESTION = "How big is one PostgreSQL WAL segment file normally?"
LONGEST = 120.0
"""Seconds that a service may take to be ready."""


@dataclass(frozen=True)
class Cost:
    """Of one process, from its start to its end, or until it is ready."""

    seconds: float
    processor: float
    megabytes: float


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as place:
        data = Path(place)
        with err.status("Adding the sample library"):
            _run(data, [str(COMMANDS / "ingest"), "add", str(ROOT / "data" / "library")])
        # A service beside it keeps the engine up, so that no run waits for it to start.
        port, keeper = _serve(data)
        try:
            _ready(port, keeper)
            ask, search = ([str(COMMANDS / "rag"), verb, QUESTION] for verb in ("ask", "search"))
            peer = [sys.executable, "-c", "import sentence_transformers"]
            rows = {
                "`rag ask`": [_run(data, ask) for _ in range(RUNS)],
                "`rag search`": [_run(data, search) for _ in range(RUNS)],
                "`rag serve` until it is ready": [_started(data) for _ in range(RUNS)],
                "peer: `import sentence_transformers`": [_run(data, peer) for _ in range(RUNS)],
            }
        finally:
            keeper.terminate()
            keeper.wait()
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores. Medians of {RUNS}.\n")
    print("| command | seconds | processor seconds | most memory, MB |\n|---|---|---|---|")
    for name, costs in rows.items():
        of = [
            statistics.median(values)
            for values in zip(*((c.seconds, c.processor, c.megabytes) for c in costs), strict=True)
        ]
        print(f"| {name} | {of[0]:.1f} | {of[1]:.1f} | {of[2]:.0f} |")


def _run(data: Path, command: Sequence[str]) -> Cost:
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env=_environment(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    used = _waited(process)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with code {process.returncode}")
    return Cost(time.perf_counter() - begun, used.ru_utime + used.ru_stime, _megabytes(used))


def _started(data: Path) -> Cost:
    begun = time.perf_counter()
    port, process = _serve(data)
    try:
        _ready(port, process)
        seconds = time.perf_counter() - begun
    finally:
        process.terminate()
        used = _waited(process)
    return Cost(seconds, used.ru_utime + used.ru_stime, _megabytes(used))


def _waited(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """What a process has used, once it has ended."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _serve(data: Path) -> tuple[int, subprocess.Popen[bytes]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    process = subprocess.Popen(
        [COMMANDS / "rag", "serve", "--port", str(port)],
        env=_environment(data),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return port, process


def _ready(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + LONGEST
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.02)
    sys.exit("the service was not ready")


def _environment(data: Path) -> dict[str, str]:
    """Ours without a key: what Claude's client costs is not what is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "ANTHROPIC_"))}
    models = {name: os.environ[name] for name in ("RAG_MODELS_DIR",) if name in os.environ}
    return kept | models | {"RAG_DATA_DIR": str(data)}


if __name__ == "__main__":
    main()
