"""A set of questions that name what they ask about, made of the Python files of another set.

    make bench-names [SET=FOLDER]

Each function or class (by Python's own `ast`) that is defined once in the set and used in at least two other
places is asked for in five ways, in turn; the line that defines it is the proof. The set is put into
`var/sets/names` and measured as every other (`bench.quality`).
"""

from __future__ import annotations

import ast
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.peers.material import evenly, read_rows, write_rows

QUESTIONS = 300
FORMS = (
    "What does {name} do?",
    "How does {name} work?",
    "Explain what {name} is responsible for.",
    "Describe the {name} {kind} in one sentence.",
    "Which arguments are passed to {name}, and what comes back?",
)
USES = 3
"""At least, the definition among them."""
_WORD = re.compile(r"[A-Za-z_]\w*")


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python -m bench.names FOLDER TARGET")
    source, target = map(Path, sys.argv[1:])
    texts = read_rows(source / "corpus.jsonl")
    used = Counter(word for row in texts for word in _WORD.findall(row["text"]))
    found = [one for row in texts for one in _definitions(row)]
    times = Counter(name for name, *_ in found)
    asked = [one for one in found if times[one[0]] == 1 and used[one[0]] >= USES and len(one[0]) > 2]
    random.Random(1).shuffle(asked)
    asked = evenly(asked, QUESTIONS)
    if not asked:
        sys.exit(f"{source}: no Python in it that defines anything")
    target.mkdir(parents=True, exist_ok=True)
    write_rows(target / "corpus.jsonl", texts)
    write_rows(target / "queries.jsonl", [_question(number, *one) for number, one in enumerate(asked)])
    print(f"{len(asked)} questions in {target}")


def _definitions(row: dict[str, Any]) -> Iterator[tuple[str, str, str, int, int]]:
    """Name, kind, text and place of what a text defines; nothing of what is no Python."""
    try:
        tree = ast.parse(row["text"])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    if "\r" in row["text"]:  # which ends a line for Python and not here
        return
    lines = row["text"].split("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            start = sum(len(line) + 1 for line in lines[: node.lineno - 1])
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            yield node.name, kind, row["id"], start, start + len(lines[node.lineno - 1])


def _question(number: int, name: str, kind: str, text: str, start: int, end: int) -> dict[str, Any]:
    return {
        "id": f"name-{number}",
        "question": FORMS[number % len(FORMS)].format(name=name, kind=kind),
        "relevant": [{"doc_id": text, "start": start, "end": end}],
    }


if __name__ == "__main__":
    main()
