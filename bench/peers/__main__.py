"""Citebox beside other systems: the same texts and questions in one run, with the peers' embedding model too.

    make bench-peers SET=FOLDER

Each system runs in a process of its own, set up as its own documentation begins. `FOLDER` has
`corpus.jsonl` ({id, title, text}) and `queries.jsonl` ({id, question, relevant: [{doc_id, start, end}]}). The
peers' rerankers are left out: what they load has to come from a model hub.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

from bench.peers.citebox_peer import PEERS_MODEL, SETTINGS
from bench.peers.material import Found, Material, load, recall_at, row
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
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(
        f"{date.today()}, {machine}. Peers embed with {PEERS_MODEL}, Citebox with {settings.embedding_model}."
    )
    bars: dict[str, list[Bar]] = {}
    for folder in args.sets:
        material = load(folder, args.questions)
        print(f"\n{folder.name}: {len(material.texts)} texts, {len(material.questions)} questions.\n")
        print(f"| {COLUMNS.replace(', ', ' | ')} |\n{'|---' * len(COLUMNS.split(', '))}|", flush=True)
        options = [str(folder), str(args.questions)]
        ours = [sys.executable, "-m", "bench.peers.citebox_peer", *options]
        commands = [[*ours, setting] for setting in SETTINGS]
        for peer in ("llama_index", "txtai", "haystack"):
            commands.append([str(args.python), str(HERE / f"{peer}_peer.py"), model, *options])
        shown = [_show(material, command) for command in commands]
        bars[folder.name] = [bar for bar in shown if bar is not None]
    if args.plot is not None:
        args.plot.write_text(plot(bars), "utf-8")


def _show(material: Material, command: list[str]) -> Bar | None:
    """Run one system, print its line, give its bar; one that fails says why, and the others go on."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | OFFLINE, check=False)
    if done.returncode:
        print(f"| {Path(command[-4]).stem} | failed: {done.stderr.strip().splitlines()[-1]} |", flush=True)
        return None
    found = Found(**json.loads(done.stdout.splitlines()[-1]))
    print(row(material, found), flush=True)
    label = f"{found.name} {found.setting}"
    return label, recall_at(3, material, found), statistics.median(found.milliseconds)


if __name__ == "__main__":
    main()
