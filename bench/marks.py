"""How many passages of the stored text are found on the picture of their page.

    .venv/bin/python -m bench.marks [FILE.pdf ...]

Passages are the sentences of the stored text, drawn at random from each file. The peer is the plain way: the
passage is looked for in PDFium's text as it stands, with every run of blanks taken for one.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ingest.parsing import parse
from rag.parsed import ParsedDocument
from rag.pictures.marks import Letters, find_marks
from rag.pictures.pictures import letters_of
from rag.pictures.process import Workers

LIBRARY = Path(__file__).resolve().parent.parent / "data" / "library"
PASSAGES = 400
SENTENCE = re.compile(r"\S[^.!?\n]{15,}[.!?\n]")


@dataclass
class Row:
    """What came of the passages of one file."""

    name: str
    passages: int = 0
    plain: int = 0
    exact: int = 0
    found: int = 0
    ms: list[float] = field(default_factory=list)

    def line(self) -> str:
        shares = [f"{part / self.passages:.3f}" for part in (self.plain, self.exact, self.found)]
        return f"| {self.name} | {self.passages} | {' | '.join(shares)} | {statistics.median(self.ms):.1f} |"


def passages(parsed: ParsedDocument, seed: int) -> list[tuple[int, int]]:
    """Ranges of sentences, whole: one that runs on to the next page counts by its part on its first one."""
    ranges = [match.span() for match in SENTENCE.finditer(parsed.text)]
    random.Random(seed).shuffle(ranges)
    return ranges[:PASSAGES]


def readable(names: Sequence[str]) -> list[Path]:
    """The files of these names, or those of the library; one that is missing ends the program."""
    paths = [Path(name) for name in names] or sorted(LIBRARY.glob("*.pdf"))
    for path in paths:
        if not path.is_file() or path.suffix.lower() != ".pdf":
            sys.exit(f"{path}: not a PDF file")
    return paths


async def measure(path: Path, workers: Workers) -> Row:
    parsed = parse(path, name=path.name)
    row = Row(path.name)
    read: dict[int, Letters] = {}

    async def load() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    for start, end in passages(parsed, seed=1):
        number = parsed.page_at(start)
        page = next(one for one in parsed.pages if one.number == number)
        if page.number not in read:
            _, made = await workers.ask(path.name, load, {"do": "read", "page": page.number})
            read[page.number] = letters_of(made)
        letters = read[page.number]
        begun = time.perf_counter()
        text = parsed.text[page.start : page.end]
        marks = find_marks(letters, page.number, text, start - page.start, min(end, page.end) - page.start)
        row.ms.append((time.perf_counter() - begun) * 1000)
        row.passages += 1
        row.plain += plainly_there(letters, parsed.text[start : min(end, page.end)])
        row.exact += marks.exact
        row.found += bool(marks.rectangles)
    return row


def plainly_there(letters: Letters, words: str) -> bool:
    shown = "".join(map(chr, letters.codes))
    return " ".join(words.split()) in " ".join(shown.split())


async def run(paths: list[Path]) -> None:
    print(f"{date.today()}. Up to {PASSAGES} sentences of each file.\n")
    print("| file | passages | found plainly (peer) | found exactly | marked at all | median ms |")
    print("|---|---|---|---|---|---|")
    workers = Workers(count=1)
    whole = Row("all")
    for path in paths:
        row = await measure(path, workers)
        print(row.line(), flush=True)
        for name in ("passages", "plain", "exact", "found"):
            setattr(whole, name, getattr(whole, name) + getattr(row, name))
        whole.ms += row.ms
    print(whole.line())
    await workers.close()


def main() -> None:
    asyncio.run(run(readable(sys.argv[1:])))


if __name__ == "__main__":
    main()
