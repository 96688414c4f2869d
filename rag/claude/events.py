"""What Claude is asked and what comes back, in our own types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

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
class Finished:
    """The whole answer has come, or as much of it as its length limit allows."""

    reached_limit: bool


StreamEvent = TextDelta | CitationPointer | SectionEnd | Finished


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

    `keep_results` caches the documents too, for those that will be asked about again. `cite` asks for
    citations of them.
    """

    system: str
    results: Sequence[SearchResult]
    question: str
    history: Sequence[Turn] = ()
    keep_results: bool = False
    cite: bool = True


@dataclass(frozen=True, slots=True)
class Form:
    """What a model is asked to answer in JSON by `schema`, whose objects all forbid additional properties."""

    system: str
    content: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Completion:
    """A structured answer: JSON that was asked to fit a schema, not yet validated."""

    data: Any
    reached_limit: bool


class Payer(Protocol):
    """Who pays for the attempts at an answer: asked before each of them, told how each has ended."""

    async def begin(self, worst: float | None) -> None:
        """Set aside what an attempt costs at worst; None where its price is not known.

        Raises:
            OverBudget: that is more than may be spent; the attempt must not be made.
        """

    def ended(self, worst: float | None, model: str, usage: Usage, usd: float | None) -> None:
        """Free what `begin` set aside, and book what the attempt has cost, be it whole, failed or left."""
