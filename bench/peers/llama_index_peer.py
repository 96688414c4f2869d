"""llama-index as its documentation starts: VectorStoreIndex, HuggingFace embedding, Qdrant in memory; and
with its cross-encoder over the ten nearest."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.postprocessor import SentenceTransformerRerank
from llama_index.core.schema import NodeWithScore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from material import DEPTH, Search, Span, load, measure
from qdrant_client import QdrantClient


def main(model: str, reranker: str, folder: str, most: str) -> None:
    material = load(Path(folder), int(most))
    embedder = HuggingFaceEmbedding(model_name=model)
    store = QdrantVectorStore(client=QdrantClient(location=":memory:"), collection_name="bench")
    storage = StorageContext.from_defaults(vector_store=store)
    made: list[VectorStoreIndex] = []

    def ingest() -> int:
        documents = [
            Document(text=text, id_=name, metadata={"title": title})
            for name, (title, text) in material.texts.items()
        ]
        index = VectorStoreIndex.from_documents(documents, storage_context=storage, embed_model=embedder)
        made.append(index)
        return store.client.count("bench").count

    def near(question: str) -> list[NodeWithScore]:
        return made[0].as_retriever(similarity_top_k=DEPTH).retrieve(question)

    def dense() -> Search:
        return lambda question: _spans(near(question))

    def reranked() -> Search:
        rerank = SentenceTransformerRerank(model=reranker, top_n=DEPTH)
        return lambda question: _spans(rerank.postprocess_nodes(near(question), query_str=question))

    searches = {"dense": dense, "dense, reranked": reranked}
    measure("llama-index-core", version("llama-index-core"), material, ingest, searches)


def _spans(found: list[NodeWithScore]) -> list[Span]:
    nodes = [each.node for each in found]
    return [(node.ref_doc_id, node.start_char_idx, node.end_char_idx) for node in nodes]


if __name__ == "__main__":
    main(*sys.argv[1:])
