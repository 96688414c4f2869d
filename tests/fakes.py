"""Small deterministic stand-ins for the local models, for tests whose subject is something else."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ingest.chunking import Chunker
from ingest.searchable import beside, searchable_text
from rag.documents import EVERYONE, DocumentRecord, Hit, IndexedChunk, document_id_of, utc_now
from rag.embedding import Vectors
from rag.parsed import Heading, Page, ParsedDocument
from rag.sparse import encode_passage, terms
from rag.store import Store
from rag.store.files import FileStore

DIMENSION = 64


class WordEmbedder:
    """Texts that share words get like vectors: each stem adds to one of 64 places."""

    name = "words"
    dimension = DIMENSION
    longest = None

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        vector = np.full(DIMENSION, 1e-3, dtype=np.float32)
        for term in terms(text):
            vector[zlib.crc32(term.encode()) % DIMENSION] += 1.0
        return vector / np.float32(np.linalg.norm(vector))

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class OverlapReranker:
    """Scores a passage by the share of the question's terms it holds: 10 for all of them, -10 for none."""

    name = "overlap"

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        wanted = set(terms(question))
        return [20.0 * len(wanted & set(terms(p))) / max(1, len(wanted)) - 10.0 for p in passages]


def hit_with(**fields: Any) -> Hit:
    """A passage that was found; what a test does not say of it is filled in."""
    filled: dict[str, Any] = {
        "document_id": "a",
        "version": "v",
        "chunk_id": "c",
        "uri": "file:///a",
        "title": "A",
        "start": 0,
        "page": None,
        "headings": (),
        "text": "a",
        "score": 1.0,
        "position": 0,
    } | fields
    return Hit(**{"end": filled["start"] + len(filled["text"])} | filled)


def parsed(text: str, *, title: str = "A document") -> ParsedDocument:
    """A document whose lines that begin with '# ' or '## ' are headings, and form feeds end pages."""
    headings, pages, plain, start = [], [], "", 0
    for line in text.strip().split("\n"):
        if line == "\f":
            pages.append(Page(len(pages) + 1, start, len(plain)))
            start = len(plain)
            continue
        level = len(line) - len(line.lstrip("#"))
        line = line.lstrip("#").strip() if level else line
        if level:
            headings.append(Heading(level, line, len(plain)))
        plain += line + "\n"
    if pages:
        pages.append(Page(len(pages) + 1, start, len(plain)))
    return ParsedDocument(title, plain, "text/markdown", tuple(pages), tuple(headings))


async def put(
    store: Store,
    files: FileStore,
    document: ParsedDocument,
    *,
    name: str,
    collection: str = "default",
    groups: tuple[str, ...] = (EVERYONE,),
    chunk_tokens: int = 40,
) -> DocumentRecord:
    """Bring a document into a store, as the pipeline does, with the stand-in embedder."""
    embedder = WordEmbedder()
    uri = f"file:///library/{name}"
    version = f"{zlib.crc32(document.text.encode()):08x}"
    chunks = Chunker(embedder.count_tokens, chunk_tokens).chunk(document, document_id_of(uri), version)
    record = DocumentRecord(
        id=document_id_of(uri),
        uri=uri,
        title=document.title,
        version=version,
        state="ready",
        sha256="0" * 64,
        media_type=document.media_type,
        collection=collection,
        groups=groups,
        pages=len(document.pages),
        chunks=len(chunks),
        characters=len(document.text),
        added=utc_now(),
    )
    await files.save(record.id, version, original=document.text.encode(), suffix=".md", parsed=document)
    texts = [searchable_text(record.title, chunk) for chunk in chunks]
    vectors = embedder.embed_passages(texts)
    await store.upsert_chunks(
        record,
        [
            IndexedChunk(chunk, tuple(vector.tolist()), encode_passage(text, around=beside(chunks, chunk)))
            for chunk, vector, text in zip(chunks, vectors, texts, strict=True)
        ],
    )
    await store.make_live(record)
    return record
