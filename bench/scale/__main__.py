"""The embedded store at growing sizes: queries, writes, memory, disk, start; and indexes beside exact search.

    .venv/bin/python -m bench.scale [SIZE...] [--set FOLDER] [--real N] [--work FOLDER] [--only sizes|indexes]

Everything goes through `rag.store` as ingesting and asking do, but the chunks are made here with their
vectors (bench/scale/material.py), since embedding a million takes hours. A store grows from size to size.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from bench.scale import indexes
from bench.scale.material import Material, gather
from bench.scale.measure import CANDIDATES, LIMIT, Cost, Models, ended, load, measure
from rag.embedding import load_embedder
from rag.reranking import load_reranker
from rag.settings import load_settings
from rag.terminal import err, quiet_libraries

STORE = "scale-store"
ROWS = (
    ("hybrid query, median ms", "query_p50", 1),
    ("hybrid query, p95 ms", "query_p95", 1),
    ("whole retrieval with reranking, median ms", "whole_p50", 0),
    ("whole retrieval with reranking, p95 ms", "whole_p95", 0),
    ("hybrid query while documents are added, median ms", "busy_p50", 1),
    ("the same while documents are added, p95 ms", "busy_p95", 1),
    ("engine, resident MB", "engine_mb", 0),
    ("engine, of it not backed by files, MB", "engine_own_mb", 0),
    ("a client, resident MB", "client_mb", 0),
    ("disk, MB", "disk_mb", 0),
    ("loading in bulk, s", "load_s", 0),
    ("adding a document of 50 chunks, ms", "add_ms", 0),
    ("replacing it, ms", "replace_ms", 0),
    ("removing it, ms", "remove_ms", 0),
    ("from no engine to the first answer, ms", "start_ms", 0),
)


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__.splitlines()[0])
    asked.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000], help="chunks in the store")
    asked.add_argument("--set", type=Path, help="folder with corpus.jsonl and queries.jsonl to begin with")
    asked.add_argument(
        "--real", type=int, default=5000, help="chunks that are embedded (default: %(default)s)"
    )
    asked.add_argument("--work", type=Path, help="folder for the store and for embeddings, which are kept")
    asked.add_argument("--only", choices=("sizes", "indexes"), help="half of the measurements")
    args = asked.parse_args()
    quiet_libraries()
    folder = args.work or Path(tempfile.mkdtemp(prefix="citebox-scale-"))
    try:
        with err.status("Measuring"):
            asyncio.run(_measure(args, folder))
    finally:
        shutil.rmtree(folder if args.work is None else folder / STORE, ignore_errors=True)


async def _measure(args: argparse.Namespace, folder: Path) -> None:
    sizes = sorted(args.sizes)
    models = load_embedder(load_settings()), load_reranker(load_settings())
    material = gather(models[0], sizes[-1], args.real, args.set, args.work)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{date.today()}, {machine}.")
    print(
        f"{len(material.texts)} real texts, {len(material.vectors)} real embeddings, "
        f"{len(material.questions)} questions, {CANDIDATES} candidates, {LIMIT} hits.\n",
        flush=True,
    )
    if args.only != "indexes":
        await _grow(folder / STORE, material, models, sizes)
    if args.only != "sizes":
        questions = np.array([question.dense for question in material.questions], dtype=np.float32)
        indexes.compare(material.vectors, questions)


async def _grow(data: Path, material: Material, models: Models, sizes: Sequence[int]) -> None:
    costs: list[Cost] = []
    loaded, seconds = 0, 0.0
    for size in sizes:
        seconds += await load(data, material, loaded, size)
        loaded = size
        costs.append(await measure(data, material, models, size, seconds))
        # A line at once, since the next size takes a while.
        err.print(f"{size} chunks: {costs[-1]}")
    await ended(data)
    print("| chunks | " + " | ".join(f"{size:,}" for size in sizes) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    for label, field, digits in ROWS:
        figures = [float(getattr(cost, field)) for cost in costs]
        cells = [f"{figures[0]:.{digits}f}"]
        cells += [f"{each:.{digits}f} (×{each / figures[0]:.1f})" for each in figures[1:]]
        print(f"| {label} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
