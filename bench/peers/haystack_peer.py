"""Haystack as its hybrid tutorial: split by words, dense and BM25 in memory, joined; by reciprocal rank, or
with its ranker over all that both have found."""

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
from haystack_integrations.components.rankers.sentence_transformers import (
    SentenceTransformersSimilarityRanker,
)
from material import DEPTH, Search, Span, load, measure


def main(model: str, reranker: str, folder: str, most: str) -> None:
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

    def ingest() -> int:
        texts = [
            Document(content=text, meta={"name": name, "title": title})
            for name, (title, text) in material.texts.items()
        ]
        return store.write_documents(embed.run(splitter.run(texts)["documents"])["documents"])

    def lists(question: str) -> list[list[Document]]:
        vector = asked.run(question)["embedding"]
        return [near.run(vector)["documents"], said.run(question)["documents"]]

    def hybrid() -> Search:
        joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=DEPTH)
        return lambda question: _spans(joiner.run(lists(question))["documents"])

    def reranked() -> Search:
        joiner = DocumentJoiner()
        ranker = SentenceTransformersSimilarityRanker(model=reranker, top_k=DEPTH)
        ranker.warm_up()

        def search(question: str) -> list[Span]:
            joined = joiner.run(lists(question))["documents"]
            return _spans(ranker.run(query=question, documents=joined)["documents"])

        return search

    searches = {"hybrid": hybrid, "hybrid, reranked": reranked}
    measure("haystack-ai", version("haystack-ai"), material, ingest, searches)


def _spans(found: list[Document]) -> list[Span]:
    return [
        (hit.meta["name"], start := hit.meta["split_idx_start"], start + len(hit.content)) for hit in found
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
