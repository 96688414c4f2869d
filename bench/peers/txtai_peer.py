"""txtai as its documentation does hybrid search: paragraphs in, dense and BM25 by `hybrid=True`; and with its
reranker, over three times as many as are asked for, which wants the texts in the index (`content=True`)."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

from material import DEPTH, Search, Span, load, measure
from transformers import pipeline
from txtai import Embeddings
from txtai.pipeline import Reranker, Similarity

FACTOR = 3
"""Candidates for each hit: thirty, what the reranker of its examples reads (three hits, a factor of ten)."""


def main(model: str, reranker: str, folder: str, most: str) -> None:
    material = load(Path(folder), int(most))
    embeddings = Embeddings(path=model, hybrid=True, content=True)
    spans: list[Span] = []

    def ingest() -> int:
        texts = []
        for name, (_, text) in material.texts.items():
            for match in re.finditer(r"\S[^\n]*(?:\n(?!\s*\n)[^\n]*)*", text):
                spans.append((name, *match.span()))
                texts.append(match.group())
        embeddings.index(texts)
        return len(spans)

    def hybrid() -> Search:
        return lambda question: [spans[int(row["id"])] for row in embeddings.search(question, DEPTH)]

    def reranked() -> Search:
        # By itself it does not shorten what is longer than the model reads, and ends at the first such text.
        reads = pipeline("text-classification", model=reranker, truncation=True)
        rerank = Reranker(embeddings, Similarity(model=reads, crossencode=True))
        return lambda question: [spans[int(row["id"])] for row in rerank(question, DEPTH, FACTOR)]

    searches = {"hybrid": hybrid, "hybrid, reranked": reranked}
    measure("txtai", version("txtai"), material, ingest, searches)


if __name__ == "__main__":
    main(*sys.argv[1:])
