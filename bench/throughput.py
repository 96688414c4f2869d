"""Many readers at once: questions a second, waiting times and refusals of the real service.

    .venv/bin/python -m bench.throughput

`rag serve` over the sample library, answers streamed from a server of Claude's protocol that waits 200 ms
before its first word, cache off. Each client asks its next question when it has its answer; one that is
refused (429) comes again after the seconds that the refusal names. All of it shares this machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import httpx

from bench.retrieval import DATA
from tests.live import LiveService

WAIT = 0.2
"""Seconds that the stand-in for Claude takes before its first word."""
PING_SECONDS = 0.02


@dataclass
class Seen:
    """Seconds, and how many were refused."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0
    pings: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--no-rerank", action="store_true", help="without the cross-encoder")
    chosen = parser.parse_args()
    lines = (DATA / "questions.jsonl").read_text().splitlines()
    questions = [str(json.loads(line)["question"]) for line in lines]
    cores = len(os.sched_getaffinity(0))
    print(f"{date.today()}, {platform.machine()}, {cores} cores, Python {platform.python_version()}")
    print("| clients | answers/s | first word ms, median | p95 | answer ms, median | p95 | refused | failed "
          "| /healthz ms, p99 | longest |")  # fmt: skip
    print("|" + "---|" * 10)
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as folder, _claude() as url:
        service = LiveService(Path(folder))
        service.ingest([DATA / "library"])
        env = {
            "ANTHROPIC_API_KEY": "sk-bench",
            "ANTHROPIC_BASE_URL": url,
            "RAG_CACHE_ANSWERS": "0",
            "RAG_RERANK": "false" if chosen.no_rerank else "true",
        }
        with service.start(env):
            asyncio.run(_ask(service.url, questions, 1, 5.0))  # warm up
            for clients in chosen.clients:
                seen = asyncio.run(_ask(service.url, questions, clients, chosen.seconds))
                print(_row(clients, seen, chosen.seconds), flush=True)


@contextmanager
def _claude() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.claude_server", "--port", "0", "--pace", "0.01"]
    with subprocess.Popen(
        [*command, "--before-first", str(WAIT)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


async def _ask(url: str, questions: Sequence[str], clients: int, seconds: float) -> Seen:
    turn = itertools.cycle(questions)
    limits = httpx.Limits(max_connections=None)
    loop = asyncio.get_running_loop()
    # From a process of its own: what holds up the clients is not what holds up the service.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        await loop.run_in_executor(pool, _ping, url, 0.0)  # has everything imported
        seen, ends = Seen(), time.perf_counter() + seconds
        pinging = loop.run_in_executor(pool, _ping, url, seconds)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as http:
            await asyncio.gather(*(_client(http, turn, ends, seen) for _ in range(clients)))
        seen.pings = await pinging
    return seen


async def _client(http: httpx.AsyncClient, turn: Iterator[str], ends: float, seen: Seen) -> None:
    while time.perf_counter() < ends:
        began = time.perf_counter()
        body = {"question": next(turn), "mode": "fast", "stream": True}
        first = None
        async with http.stream("POST", "/v1/ask", json=body) as reply:
            if reply.status_code == 429:
                seen.refused += 1
                after = float(reply.headers["Retry-After"])
                await asyncio.sleep(
                    min(after * random.uniform(1.0, 1.5), max(0.0, ends - time.perf_counter()))
                )
                continue
            event = ""
            async for line in reply.aiter_lines():
                if line.startswith("event: "):
                    event = line[7:]
                    if event == "delta" and first is None:
                        first = time.perf_counter() - began
        now = time.perf_counter()
        if event != "done":
            seen.failed += 1
        elif now < ends:
            seen.whole.append(now - began)
            if first is not None:
                seen.first.append(first)


def _ping(url: str, seconds: float) -> list[float]:
    gc.disable()  # a collection here would look like a stop of the service
    pings: list[float] = []
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        http.get("/healthz")
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            began = time.perf_counter()
            http.get("/healthz").raise_for_status()
            pings.append(time.perf_counter() - began)
            time.sleep(PING_SECONDS)
    return pings


def _row(clients: int, seen: Seen, seconds: float) -> str:
    def ms(values: Sequence[float], share: float) -> str:
        if not values:
            return "-"
        return f"{sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000:.0f}"

    first = f"{statistics.median(seen.first) * 1000:.0f}" if seen.first else "-"
    whole = f"{statistics.median(seen.whole) * 1000:.0f}" if seen.whole else "-"
    return (
        f"| {clients} | {len(seen.whole) / seconds:.1f} | {first} | {ms(seen.first, 0.95)} | {whole} "
        f"| {ms(seen.whole, 0.95)} | {seen.refused} | {seen.failed} | {ms(seen.pings, 0.99)} "
        f"| {max(seen.pings) * 1000:.0f} |"
    )


if __name__ == "__main__":
    main()
