"""Knowing when not to answer: refusals and questions back on the extractive path, without Claude.

    .venv/bin/python -m bench.abstain [--set PATH]... [--work FOLDER] [--fit]

The sample library and data/questions.jsonl are always measured; the weights were never fitted to them. PATH
is a folder with `corpus.jsonl` ({id, title, text}) and `queries.jsonl` of one of two kinds:

- {id, question, history, answerability}, such as MTRAG-UN: whole passages, questions labelled by people;
- {id, question, relevant: [{doc_id, start, end}]}, such as XQuAD: texts are cut at blank lines, and each
  question is asked twice, once with the paragraphs that answer it kept out of the search.

FOLDER keeps indexes and what was found, so that a further run judges the same evidence in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from bench.abstain_report import Measured, print_clarifications, print_fit, print_refusals
from bench.peers.material import read_rows
from bench.retrieval import DATA, Quiet
from ingest.pipeline import Placement
from ingest.report import Report
from ingest.run import add, open_index
from rag.claude import Turn
from rag.documents import Filters, Hit, Reader
from rag.embedding import load_embedder
from rag.extractive import Scorer, choose_quotes
from rag.followups import standalone_by_rule
from rag.reranking import load_reranker
from rag.retrieval import Retriever, Stopwatch
from rag.settings import Settings, load_settings
from rag.store import open_store
from rag.store.files import FileStore
from rag.terminal import err, quiet_libraries

OWN = "sample library"


@dataclass(frozen=True)
class Case:
    """A question, how it is labelled, and the passages that are kept out of its search."""

    id: str
    question: str
    label: str
    corpus: str = ""
    turns: tuple[Turn, ...] = ()
    removed: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Material:
    """Passages by id, each a file of its own, and the questions asked of them."""

    name: str
    passages: dict[str, tuple[str, str]]
    cases: list[Case]


def own_material() -> Material:
    cases = [
        Case(row["id"], row["question"], "ANSWERABLE" if row["answerable"] else "UNANSWERABLE")
        for row in read_rows(DATA / "questions.jsonl")
    ]
    return Material(OWN, {}, cases)


def material_of(folder: Path) -> Material:
    corpus, queries = read_rows(folder / "corpus.jsonl"), read_rows(folder / "queries.jsonl")
    if "answerability" in queries[0]:
        passages = {row["id"]: (row["title"], row["text"]) for row in corpus}
        return Material(folder.name, passages, [_labelled(row) for row in queries])
    passages, places = {}, []
    for row in corpus:
        start = 0
        for paragraph in row["text"].split("\n\n"):
            key = f"{row['id']}@{start}"
            passages[key] = (row["title"], paragraph)
            places.append((row["id"], start, start + len(paragraph), key))
            start += len(paragraph) + 2
    return Material(folder.name, passages, [case for row in queries for case in _both(row, places)])


def _labelled(row: dict[str, Any]) -> Case:
    turns = tuple(
        Turn("user" if said["speaker"] == "user" else "assistant", said["text"]) for said in row["history"]
    )
    return Case(row["id"], row["question"], row["answerability"], row.get("collection", ""), turns)


def _both(row: dict[str, Any], places: Sequence[tuple[str, int, int, str]]) -> Iterator[Case]:
    own = frozenset(
        key
        for document, start, end, key in places
        for proof in row["relevant"]
        if proof["doc_id"] == document and proof["start"] < end and start < proof["end"]
    )
    yield Case(row["id"], row["question"], "ANSWERABLE")
    yield Case(f"{row['id']} (removed)", row["question"], "UNANSWERABLE", removed=own)


async def index(material: Material, folder: Path, settings: Settings) -> dict[str, str]:
    """Ingest the passages unless that was done before; returns the document id of each."""
    numbers = {key: f"{number:05d}.md" for number, key in enumerate(material.passages)}
    files = folder / "passages"
    if not (folder / "indexed").exists():
        files.mkdir(parents=True, exist_ok=True)
        for key, (title, text) in material.passages.items():
            head = f"# {title}\n\n" if title else ""
            (files / numbers[key]).write_text(f"{head}{text.strip()}\n", "utf-8")
        paths = [str(files)] if numbers else [str(DATA / "library")]
        await add(settings, paths, Placement(), Quiet(), Report())
        (folder / "indexed").touch()
    async with open_index(settings) as store:
        ids = {record.name: record.id for record in await store.records() if record.version}
    return {key: ids[name] for key, name in numbers.items() if name in ids}


async def find(material: Material, folder: Path) -> list[Measured]:
    """What retrieval finds for each question, and whether the rule for quotes alone would answer it."""
    kept = folder / "found.jsonl"
    done = {row["id"]: row for row in read_rows(kept)} if kept.exists() else {}
    missing = [case for case in material.cases if case.id not in done]
    if missing:
        settings = load_settings().model_copy(update={"data_dir": folder / "data", "anthropic_api_key": None})
        documents = await index(material, folder, settings)
        with kept.open("a", encoding="utf-8") as out:
            async for row in _found(missing, documents, settings):
                done[row["id"]] = row
                out.write(json.dumps(row) + "\n")
    return [_measured(material.name, case, done[case.id]) for case in material.cases]


async def _found(
    cases: Sequence[Case], documents: dict[str, str], settings: Settings
) -> AsyncIterator[dict[str, Any]]:
    embedder, reranker = load_embedder(settings), load_reranker(settings)
    scorer = Scorer.of(reranker, embedder)
    async with open_store(settings, dimension=embedder.dimension, model=embedder.name) as store:
        retriever = Retriever(settings, store, FileStore(settings), embedder, reranker)
        for case in cases:
            asked = standalone_by_rule(case.question, case.turns)
            others = tuple(id for key, id in documents.items() if key not in case.removed)
            filters = Filters(document_ids=others) if case.removed else Filters()
            found = await retriever.search(asked, Reader(), filters, settings.context_chunks)
            evidence = await retriever.evidence(found.hits, Stopwatch())
            best = max((hit.relevance for hit in found.hits if hit.relevance is not None), default=None)
            quotes = await asyncio.to_thread(choose_quotes, asked, evidence, found.hits, scorer, best)
            hits = [hit.model_dump(mode="json") for hit in found.hits]
            yield {"id": case.id, "asked": asked, "quoted": bool(quotes), "hits": hits}


def _measured(name: str, case: Case, row: dict[str, Any]) -> Measured:
    hits = tuple(Hit.model_validate(hit) for hit in row["hits"])
    earlier = tuple(turn.text for turn in case.turns)
    # Both forms of a question, and all turns of a conversation, fall into one fold.
    group = case.id.removesuffix(" (removed)").partition("<")[0]
    return Measured(
        name, case.corpus, group, case.label, case.question, row["asked"], earlier, hits, row["quoted"]
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", action="append", default=[], type=Path, dest="sets", metavar="PATH")
    parser.add_argument("--work", type=Path, help="keep indexes and what was found here")
    parser.add_argument("--fit", action="store_true", help="fit the weights anew to the sets, and print them")
    given = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as temporary:
        work = given.work or Path(temporary)
        measured: list[Measured] = []
        with err.status("Measuring"):
            for material in (own_material(), *map(material_of, given.sets)):
                folder = work / material.name.replace(" ", "-")
                await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
                measured += await find(material, folder)
    print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.\n"
    )
    print_refusals(measured, fitted=[folder.name for folder in given.sets])
    print_clarifications(measured)
    if given.fit:
        print_fit(measured, [folder.name for folder in given.sets])


if __name__ == "__main__":
    asyncio.run(main())
