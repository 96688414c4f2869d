"""Haystack as its hybrid tutorial: split by words, dense and BM25 in memory, joined by reciprocal rank."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)
from material import DEPTH, Span, load, measure


def main(model: str, folder: str, most: str) -> None:
    material = load(Path(folder), int(most))
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    splitter = DocumentSplitter(split_by="word", split_length=200)
    embed, asked = (
        SentenceTransformersDocumentEmbedder(model=model),
        SentenceTransformersTextEmbedder(model=model),
    )
    for component in (splitter, embed, asked):
        component.warm_up()
    near = InMemoryEmbeddingRetriever(store, top_k=DEPTH)
    said = InMemoryBM25Retriever(store, top_k=DEPTH)
    joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=DEPTH)

    def ingest() -> int:
        texts = [
            Document(content=text, meta={"name": name, "title": title})
            for name, (title, text) in material.texts.items()
        ]
        return store.write_documents(embed.run(splitter.run(texts)["documents"])["documents"])

    def search(question: str) -> list[Span]:
        vector = asked.run(question)["embedding"]
        lists = [near.run(vector)["documents"], said.run(question)["documents"]]
        found = joiner.run(lists)["documents"]
        return [(hit.meta["name"], _start(hit), _start(hit) + len(hit.content)) for hit in found]

    measure("haystack-ai", version("haystack-ai"), "hybrid", material, ingest, search)


def _start(hit: Document) -> int:
    return hit.meta["split_idx_start"]


if __name__ == "__main__":
    main(*sys.argv[1:])
