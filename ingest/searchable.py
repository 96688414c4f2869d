"""What a chunk is found by: its text, and what stands above it to say what it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from rag.documents import Chunk


class Reads(Protocol):
    """What is asked of an embedding model here."""

    @property
    def longest(self) -> int | None: ...
    def count_tokens(self, text: str) -> int: ...


def searchable_parts(title: str, chunk: Chunk, context: str = "") -> tuple[str, ...]:
    """The path of headings, the context if there is one, and the text of a chunk."""
    path = " > ".join(chunk.headings or (title,))
    return (path, context, chunk.text) if context else (path, chunk.text)


def searchable_text(title: str, chunk: Chunk, context: str = "") -> str:
    """The text of a chunk under its headings and its context."""
    return "\n".join(searchable_parts(title, chunk, context))


def beside(chunks: Sequence[Chunk], chunk: Chunk) -> list[str]:
    """The texts of the chunks before and after one, of all the chunks of a document in their order."""
    at = chunk.position
    return [other.text for other in (*chunks[max(at - 1, 0) : at], *chunks[at + 1 : at + 2])]


def embedded_texts(
    title: str, chunks: Sequence[Chunk], contexts: Mapping[int, str], model: Reads
) -> list[str]:
    """What is embedded of chunks: of each context only as much as lets the model read all of the chunk.

    `contexts` are by the position of the chunk.
    """
    texts = []
    for chunk in chunks:
        text = searchable_text(title, chunk)
        if context := contexts.get(chunk.position):
            text = searchable_text(title, chunk, _fitted(context, text, model.count_tokens, model.longest))
        texts.append(text)
    return texts


def _fitted(context: str, text: str, count: Callable[[str], int], longest: int | None) -> str:
    """As many words of a context as fit beside the text."""
    if longest is None:
        return context
    room = longest - count(text)
    words = context.split()
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(" ".join(words[:middle])) <= room else (low, middle - 1)
    return " ".join(words[:low])
