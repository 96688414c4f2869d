"""txtai as its documentation does hybrid search: paragraphs in, dense and BM25 by `hybrid=True`."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

from material import DEPTH, Span, load, measure
from txtai import Embeddings


def main(model: str, folder: str, most: str) -> None:
    material = load(Path(folder), int(most))
    embeddings = Embeddings(path=model, hybrid=True)
    spans: list[Span] = []

    def ingest() -> int:
        texts = []
        for name, (_, text) in material.texts.items():
            for match in re.finditer(r"\S[^\n]*(?:\n(?!\s*\n)[^\n]*)*", text):
                spans.append((name, *match.span()))
                texts.append(match.group())
        embeddings.index(texts)
        return len(spans)

    def search(question: str) -> list[Span]:
        return [spans[number] for number, _ in embeddings.search(question, DEPTH)]

    measure("txtai", version("txtai"), "hybrid", material, ingest, search)


if __name__ == "__main__":
    main(*sys.argv[1:])
