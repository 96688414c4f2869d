"""What a command costs before it does anything: seconds, processor seconds and memory, from the shell.

    make bench-start

The library is the sample one. The peer, in the same run, is Python importing sentence-transformers, as
others do before they can embed a question. `rag serve` is ended as soon as /readyz says yes. Memory is the
most that a command held, of the service what it holds when it is ready; the engine, a process of its own, is
running and not counted. Processor seconds of `rag serve` are those until it has ended.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.scale.measure import memory_mb
from rag.terminal import err
from tests.live import COMMANDS, LiveService

LIBRARY = Path(__file__).resolve().parent.parent / "data" / "library"
RUNS = 5
QUESTION = "How big is one PostgreSQL WAL segment file normally?"


@dataclass(frozen=True)
class Cost:
    """Of one process, from its start to its end, or until it is ready."""

    seconds: float
    processor: float
    megabytes: float


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as place:
        service = LiveService(Path(place))
        with err.status("Adding the sample library"):
            service.ingest([LIBRARY])
        # A service beside it keeps the engine up, so that no run waits for it to start.
        with service.start():
            ask, search = ([str(COMMANDS / "rag"), verb, QUESTION] for verb in ("ask", "search"))
            peer = [sys.executable, "-c", "import sentence_transformers"]
            rows = {
                "`rag ask`": [_run(service.data_dir, ask) for _ in range(RUNS)],
                "`rag search`": [_run(service.data_dir, search) for _ in range(RUNS)],
                "`rag serve` until it is ready": [_started(service.data_dir) for _ in range(RUNS)],
                "peer: `import sentence_transformers`": [_run(service.data_dir, peer) for _ in range(RUNS)],
            }
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores. Medians of {RUNS}.\n")
    print("| command | seconds | processor seconds | memory, MB |\n|---|---|---|---|")
    for name, costs in rows.items():
        each = zip(*((cost.seconds, cost.processor, cost.megabytes) for cost in costs), strict=True)
        seconds, processor, megabytes = map(statistics.median, each)
        print(f"| {name} | {seconds:.1f} | {processor:.1f} | {megabytes:.0f} |")


def _run(data: Path, command: Sequence[str]) -> Cost:
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env=_environment(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with code {process.returncode}")
    return Cost(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _started(data: Path) -> Cost:
    begun = time.perf_counter()
    with LiveService(data).start() as service:
        seconds, megabytes = time.perf_counter() - begun, memory_mb(str(service.pid))[0]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, spent, megabytes)


def _environment(data: Path) -> dict[str, str]:
    """Ours without a key: what Claude's client costs is not what is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "ANTHROPIC_"))}
    models = {name: os.environ[name] for name in ("RAG_MODELS_DIR",) if name in os.environ}
    return kept | models | {"RAG_DATA_DIR": str(data)}


if __name__ == "__main__":
    main()
