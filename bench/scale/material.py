"""Chunks and questions to measure the store with, in any number: real text for as long as it lasts.

Vectors are the model's own for the first chunks, and after them near neighbours of those: embedding a million
chunks takes hours. BM25 vectors are made from the text, always. When the text ends, chunks are made of the
first half of one chunk and the second half of another, which have the terms of real text.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.peers.material import read_rows
from bench.retrieval import DATA
from ingest.parsing import parse
from ingest.searchable import beside, searchable_text
from rag.documents import Chunk, DocumentRecord, IndexedChunk, SparseVector, chunk_id_of, document_id_of
from rag.embedding import Embedder, Vectors
from rag.parsed import ParsedDocument
from rag.sparse import encode_passage, encode_query

WORDS = 110
"""Of a chunk: about 200 tokens of prose."""
CHUNKS_OF_A_DOCUMENT = 50
QUESTIONS = 100
_SUFFIXES = {".py", ".pyi", ".md", ".rst", ".txt", ".h", ".hpp"}
_LONGEST_FILE = 300_000
_LONGEST_CHUNK = 1600
_NEAREST, _FARTHEST = 0.95, 0.60
_TITLE = "Document "
_BETWEEN = "\n\n"
_ADDED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Question:
    """As the store is asked."""

    text: str
    dense: list[float]
    sparse: SparseVector


@dataclass(frozen=True)
class Document:
    record: DocumentRecord
    chunks: list[IndexedChunk]


@dataclass(frozen=True)
class Material:
    """Texts with a vector for each of the first ones, and questions."""

    texts: list[str]
    vectors: Vectors
    questions: list[Question]

    def documents(self, first: int, last: int) -> Iterator[Document]:
        """The documents of the chunks `first` to `last`; the same ones in every run."""
        for start in range(first, last, CHUNKS_OF_A_DOCUMENT):
            yield self.document(start, min(CHUNKS_OF_A_DOCUMENT, last - start))

    def document(self, start: int, count: int, edition: str = "first") -> Document:
        """The document whose chunks begin at `start`; another edition is another version of it."""
        number = start // CHUNKS_OF_A_DOCUMENT
        texts = [self.text(start + position) for position in range(count)]
        vectors = self._vectors(start, count)
        record = record_of(number, edition, texts)
        chunks = list(_chunks(record, texts))
        indexed = []
        for chunk, vector in zip(chunks, vectors, strict=True):
            sparse = encode_passage(searchable_text(record.title, chunk), around=beside(chunks, chunk))
            indexed.append(IndexedChunk(chunk, tuple(vector.tolist()), sparse))
        return Document(record, indexed)

    def parsed(self, title: str) -> ParsedDocument:
        """The whole text of the document of this title, as parsing it would give it."""
        start = int(title.removeprefix(_TITLE)) * CHUNKS_OF_A_DOCUMENT
        texts = [self.text(start + position) for position in range(CHUNKS_OF_A_DOCUMENT)]
        return ParsedDocument(title, _BETWEEN.join(texts), "text/plain")

    def text(self, index: int) -> str:
        turn, at = divmod(index, len(self.texts))
        if turn == 0:
            return self.texts[at]
        first, second = self.texts[at], self.texts[(at + turn * 7919) % len(self.texts)]
        return first[: len(first) // 2] + " " + second[len(second) // 2 :]

    def _vectors(self, start: int, count: int) -> Vectors:
        made = neighbours(self.vectors, start, count)
        real = self.vectors[start : start + count]
        made[: len(real)] = real
        return made


def neighbours(real: Vectors, start: int, count: int) -> Vectors:
    """Unit vectors at a cosine of 0.60 to 0.95 to real ones, which repeat in turn."""
    chance = np.random.default_rng(start)
    near = real[(np.arange(start, start + count) * 7919) % len(real)]
    aside = chance.standard_normal(near.shape).astype(np.float32)
    aside -= (aside * near).sum(axis=1, keepdims=True) * near
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    cosine = chance.uniform(_FARTHEST, _NEAREST, (count, 1)).astype(np.float32)
    return np.asarray(cosine * near + np.sqrt(1 - cosine**2) * aside, dtype=np.float32)


def record_of(number: int, edition: str, texts: Sequence[str]) -> DocumentRecord:
    uri = f"file:///scale/{number // 100:04d}/document-{number:07d}.txt"
    digest = hashlib.sha256(f"{uri} {edition}".encode()).hexdigest()
    return DocumentRecord(
        id=document_id_of(uri),
        uri=uri,
        title=f"{_TITLE}{number}",
        version=digest[:16],
        state="ready",
        sha256=digest,
        media_type="text/plain",
        chunks=len(texts),
        characters=sum(map(len, texts)),
        added=_ADDED,
    )


def _chunks(record: DocumentRecord, texts: Sequence[str]) -> Iterator[Chunk]:
    version, start = str(record.version), 0
    for position, text in enumerate(texts):
        yield Chunk(
            document_id=record.id,
            version=version,
            chunk_id=chunk_id_of(record.id, version, position),
            position=position,
            start=start,
            end=start + len(text),
            page=position // 3 + 1,
            headings=(record.title, f"Section {position // 10 + 1}"),
            text=text,
        )
        start += len(text) + len(_BETWEEN)


# ---------------------------------------------------------------- texts and questions


def gather(embedder: Embedder, chunks: int, real: int, folder: Path | None, kept: Path | None) -> Material:
    """Material for `chunks` chunks, of which the first `real` are embedded.

    Args:
        folder: a set of texts and questions, `corpus.jsonl` and `queries.jsonl`, to begin with.
        kept: where embeddings lie between runs; nothing is kept without it.
    """
    texts = []
    for text in pieces(folder):
        texts.append(text)
        if len(texts) >= chunks:
            break
    real = min(real, len(texts))
    digest = hashlib.sha256("\n".join([embedder.name, *texts[:real]]).encode()).hexdigest()[:16]
    vectors = _embedded(embedder, texts[:real], kept / f"vectors-{digest}.npy" if kept else None)
    questions = [
        Question(text, embedder.embed_query(text).tolist(), encode_query(text)) for text in _questions(folder)
    ]
    return Material(texts, vectors, questions)


def _embedded(embedder: Embedder, texts: Sequence[str], path: Path | None) -> Vectors:
    if path is not None and path.exists():
        loaded: Vectors = np.load(path)
        return loaded
    vectors = embedder.embed_passages(texts)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors)
    return vectors


def pieces(folder: Path | None) -> Iterator[str]:
    for text in _texts(folder):
        words = text.split()
        for first in range(0, len(words), WORDS):
            piece = " ".join(words[first : first + WORDS])[:_LONGEST_CHUNK]
            if len(piece) > 200:
                yield piece


def _texts(folder: Path | None) -> Iterator[str]:
    """The sample library, the set that was named, and then the sources of what is installed."""
    for path in sorted((DATA / "library").iterdir()):
        yield parse(path, name=path.name).text
    if folder is not None:
        for row in read_rows(folder / "corpus.jsonl"):
            yield row["text"]
    for root in ("stdlib", "purelib", "include"):
        for path in sorted(Path(sysconfig.get_path(root)).rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file() and path.stat().st_size < _LONGEST_FILE:
                yield path.read_text("utf-8", errors="replace")


def _questions(folder: Path | None) -> list[str]:
    asked = [row["question"] for row in read_rows(DATA / "questions.jsonl")]
    if folder is not None:
        asked += [row["question"] for row in read_rows(folder / "queries.jsonl")[::5]]
    asked += [
        row["question"] for row in read_rows(DATA / "routing.jsonl") if row.get("language") in (None, "en")
    ]
    return [text for text in dict.fromkeys(asked) if encode_query(text).indices][:QUESTIONS]
