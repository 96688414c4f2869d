"""Citebox beside other systems: the same texts and questions in one run, with the peers' embedding model too.

    make bench-peers SET=FOLDER

Each system runs in a process of its own, set up as its own documentation begins, and once more with its
reranker, which reads with the built-in cross-encoder (bench/peers/reranker.py). `FOLDER` has `corpus.jsonl`
({id, title, text}) and `queries.jsonl` ({id, question, relevant: [{doc_id, start, end}]}).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from bench.peers.citebox_peer import PEERS_MODEL, PEERS_RERANKER, SETTINGS
from bench.peers.material import Material, emitted, load, recall_at, row
from bench.peers.plot import Bar, plot
from rag.models import installed_path
from rag.settings import load_settings

HERE = Path(__file__).resolve().parent
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HAYSTACK_TELEMETRY_ENABLED": "false"}
COLUMNS = "system, search, chunks, recall@3, recall@10, characters@3, median ms, p95 ms, ingest s, peak MB"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("sets", type=Path, nargs="+", metavar="FOLDER")
    asked.add_argument("--python", type=Path, required=True, help="the interpreter that has the peers")
    asked.add_argument("--questions", type=int, default=200, help="at most (default: %(default)s)")
    asked.add_argument("--plot", type=Path, metavar="FILE", help="draw recall@3 into this SVG")
    args = asked.parse_args()
    settings = load_settings()
    model = str(installed_path(settings, PEERS_MODEL))
    stored = installed_path(settings, PEERS_RERANKER)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(
        f"{date.today()}, {machine}. Peers embed with {PEERS_MODEL}, Citebox with {settings.embedding_model}."
    )
    bars: dict[str, list[Bar]] = {}
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as reranker:
        made = _run([str(args.python), str(HERE / "reranker.py"), str(stored), reranker])
        if made.returncode:
            sys.exit(f"the peers' reranker could not be made: {_reason(made)}")
        for folder in args.sets:
            bars[folder.name] = _compare(folder, args.questions, [str(args.python)], [model, reranker])
    if args.plot is not None:
        args.plot.write_text(plot(bars), "utf-8")


def _compare(folder: Path, most: int, python: list[str], models: list[str]) -> list[Bar]:
    """Print the table of one set; its bars. `models`: the folders of the peers' embedder and reranker."""
    material = load(folder, most)
    print(f"\n{folder.name}: {len(material.texts)} texts, {len(material.questions)} questions.\n")
    print(f"| {COLUMNS.replace(', ', ' | ')} |\n{'|---' * len(COLUMNS.split(', '))}|", flush=True)
    options = [str(folder), str(most)]
    ours = [sys.executable, "-m", "bench.peers.citebox_peer", *options]
    bars = [bar for setting in SETTINGS for bar in _show(f"Citebox {setting}", material, [*ours, setting])]
    for peer in ("llama_index", "txtai", "haystack"):
        bars += _show(peer, material, [*python, str(HERE / f"{peer}_peer.py"), *models, *options])
    return bars


def _show(name: str, material: Material, command: list[str]) -> list[Bar]:
    """Run one system, print its lines, give its bars; one that fails says why, and the others go on."""
    done = _run(command)
    settings = emitted(done.stdout)
    for found in settings:
        print(row(material, found), flush=True)
    if done.returncode:
        print(f"| {name} | failed: {_reason(done)} |", flush=True)
    return [
        (f"{each.name} {each.setting}", recall_at(3, material, each), statistics.median(each.milliseconds))
        for each in settings
    ]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | OFFLINE, check=False)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"exit status {done.returncode}"


if __name__ == "__main__":
    main()
