"""What a question is, and what comes of it while it is answered."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rag.claude import Turn
from rag.documents import Answer, Citation, Filters, Hit, Reader, Route
from rag.purse import Purse
from rag.routing import Mode


@dataclass(frozen=True, slots=True)
class CarriedPassage:
    """A chunk that an earlier answer cited; it is read again under the reader's rights of now."""

    document_id: str
    version: str
    position: int


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, how, by whom, of which documents, and what was said before.

    Attributes:
        strict: take out the sentences that their citations do not support.
        review: let a stronger model mark what the sources do not support.
        schema: the JSON Schema of the value that is wanted in place of prose.
        history: earlier turns, oldest first, as far as they are to be sent.
        purse: what the answer may spend.
    """

    text: str
    reader: Reader
    mode: Mode = "auto"
    filters: Filters = field(default_factory=Filters)
    strict: bool = False
    review: bool = False
    schema: Mapping[str, Any] | None = None
    history: tuple[Turn, ...] = ()
    carried: tuple[CarriedPassage, ...] = ()
    purse: Purse = field(default_factory=Purse)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the answer may rest on, known before its first word."""

    hits: tuple[Hit, ...]
    route: Route


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading of long documents has come."""

    done: int
    total: int
    title: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text, `[n]` markers included."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation that a marker in the text refers to; sent before its marker."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer. Its text replaces whatever was streamed; `read` are the documents behind it."""

    answer: Answer
    read: frozenset[str] = frozenset()


AnswerEvent = Sources | Progress | Delta | Cited | Done


async def whole(answering: AsyncGenerator[AnswerEvent]) -> Answer:
    """The answer that a stream of events ends with; the stream is closed also when this is cancelled."""
    async with aclosing(answering) as events:
        async for event in events:
            if isinstance(event, Done):
                return event.answer
    raise AssertionError("a stream of an answer ends with Done or raises")
