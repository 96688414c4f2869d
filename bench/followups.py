"""Follow-up questions: what search finds by the rule's rewrite, against simpler ways to carry the topic over.

    .venv/bin/python -m bench.followups PATH

PATH is a folder with `corpus.jsonl` ({id, title, text}) and `queries.jsonl` ({id, question, history:
[{speaker, text}], relevant: [{doc_id}]}), such as a pool of MTRAG's passages. Passages are ranked in memory
by BM25 and by the built-in embedder, fused by reciprocal rank (k = 60), as the store does it. The
conversations fall into two halves by a hash of their ids: `seen` may be looked at when the rule is changed,
`unseen` is only measured.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import platform
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.material import read_rows
from rag.claude import Turn
from rag.embedding import Embedder, Vectors, load_embedder
from rag.followups import needs_rewriting, standalone_by_rule
from rag.settings import load_settings
from rag.sparse import encode_passage, encode_query
from rag.terminal import err, quiet_libraries

OWN = Path(__file__).resolve().parent.parent / "data" / "followups.jsonl"
DEPTHS = (1, 5, 10)
CANDIDATES = 50
RRF_K = 60


@dataclass(frozen=True)
class Case:
    question: str
    turns: tuple[Turn, ...]
    relevant: frozenset[int]
    half: str

    @property
    def asked(self) -> list[str]:
        return [turn.text for turn in self.turns if turn.role == "user"]

    @property
    def leans(self) -> bool:
        return needs_rewriting(self.question, self.turns)


WAYS: dict[str, Callable[[Case], str]] = {
    "last turn only": lambda case: case.question,
    "last turn + the user turn before": lambda case: " ".join([*case.asked[-1:], case.question]),
    "all user turns": lambda case: " ".join([*case.asked, case.question]),
    "the rule": lambda case: standalone_by_rule(case.question, case.turns),
}


class Index:
    """BM25 and dense vectors of a pool of passages, in memory."""

    def __init__(self, embedder: Embedder, passages: Sequence[str]) -> None:
        self._embedder = embedder
        self._dense = embedder.embed_passages(passages)
        self._postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for number, passage in enumerate(passages):
            vector = encode_passage(passage)
            for term, weight in zip(vector.indices, vector.values, strict=True):
                self._postings[term].append((number, weight))
        self._size = len(passages)

    def ranked(self, question: str) -> list[int]:
        """The numbers of the passages, best first."""
        fused: Counter[int] = Counter()
        for scores in (self._sparse_scores(question), self._dense @ self._embedder.embed_query(question)):
            best = np.argsort(-scores, kind="stable")[:CANDIDATES]
            for rank, number in enumerate(best):
                if scores[number] > 0:
                    fused[int(number)] += 1 / (RRF_K + rank + 1)  # type: ignore[assignment]
        return sorted(fused, key=lambda number: (-fused[number], number))

    def _sparse_scores(self, question: str) -> Vectors:
        scores = np.zeros(self._size, dtype=np.float32)
        for term in encode_query(question).indices:
            found = self._postings.get(term, [])
            idf = math.log(1 + (self._size - len(found) + 0.5) / (len(found) + 0.5))
            for number, weight in found:
                scores[number] += idf * weight
        return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", type=Path, help="folder with corpus.jsonl and queries.jsonl")
    path = parser.parse_args().path
    quiet_libraries()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{date.today()}, {machine}.\n")
    passages, cases = _read(path)
    with err.status("Embedding the passages"):
        index = Index(load_embedder(load_settings()), passages)
    for half in ("seen", "unseen"):
        chosen = [case for case in cases if case.half == half]
        leaning = [case for case in chosen if case.leans]
        print(f"{path.name}, {half} half, {len(passages)} passages:\n")
        print("| searched for | " + " | ".join(_heads(chosen, "all") + _heads(leaning, "follow-ups")) + " |")
        print("|---" * (1 + 2 * (len(DEPTHS) + 1)) + "|")
        for name, way in WAYS.items():
            cells = [*_measured(index, chosen, way), *_measured(index, leaning, way)]
            print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in cells) + " |", flush=True)
        print()
    _print_own_cases()


def _heads(cases: Sequence[Case], name: str) -> list[str]:
    return [f"{name} ({len(cases)}): recall@1", *(f"@{depth}" for depth in DEPTHS[1:]), "MRR"]


def _measured(index: Index, cases: Sequence[Case], way: Callable[[Case], str]) -> list[float]:
    """Recall at each depth, as the share of a question's passages found, and the mean reciprocal rank."""
    recalls = dict.fromkeys(DEPTHS, 0.0)
    reciprocal = 0.0
    for case in cases:
        ranked = index.ranked(way(case))
        for depth in DEPTHS:
            recalls[depth] += len(case.relevant.intersection(ranked[:depth])) / len(case.relevant)
        first = next((rank for rank, number in enumerate(ranked) if number in case.relevant), None)
        reciprocal += 0.0 if first is None else 1 / (first + 1)
    return [value / len(cases) for value in (*recalls.values(), reciprocal)]


def own_cases() -> list[dict[str, Any]]:
    """The project's own cases: history, question, and the terms that its rewrite must and must not hold.

    A case without terms stands alone and must be left as it is.
    """
    return read_rows(OWN)


def _print_own_cases() -> None:
    lines = own_cases()
    print("| data/followups.jsonl | cases | follow-ups recognised | others left alone | terms carried over |")
    print("|---|---|---|---|---|")
    for split in ("dev", "test"):
        chosen = [line for line in lines if line["split"] == split]
        follow = [line for line in chosen if line["must_contain"]]
        alone = [line for line in chosen if not line["must_contain"]]
        recognised = sum(needs_rewriting(line["question"], turns_of(line)) for line in follow)
        left = sum(standalone_by_rule(line["question"], turns_of(line)) == line["question"] for line in alone)
        carried = sum(holds_all(line) for line in follow)
        print(
            f"| {split} | {len(chosen)} | {recognised} of {len(follow)} | {left} of {len(alone)} | "
            f"{carried} of {len(follow)} |"
        )


def turns_of(line: dict[str, Any]) -> list[Turn]:
    return [Turn(turn["role"], turn["text"]) for turn in line["history"]]


def holds_all(line: dict[str, Any]) -> bool:
    """Whether the rule's rewrite holds every term that it must, and none that it must not."""
    rewritten = standalone_by_rule(line["question"], turns_of(line)).lower()
    return all(term.lower() in rewritten for term in line["must_contain"]) and not any(
        term.lower() in rewritten for term in line.get("must_not_contain", [])
    )


def _read(path: Path) -> tuple[list[str], list[Case]]:
    corpus = read_rows(path / "corpus.jsonl")
    numbers = {passage["id"]: number for number, passage in enumerate(corpus)}
    cases = []
    for query in read_rows(path / "queries.jsonl"):
        relevant = frozenset(numbers[proof["doc_id"]] for proof in query["relevant"])
        if not relevant or not query["history"] or query.get("answerability", "ANSWERABLE") != "ANSWERABLE":
            continue
        turns = tuple(
            Turn("user" if turn["speaker"] == "user" else "assistant", turn["text"])
            for turn in query["history"]
        )
        conversation = query["id"].split("<::>")[0]
        half = ("seen", "unseen")[int(hashlib.sha256(conversation.encode()).hexdigest(), 16) % 2]
        cases.append(Case(query["question"], turns, relevant, half))
    return [f"{passage['title']}\n{passage['text']}" for passage in corpus], cases


if __name__ == "__main__":
    main()
