"""A set of texts and questions, and how well what was found holds the proofs. Only the standard library:
peers read it in environments of their own."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

DEPTH = 10
T = TypeVar("T")

Span = tuple[str, int, int]
"""Document, start and end in its text."""
Search = Callable[[str], list[Span]]


@dataclass(frozen=True)
class Question:
    text: str
    proofs: tuple[Span, ...]


@dataclass(frozen=True)
class Material:
    """Texts by id with their titles, and the questions that they answer."""

    texts: dict[str, tuple[str, str]]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Found:
    """What one system did; hits and milliseconds are by question."""

    name: str
    version: str
    setting: str
    chunks: int
    ingest_seconds: float
    peak_mb: float
    hits: list[list[Span]]
    milliseconds: list[float]


def load(folder: Path, most: int) -> Material:
    """The set in a folder; of its questions every n-th, `most` in all."""
    texts = {row["id"]: (row["title"], row["text"]) for row in read_rows(folder / "corpus.jsonl")}
    questions = []
    for row in read_rows(folder / "queries.jsonl"):
        places = [
            (each["doc_id"], each.get("start") or 0, each.get("end") or len(texts[each["doc_id"]][1]))
            for each in row["relevant"]
        ]
        if places and not row.get("history"):
            questions.append(Question(row["question"], tuple(places)))
    return Material(texts, tuple(evenly(questions, most)))


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many, taken from all over."""
    count = min(most, len(items))
    return [items[at * len(items) // count] for at in range(count)]


def measure(
    name: str,
    version: str,
    material: Material,
    ingest: Callable[[], int],
    searches: Mapping[str, Callable[[], Search]],
) -> None:
    """Time one ingest and each search over it, and print what was found, as JSON.

    `ingest` gives the number of chunks. A search is made when its turn comes, so that the memory of the
    first is not that of a reranker.
    """
    started = time.perf_counter()
    chunks = ingest()
    seconds = time.perf_counter() - started
    for setting, make in searches.items():
        search = make()
        search("a question to warm up with")
        hits, milliseconds = [], []
        for question in material.questions:
            started = time.perf_counter()
            hits.append(search(question.text)[:DEPTH])
            milliseconds.append((time.perf_counter() - started) * 1000)
        emit(Found(name, version, setting, chunks, seconds, peak_mb(), hits, milliseconds))


def peak_mb() -> float:
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def emit(found: Found) -> None:
    """Hand what was found in one setting to the process that asked for it, as a line of its own."""
    print(json.dumps(asdict(found)), flush=True)


def emitted(printed: str) -> list[Found]:
    """What a process handed over, among whatever else its libraries printed."""
    lines = [line for line in printed.splitlines() if line.startswith('{"name": ')]
    return [Found(**json.loads(line)) for line in lines]


def row(material: Material, found: Found) -> str:
    """One line of the table. Recall is the share of the proofs' characters that the first k hits hold.

    It comes cheap to hits that are long, so the characters of the first three are told beside it.
    """
    recalls = [recall_at(depth, material, found) for depth in (3, DEPTH)]
    read = statistics.mean(sum(end - start for _, start, end in hits[:3]) for hits in found.hits)
    spent = sorted(found.milliseconds)
    cells = (
        f"{found.name} {found.version}",
        found.setting,
        str(found.chunks),
        *(f"{recall:.3f}" for recall in recalls),
        f"{read:.0f}",
        f"{statistics.median(spent):.0f}",
        f"{spent[int(len(spent) * 0.95)]:.0f}",
        f"{found.ingest_seconds:.0f}",
        f"{found.peak_mb:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def recall_at(depth: int, material: Material, found: Found) -> float:
    """The mean share of the proofs' characters that the first `depth` hits hold."""
    return statistics.mean(
        _share(question.proofs, hits[:depth])
        for question, hits in zip(material.questions, found.hits, strict=True)
    )


def _share(proofs: Sequence[Span], hits: Sequence[Span]) -> float:
    held = wanted = 0
    for document, start, end in proofs:
        wanted += end - start
        cuts = sorted(
            (max(start, first), min(end, last))
            for other, first, last in hits
            if other == document and first < end and last > start
        )
        reached = start
        for first, last in cuts:
            held += max(0, last - max(first, reached))
            reached = max(reached, last)
    return held / wanted


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a set's file; a folder that is no set ends the program."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}; a set is a folder with corpus.jsonl and queries.jsonl")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """The file of a set: all of it or nothing."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    part.replace(path)
