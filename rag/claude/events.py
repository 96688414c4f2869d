"""What Claude is asked and what comes back, in our own types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rag.claude.prices import Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class CitationPointer:
    """Points at sentences: text blocks `[start_block, end_block)` of the n-th search result we sent."""

    search_result: int
    start_block: int
    end_block: int


@dataclass(frozen=True, slots=True)
class SectionEnd:
    """A text block has ended: the citations since the last one belong to its text."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one attempt has cost, also when it failed; dollars are None for a model of unknown price."""

    usage: Usage
    usd: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer has come, or as much of it as its length limit allows."""

    reached_limit: bool


StreamEvent = TextDelta | CitationPointer | SectionEnd | Spent | Finished


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One `search_result` block; each of `sentences` can be cited alone."""

    source: str
    title: str
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said earlier in a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, in the order of the request: stable parts first, the question last.

    `keep_results` caches the documents too, for those that will be asked about again.
    """

    system: str
    results: Sequence[SearchResult]
    question: str
    history: Sequence[Turn] = ()
    keep_results: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """A structured answer: JSON that was asked to fit a schema, not yet validated, and its bill.

    `usage` and `usd` are those of all attempts together.
    """

    data: Any
    usage: Usage
    usd: float | None
    reached_limit: bool
