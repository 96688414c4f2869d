"""What questions ask for, told by rules: accuracy on the labelled questions of data/routing.jsonl.

    .venv/bin/python -m bench.routing

The rules were fitted on the dev part. The test part was written when the rules were done, and is only
measured: whoever changes a rule because of a test question moves that part to dev and writes another. The
peer is the answer 'lookup' to everything: no routing at all.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import get_args

from rag.intent import classify
from rag.intent_rules import IntentKind

QUESTIONS = Path(__file__).resolve().parent.parent / "data" / "routing.jsonl"
KINDS: tuple[IntentKind, ...] = get_args(IntentKind)


@dataclass(frozen=True)
class Case:
    """One labelled question; a trap uses words of another intent than its own."""

    id: str
    question: str
    intent: IntentKind
    split: str
    language: str
    trap: bool


def cases(split: str) -> list[Case]:
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    return [case for case in (Case(**json.loads(line)) for line in lines) if case.split == split]


def accuracy(chosen: Sequence[Case]) -> float:
    return sum(classify(case.question).kind == case.intent for case in chosen) / len(chosen)


def main() -> None:
    print(f"{date.today()}. Whole: a lookup or not, which decides the model.\n")
    for split in ("dev", "test"):
        _report(split, cases(split))
    wrong = [case for case in cases("test") if classify(case.question).kind != case.intent]
    print(f"Misrouted in the test part ({len(wrong)}):")
    for case in wrong:
        found = classify(case.question)
        print(f"- {case.intent} -> {found.kind} ({found.rule}): {case.question}")


def _report(split: str, chosen: Sequence[Case]) -> None:
    started = time.perf_counter()
    found = [classify(case.question) for case in chosen]
    spent = (time.perf_counter() - started) * 1000 / len(chosen)
    whole = statistics.fmean(
        one.whole_documents == (case.intent != "lookup") for one, case in zip(found, chosen, strict=True)
    )
    peer = statistics.fmean(case.intent == "lookup" for case in chosen)
    print(
        f"### {split}: {len(chosen)} questions, accuracy {accuracy(chosen):.3f}, whole {whole:.3f}, ", end=""
    )
    print(f"peer {peer:.3f}; {spent:.2f} ms a question\n")
    for name, part in _parts(chosen).items():
        print(f"{name}: {accuracy(part):.3f} of {len(part)}. ", end="")
    print("\n\n| asked for | precision | recall | " + " | ".join(f"as {kind}" for kind in KINDS) + " |")
    print("|---" * (3 + len(KINDS)) + "|")
    pairs = Counter((case.intent, one.kind) for case, one in zip(chosen, found, strict=True))
    for kind in KINDS:
        right = pairs[kind, kind]
        precision = right / (sum(pairs[other, kind] for other in KINDS) or 1)
        recall = right / (sum(pairs[kind, other] for other in KINDS) or 1)
        row = " | ".join(str(pairs[kind, other]) for other in KINDS)
        print(f"| {kind} | {precision:.3f} | {recall:.3f} | {row} |")
    print()


def _parts(chosen: Sequence[Case]) -> dict[str, list[Case]]:
    parts = {
        f"Language {code}": [c for c in chosen if c.language == code] for code in ("en", "de", "fr", "es")
    }
    return {**parts, "Traps": [c for c in chosen if c.trap]}


if __name__ == "__main__":
    main()
