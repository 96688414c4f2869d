"""Does the check of sentences find those that their citation does not support?

    .venv/bin/python -m bench.grounding          # the tables
    .venv/bin/python -m bench.grounding --fit    # the weights of rag/support.py, fitted on the dev half

`data/grounding.jsonl`: sentences with the text they cite, true paraphrases and others with a planted error.
Dev and test are split by document. The peers, cosine and shared words, get the threshold that is best on dev.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.embedding import Embedder, load_embedder
from rag.reranking import load_reranker
from rag.settings import load_settings
from rag.sparse import terms
from rag.support import FALSE_FACT, THRESHOLD, SupportChecker
from rag.support_signals import Signals
from rag.terminal import quiet_libraries

DATA = Path(__file__).resolve().parent.parent / "data" / "grounding.jsonl"
ERRORS = ("number", "unit", "name", "negation", "scope", "swap", "added")
SUPPORTING = ("similarity", "relevance")
L2 = 0.01
STEPS = 5000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    id: str
    split: str
    sentence: str
    cited: tuple[str, ...]
    supported: bool
    error: str | None

    @property
    def document(self) -> str:
        return self.id.rsplit("-", 1)[0]

    @property
    def misattributed(self) -> bool:
        """A true sentence with the wrong passage, which is labelled 'added'."""
        return self.id.rsplit("-", 1)[1].startswith("m")


@dataclass(frozen=True)
class Verdicts:
    """A method's scores, its threshold, and what it took."""

    name: str
    scores: list[float]
    threshold: float
    ms: list[float]


def load_cases() -> list[Case]:
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    return [Case(**{**row, "cited": tuple(row["cited"])}) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="print the weights fitted on the dev half")
    parser.add_argument("--errors", action="store_true", help="print the mistakes on the dev half")
    options = parser.parse_args()
    quiet_libraries()
    settings = load_settings()
    embedder, reranker = load_embedder(settings), load_reranker(settings)
    cases = load_cases()
    full, light = SupportChecker(reranker, embedder), SupportChecker(None, embedder)
    if options.fit:
        _print_weights([case for case in cases if case.split == "dev"], full, light)
        return
    methods = [
        _run("check with cross-encoder", cases, lambda case: full.score(case.sentence, case.cited)[0]),
        _run("check without it", cases, lambda case: light.score(case.sentence, case.cited)[0]),
        _peer("peer: cosine alone", cases, lambda case: _cosine(embedder, case)),
        _peer("peer: shared words alone", cases, _overlap),
    ]
    if options.errors:
        _print_mistakes(cases, methods[0], full)
        return
    print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}."
    )
    for split in ("dev", "test"):
        _print_tables(split, cases, methods)


def _print_tables(split: str, cases: Sequence[Case], methods: Sequence[Verdicts]) -> None:
    rows = [i for i, case in enumerate(cases) if case.split == split]
    bad = [i for i in rows if not cases[i].supported]
    good = [i for i in rows if cases[i].supported]
    print(f"\n{split}: {len(bad)} unsupported and {len(good)} supported sentences\n")
    print("| method | precision | recall | F1 | false alarms | median ms | p95 ms |")
    print("|---|---|---|---|---|---|---|")
    for method in methods:
        hit = sum(method.scores[i] < method.threshold for i in bad)
        alarm = sum(method.scores[i] < method.threshold for i in good)
        precision, recall = hit / max(1, hit + alarm), hit / len(bad)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        spent = sorted(method.ms[i] for i in rows)
        times = f"{statistics.median(spent):.1f} | {spent[int(len(spent) * 0.95)]:.1f}"
        cells = " | ".join(f"{value:.3f}" for value in (precision, recall, f1, alarm / len(good)))
        print(f"| {method.name} | {cells} | {times} |")
    kinds = [(e, [i for i in bad if cases[i].error == e and not cases[i].misattributed]) for e in ERRORS]
    kinds.append(("wrong passage", [i for i in bad if cases[i].misattributed]))
    print("\n| found, by error | " + " | ".join(f"{kind} ({len(of)})" for kind, of in kinds) + " |")
    print("|---" * (len(kinds) + 1) + "|")
    for method in methods:
        shares = [sum(method.scores[i] < method.threshold for i in of) / len(of) for _, of in kinds]
        print(f"| {method.name} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")


def _run(name: str, cases: Sequence[Case], score: Callable[[Case], float]) -> Verdicts:
    score(cases[0])
    scores, spent = [], []
    for case in cases:
        began = time.perf_counter()
        scores.append(score(case))
        spent.append((time.perf_counter() - began) * 1000)
    return Verdicts(name, scores, THRESHOLD, spent)


