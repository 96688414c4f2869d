"""Citebox beside other systems: the same texts, questions and local embedding model, in one run.

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
import subprocess
import sys
from datetime import date
from pathlib import Path

from bench.peers.material import Found, Material, load, row
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
    args = asked.parse_args()
    settings = load_settings()
    model = str(installed_path(settings, settings.embedding_model))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{date.today()}, {machine}. Embedding model of all: {settings.embedding_model}.")
    for folder in args.sets:
        material = load(folder, args.questions)
        print(f"\n{folder.name}: {len(material.texts)} texts, {len(material.questions)} questions.\n")
        print(f"| {COLUMNS.replace(', ', ' | ')} |\n{'|---' * len(COLUMNS.split(', '))}|", flush=True)
        most = str(args.questions)
        for setting in ("fused", "reranked"):
            _show(material, [sys.executable, "-m", "bench.peers.citebox_peer", str(folder), most, setting])
        for peer in ("llama_index", "txtai", "haystack"):
            _show(material, [str(args.python), str(HERE / f"{peer}_peer.py"), model, str(folder), most])


def _show(material: Material, command: list[str]) -> None:
    """Run one system and print its line; one that fails says why, and the others go on."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | OFFLINE, check=False)
    if done.returncode:
        print(f"| {Path(command[-4]).stem} | failed: {done.stderr.strip().splitlines()[-1]} |", flush=True)
        return
    print(row(material, Found(**json.loads(done.stdout.splitlines()[-1]))), flush=True)


if __name__ == "__main__":
    main()
