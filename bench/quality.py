"""Sets of texts and questions through the two commands of the product: `ingest add`, then `rag eval`.

    make bench-quality [SETS="FOLDER..."]

Without SETS, by our own two (`bench.sets`). A folder has `corpus.jsonl` ({id, title, text}) and
`queries.jsonl`, whose lines `rag eval` takes as they are. Each text becomes a file: by the ending of its id
where that is a format Citebox reads, else `.md` where it has headings of Markdown, else `.txt`. What the
settings say (RAG_CHUNK_TOKENS and so on) holds.

With `--paragraphs` the paragraph of each proof (`para_start`, `para_end`, as XQuAD's lines have them) becomes
a document of its own, and is what has to be found.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.peers.material import evenly, read_rows
from ingest.parsing import SUPPORTED, parse_bytes
from ingest.parsing.formats import extension_of
from rag.evaluation.kept import ANSWERED
from rag.evaluation.metrics import ANSWERS, RETRIEVAL
from rag.settings import load_settings

Rows = list[dict[str, Any]]
BIN = Path(sys.executable).parent
SHOWN = ("recall@1", "recall@3", "recall@5", "recall@10", "mrr@10", "span-recall", "span-precision", "ms")
QUOTED = ("citation-recall", "citation-precision", "f1", "ms")
"""Of the answers, which are quoted sentences, as no key is passed on."""
_LETTER = re.compile(r"[^\W_]")
_HEADING = re.compile(r"^#{1,4} \S", re.MULTILINE)
assert set(SHOWN) <= set(RETRIEVAL)
assert set(QUOTED) <= set(ANSWERS)


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__.splitlines()[0])
    asked.add_argument("sets", type=Path, nargs="+", metavar="FOLDER")
    asked.add_argument(
        "--questions", type=int, default=300, help="at most, evenly taken (default: %(default)s)"
    )
    asked.add_argument(
        "--only", action="append", metavar="NAME", help="a configuration of rag eval; repeatable"
    )
    asked.add_argument(
        "--paragraphs", action="store_true", help="paragraphs as documents, and as what to find"
    )
    args = asked.parse_args()
    if load_settings().qdrant_url:
        sys.exit("this fills the index of RAG_QDRANT_URL with what is measured: unset it first")
    print(f"| set | search | {' | '.join(SHOWN)} |\n|---|---{'|---' * len(SHOWN)}|", flush=True)
    quoted = []
    for folder in args.sets:
        texts, rows = _material(folder)
        if args.paragraphs:
            texts, rows = _by_paragraph(texts, rows)
        rows = evenly(rows, args.questions)
        with tempfile.TemporaryDirectory(prefix="citebox-bench-") as place:
            quoted.append(_measure(folder.name, texts, rows, Path(place), args.only or []))
    print(f"\n| quoted sentences | {' | '.join(QUOTED)} |\n|---{'|---' * len(QUOTED)}|")
    print("\n".join(quoted))


def _material(folder: Path) -> tuple[dict[str, str], Rows]:
    texts = {row["id"]: row["text"] for row in read_rows(folder / "corpus.jsonl")}
    return texts, [row for row in read_rows(folder / "queries.jsonl") if row.get("relevant")]


def _by_paragraph(texts: dict[str, str], rows: Rows) -> tuple[dict[str, str], Rows]:
    """Each paragraph that holds a proof as a text, and as the whole of what its question wants."""
    paragraphs, asked = {}, []
    for row in rows:
        wanted = []
        for proof in row["relevant"]:
            start, end = proof["para_start"], proof["para_end"]
            paragraphs[f"{proof['doc_id']} {start}"] = texts[proof["doc_id"]][start:end]
            wanted.append({"doc_id": f"{proof['doc_id']} {start}"})
        asked.append(row | {"relevant": wanted})
    return paragraphs, asked


def _measure(title: str, texts: dict[str, str], rows: Rows, place: Path, only: list[str]) -> str:
    """Print the rows of one set; the row of its answers."""
    library = place / "library"
    library.mkdir()
    questions = place / "questions.jsonl"
    names = _write(library, texts)
    with questions.open("w", encoding="utf-8") as file:
        for row in rows:
            proofs = [
                _placed(proof, texts[proof["doc_id"]], names[proof["doc_id"]]) for proof in row["relevant"]
            ]
            file.write(json.dumps(row | {"relevant": proofs}) + "\n")
    environment = os.environ | {"RAG_DATA_DIR": str(place / "data")}
    environment.pop("ANTHROPIC_API_KEY", None)
    added = _run([str(BIN / "ingest"), "add", str(library), "--json"], environment)
    if added["failed"]:
        print(f"{title}: {len(added['failed'])} of {len(names)} texts not ingested", flush=True)
    chosen = [word for name in only for word in ("--only", name)]
    measured = _run([str(BIN / "rag"), "eval", str(questions), "--answers", "--json", *chosen], environment)
    if bad := measured["about"]["bad_lines"]:
        print(f"{title}: {len(bad)} of {len(rows)} questions could not be used", flush=True)
    answers = measured["figures"].pop(ANSWERED)
    for name, figures in measured["figures"].items():
        print(f"| {title} | {name} | {_cells(figures, SHOWN)} |", flush=True)
    return f"| {title} | {_cells(answers, QUOTED)} |"


def _run(command: list[str], environment: dict[str, str]) -> Any:
    """What a command prints as JSON; its exit code is 1 when single files or lines failed, which it names."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode > 1:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def _write(library: Path, texts: dict[str, str]) -> dict[str, str]:
    """A file for each text; their names by the ids of the texts."""
    names = {}
    for number, (id, text) in enumerate(texts.items()):
        ending = extension_of(id)
        if ending not in SUPPORTED:
            ending = ".md" if _HEADING.search(text) else ".txt"
        names[id] = f"{number:05d}{ending}"
        (library / names[id]).write_text(text, "utf-8")
    return names


def _placed(proof: dict[str, Any], text: str, name: str) -> dict[str, Any]:
    """A proof where it stands in the stored text, which has the letters of the original and not its marks."""
    if proof.get("start") is None:
        return {"doc_id": name}
    stored = parse_bytes(text.encode(), name).text
    places = [match.start() for match in _LETTER.finditer(stored)]
    original = text[proof["start"] : proof["end"]]
    before = len(_LETTER.findall(text[: proof["start"]]))
    letters = "".join(_LETTER.findall(stored))
    # Tags, the targets of links and the language of a fence are letters too, which are not stored.
    for said in (original, parse_bytes(original.encode(), name).text):
        wanted = "".join(_LETTER.findall(said))
        if found := [match.start() for match in re.finditer(re.escape(wanted), letters)] if wanted else []:
            break
    else:  # named by rag eval as what cannot be used
        return {"doc_id": name, "quote": original}
    first = min(found, key=lambda at: abs(at - before))
    return {"doc_id": name, "start": places[first], "end": places[first + len(wanted) - 1] + 1}


def _cells(figures: dict[str, Any], shown: Sequence[str]) -> str:
    means = [figures[each]["mean"] if each in figures else None for each in shown]
    return " | ".join("" if mean is None else f"{mean:.0f}" if mean >= 2 else f"{mean:.3f}" for mean in means)


if __name__ == "__main__":
    main()
