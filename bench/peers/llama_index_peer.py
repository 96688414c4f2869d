"""llama-index as its documentation starts: VectorStoreIndex, HuggingFace embedding, Qdrant in memory."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from material import DEPTH, Span, load, measure
from qdrant_client import QdrantClient


def main(model: str, folder: str, most: str) -> None:
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

    def search(question: str) -> list[Span]:
        found = made[0].as_retriever(similarity_top_k=DEPTH).retrieve(question)
        nodes = [each.node for each in found]
        return [(node.ref_doc_id, node.start_char_idx, node.end_char_idx) for node in nodes]

    measure("llama-index-core", version("llama-index-core"), "dense", material, ingest, search)


if __name__ == "__main__":
    main(*sys.argv[1:])
