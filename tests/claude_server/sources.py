"""What a request lets the model cite: its search results and documents, numbered as the API numbers them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["search_result", "document"]


@dataclass(frozen=True, slots=True)
class Cite:
    """Points at `[start, end)` of the n-th search result or document of a request.

    Units are text blocks; in a plain text document they are characters.
    """

    index: int = 0
    start: int = 0
    end: int = 1
    kind: Kind = "search_result"


@dataclass(frozen=True, slots=True)
class Source:
    """One citable block. `texts` has one item, the whole text, where the unit is the character."""

    kind: Kind
    index: int
    title: str | None
    source: str
    texts: Sequence[str]
    by_character: bool
    citations: bool

    def citation(self, start: int, end: int) -> dict[str, Any]:
        """The wire form of a citation of `[start, end)`.

        Raises:
            IndexError: there is no such place.
        """
        length = len(self.texts[0]) if self.by_character else len(self.texts)
        if not 0 <= start < end <= length:
            raise IndexError(f"{self.kind} {self.index} has no [{start}, {end}): its length is {length}")
        if self.kind == "search_result":
            return {
                "type": "search_result_location",
                "cited_text": "".join(self.texts[start:end]),
                "source": self.source,
                "title": self.title,
                "search_result_index": self.index,
                "start_block_index": start,
                "end_block_index": end,
            }
        place: dict[str, Any] = {"document_index": self.index, "document_title": self.title, "file_id": None}
        if self.by_character:
            return {
                "type": "char_location",
                "cited_text": self.texts[0][start:end],
                **place,
                "start_char_index": start,
                "end_char_index": end,
            }
        return {
            "type": "content_block_location",
            "cited_text": "".join(self.texts[start:end]),
            **place,
            "start_block_index": start,
            "end_block_index": end,
        }


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything citable in one request."""

    items: Sequence[Source] = field(default_factory=tuple)

    def citation(self, cite: Cite) -> dict[str, Any]:
        """Raises IndexError where `cite` points at nothing."""
        for one in self.items:
            if (one.kind, one.index) == (cite.kind, cite.index):
                return one.citation(cite.start, cite.end)
        raise IndexError(f"the request has no {cite.kind} {cite.index}")


def blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All content blocks of all messages, those inside tool results too, in the order they appear."""
    for message in body["messages"]:
        if isinstance(message["content"], str):
            continue
        for block in message["content"]:
            yield block
            if block["type"] == "tool_result" and isinstance(block.get("content"), list):
                yield from block["content"]


def citable(body: dict[str, Any]) -> Sources:
    """The request's search results and documents; each kind is counted on its own."""
    found: list[Source] = []
    counts = {"search_result": 0, "document": 0}
    for block in blocks(body):
        kind = block["type"]
        if kind in counts:
            found.append(_source(block, kind, counts[kind]))
            counts[kind] += 1
    return Sources(found)


def cites(block: dict[str, Any]) -> bool:
    return bool((block.get("citations") or {}).get("enabled"))


def _source(block: dict[str, Any], kind: Kind, index: int) -> Source:
    if kind == "search_result":
        texts, name = [part["text"] for part in block["content"]], block["source"]
    else:
        texts, name = _document_texts(block["source"]), ""
    by_character = kind == "document" and block["source"]["type"] == "text"
    return Source(kind, index, block.get("title"), name, texts, by_character, cites(block))


def _document_texts(source: dict[str, Any]) -> list[str]:
    """Empty for PDFs and files: the server does not read them."""
    if source["type"] == "text":
        return [source["data"]]
    if source["type"] == "content":
        content = source["content"]
        return [content] if isinstance(content, str) else [p["text"] for p in content if p["type"] == "text"]
    return []