def _peer(name: str, cases: Sequence[Case], score: Callable[[Case], float]) -> Verdicts:
    """A score with the threshold at which F1 is best on the dev half."""
    verdicts = _run(name, cases, score)
    dev = [(s, case.supported) for s, case in zip(verdicts.scores, cases, strict=True) if case.split == "dev"]
    best = max({s for s, _ in dev}, key=lambda threshold: _f1(dev, threshold))
    return Verdicts(name, verdicts.scores, best, verdicts.ms)


def _f1(scored: Sequence[tuple[float, bool]], threshold: float) -> float:
    hit = sum(score < threshold and not good for score, good in scored)
    wrong = sum((score < threshold) == good for score, good in scored)
    return 2 * hit / (2 * hit + wrong) if hit else 0.0


def _cosine(embedder: Embedder, case: Case) -> float:
    vectors = embedder.embed_passages([case.sentence, "\n".join(case.cited)])
    return float(vectors[0] @ vectors[1])


def _overlap(case: Case) -> float:
    own = set(terms(case.sentence))
    return len(own & set(terms(" ".join(case.cited)))) / max(1, len(own))


def _print_weights(dev: Sequence[Case], full: SupportChecker, light: SupportChecker) -> None:
    columns = []
    for checker, without in ((full, ()), (light, ("relevance",))):
        names = [name for name in Signals.__dataclass_fields__ if name not in without]
        seen = [checker.compare(case.sentence, case.cited) for case in dev]
        rows = np.array([[one.signals.values[name] for name in names] for one in seen])
        good = np.array([float(case.supported) for case in dev])
        sure = np.array([bool(one.false_facts) for one in seen])
        fitted = _fit(rows, good, _signs(names))
        columns.append(dict(zip(["intercept", *names], fitted, strict=True)))
        print(f"# left out one document at a time: F1 {_left_out(dev, rows, good, sure, names):.3f}")
    print(f"INTERCEPT = {{True: {columns[0]['intercept']:.2f}, False: {columns[1]['intercept']:.2f}}}")
    print("WEIGHTS = {")
    for name in Signals.__dataclass_fields__:
        print(f'    "{name}": ({columns[0][name] + 0:.2f}, {columns[1].get(name, 0.0) + 0:.2f}),')
    print("}")


def _left_out(dev: Sequence[Case], rows: Floats, good: Floats, sure: Floats, names: Sequence[str]) -> float:
    """F1 on dev, each document scored by weights fitted on the others: spares the test half."""
    scores = np.zeros(len(dev))
    for document in {case.document for case in dev}:
        held = np.array([case.document == document for case in dev])
        weights = _fit(rows[~held], good[~held], _signs(names))
        scores[held] = _sigmoid(weights[0] + rows[held] @ weights[1:])
    scores[sure] = np.minimum(scores[sure], FALSE_FACT)
    return _f1([(float(score), bool(label)) for score, label in zip(scores, good, strict=True)], THRESHOLD)


def _signs(names: Sequence[str]) -> Floats:
    return np.array([1.0 if name in SUPPORTING else -1.0 for name in names])


def _fit(rows: Floats, good: Floats, signs: Floats) -> Floats:
    """Logistic regression by projected gradient; a weight of the wrong sign is held at 0.

    Without that, the set's own habit is learnt, not the meaning: planted errors are near copies, so a
    strange word would count in a sentence's favour.
    """
    scale = rows.std(axis=0) + 1e-9
    table = np.column_stack([np.ones(len(rows)), rows / scale])
    weights = np.zeros(table.shape[1])
    step = 1 / (np.linalg.norm(table, 2) ** 2 / 4 / len(good) + L2)
    for _ in range(STEPS):
        slope = table.T @ (_sigmoid(table @ weights) - good) / len(good)
        slope[1:] += L2 * weights[1:]
        weights -= step * slope
        weights[1:] = np.where(weights[1:] * signs < 0, 0.0, weights[1:])
    fitted: Floats = np.concatenate([weights[:1], weights[1:] / scale])
    return fitted


def _sigmoid(values: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-values))
    return result


def _print_mistakes(cases: Sequence[Case], method: Verdicts, checker: SupportChecker) -> None:
    for case, score in zip(cases, method.scores, strict=True):
        if case.split == "dev" and (score < THRESHOLD) == case.supported:
            reason = checker.score(case.sentence, case.cited)[1]
            print(f"{score:.2f} {case.error}: {case.sentence}\n    {' | '.join(case.cited)}\n    {reason}")


if __name__ == "__main__":
    main()
