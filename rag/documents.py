"""The types that flow: document -> chunk -> hit -> citation -> answer.

All character positions are Python string offsets (Unicode code points) into the document's stored
text, end exclusive. All pages are 1-based. Nothing here does I/O.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rag.parsed import ParsedDocument

NAMESPACE = uuid.UUID("6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c11")
EVERYONE = "everyone"
CODE = "text/x-source"
"""Media type of source code, whose headings are its definitions."""
LONGEST_QUESTION = 4000
"""Characters, at every door."""

State = Literal["ready", "failed"]
Kind = Literal["extractive", "lookup", "synthesis"]
"""The path of an answer: quoted sentences, a few passages for the fast model, whole documents."""
Outcome = Literal["answered", "not_found", "clarification"]


def document_id_of(uri: str) -> str:
    """The identity of a document: a UUID5 of its source and path, so re-adding a file finds its record."""
    return str(uuid.uuid5(NAMESPACE, uri))


def is_document_id(text: str) -> bool:
    """Whether `text` is an id as we write them; another spelling of one names no document."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def chunk_id_of(document_id: str, version: str, position: int) -> str:
    """The Qdrant point id of a chunk: writing the same chunk twice overwrites it."""
    return str(uuid.uuid5(uuid.UUID(document_id), f"{version}/{position}"))


def utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


# ---------------------------------------------------------------- what is stored


class _Wire(BaseModel):
    """Base of every type that leaves the process: immutable, and strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Chunk(_Wire):
    """A passage of a document: `text == stored_text[start:end]`, always."""

    document_id: str
    version: str
    chunk_id: str
    position: int
    start: int
    end: int
    page: int | None
    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A citable stretch of one document: adjoining chunks, and the document they are cut from."""

    uri: str
    title: str
    chunks: tuple[Chunk, ...]
    parsed: ParsedDocument

    @property
    def start(self) -> int:
        return self.chunks[0].start

    @property
    def end(self) -> int:
        return self.chunks[-1].end


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term indices (unsigned 32-bit) and BM25 term weights, without IDF, which Qdrant applies."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk with the vectors it is found by; `dense` has the embedding model's dimension."""

    chunk: Chunk
    dense: tuple[float, ...]
    sparse: SparseVector


class ContextsBy(_Wire):
    """Contexts that were written by one model and prompt."""

    chunks: int = Field(description="How many chunks have one.")
    model: str
    prompt: str = Field(description="The prompt that they were written by: the beginning of a sha256.")


class Contexts(ContextsBy):
    """What Claude wrote to place each chunk in its document: chunks are found by it, and never show it."""

    older: tuple[ContextsBy, ...] = Field(
        default=(), description="Further chunks still have theirs from before the model or prompt changed."
    )

    @property
    def total(self) -> int:
        """How many chunks have one, by whatever it was written."""
        return self.chunks + sum(one.chunks for one in self.older)


class Ocr(_Wire):
    """How those pages of a PDF were read that have little or no text of their own."""

    by: str = Field(description="The version of OCR.")
    pages: tuple[int, ...] = Field(description="Whose text OCR read; it may have errors.")
    failed: tuple[int, ...] = Field(
        default=(), description="That OCR failed on; the next ingest tries again."
    )
    beyond: tuple[int, ...] = Field(default=(), description="That were not looked at: beyond the limit.")
    limit: int = Field(description="How many pages it was allowed to look at.")
    digest: str = Field(description="Of what it read: the beginning of a sha256; empty when that is nothing.")


class DocumentRecord(_Wire):
    """What the store knows of one document. Writing this one point makes `version` the live one."""

    id: str
    uri: str
    title: str
    version: str | None = Field(description="The live version; null when no version was ever ready.")
    state: State
    failure: str | None = Field(default=None, description="Why the last ingest failed.")
    sha256: str = Field(description="Of the original bytes of the live version; empty when there is none.")
    media_type: str
    collection: str = "default"
    groups: tuple[str, ...] = (EVERYONE,)
    pages: int = 0
    pages_without_text: tuple[int, ...] = ()
    ocr: Ocr | None = Field(
        default=None, description="How OCR read a PDF; null where it has not looked at it."
    )
    chunks: int = 0
    characters: int = 0
    contexts: Contexts | None = Field(
        default=None, description="The contexts that its chunks are found by; null when it has none."
    )
    added: datetime

    @property
    def name(self) -> str:
        """The file name: what a person calls the document."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]


class Filters(_Wire):
    """What a question is limited to. Lists are alternatives; the fields narrow one another.

    The reader's own groups are not here: they bind every query and cannot be widened by a filter.
    """

    document_ids: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    groups: tuple[str, ...] = Field(default=(), description="Narrows within the reader's own groups.")

    @model_validator(mode="before")
    @classmethod
    def _one_is_a_list(cls, given: Any) -> Any:
        """`{"collection": "wiki"}` means `{"collections": ["wiki"]}`."""
        if not isinstance(given, dict):
            return given
        plural = {name.removesuffix("s"): name for name in cls.model_fields}
        named = {plural.get(key, key): value for key, value in given.items()}
        if len(named) < len(given):
            raise ValueError("a filter is given twice, in the singular and in the plural")
        if any(value == [] for value in named.values()):
            raise ValueError("an empty list lets nothing through: leave the filter out, or name something")
        return {key: (value,) if isinstance(value, str) else value for key, value in named.items()}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who is asking: the access groups whose documents they may read."""

    groups: frozenset[str] = frozenset({EVERYONE})


# ---------------------------------------------------------------- what a question gives


class Hit(_Wire):
    """A retrieved passage, best first; `text` is the stored text from `start` to `end`."""

    document_id: str
    version: str
    chunk_id: str
    uri: str
    title: str
    start: int
    end: int
    page: int | None
    headings: tuple[str, ...]
    text: str
    score: float
    position: int = Field(description="Which chunk of the document this is, from 0.")
    relevance: float | None = Field(
        default=None, description="Cross-encoder score (a logit); null when reranking is off."
    )
    similarity: float | None = Field(
        default=None, description="Cosine of question and passage; null when search by meaning is off."
    )


class Citation(_Wire):
    """The proof of a sentence: `quote` equals the stored text from `start` to `end`."""

    marker: int
    document_id: str
    version: str
    chunk_id: str
    uri: str
    title: str
    page: int | None
    ocr: bool = Field(
        default=False, description="It is from a page that was read by OCR, which may have erred."
    )
    headings: tuple[str, ...]
    quote: str
    start: int
    end: int


class Nearest(_Wire):
    """A document that comes nearest to the question, for an answer that could not be given."""

    document_id: str
    uri: str
    title: str
    page: int | None
    headings: tuple[str, ...]


class Route(_Wire):
    """Which model answered and why, in one sentence; `extractive` is the answer without a model."""

    model: str
    reason: str


class Charge(_Wire):
    """What the requests to one model cost within one answer."""

    model: str
    requests: int = 1
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = Field(default=0.0, description="Null when the model's price is not known.")


class Receipt(_Wire):
    """What the answer cost: tokens as the API billed them, US dollars, and milliseconds by stage.

    The sums are those of `charges`, which has one entry a model.
    """

    model: str = ""
    route: Kind = "extractive"
    reason: str = ""
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    charges: tuple[Charge, ...] = ()
    stages_ms: dict[str, float] = Field(default_factory=dict)
    chunks_retrieved: int = 0
    chunks_sent: int = Field(default=0, description="Chunks whose text the model was given.")
    chunks_cited: int = 0
    cached: bool = Field(default=False, description="Served from the answer cache, at no cost.")


class Support(_Wire):
    """How well one sentence of an answer rests on what it cites; `text == answer.text[start:end]`."""

    text: str
    start: int
    end: int
    markers: tuple[int, ...]
    score: float = Field(description="Estimated probability that the cited text supports it, 0 to 1.")
    supported: bool
    reason: str | None = Field(default=None, description="What speaks against it.")


class Grounding(_Wire):
    """The check of each sentence of the answer; `removed` are those that `strict` took out."""

    sentences: tuple[Support, ...] = ()
    removed: tuple[str, ...] = ()
    reviewed_by: str | None = Field(
        default=None, description="The model of the review pass, if there was one."
    )


class ShortAnswer(_Wire):
    """The words of a quoted sentence that answer; `text` equals the stored text from `start` to `end`."""

    text: str
    marker: int = Field(description="The citation within which they stand.")
    start: int
    end: int
    confidence: float = Field(description="Estimated probability that they are the answer, 0.4 to 1.")


class Answer(_Wire):
    """The one shape of every answer, streamed or not, generated or extractive."""

    id: str
    text: str
    citations: tuple[Citation, ...]
    answered: bool
    route: Route
    receipt: Receipt
    nearest: tuple[Nearest, ...] = ()
    notice: Annotated[
        str | None, Field(description="Something the reader should know, such as why no model was used.")
    ] = None
    outcome: Outcome = Field(
        default="answered", description="`clarification`: the text asks back what was meant."
    )
    question: str | None = Field(
        default=None, description="The standalone question that a follow-up was understood as."
    )
    conversation_id: str | None = None
    grounding: Grounding | None = None
    data: Any = Field(default=None, description="The value that fits `response_schema`, where one was given.")
    short_answer: ShortAnswer | None = Field(
        default=None, description="The words of a quoted sentence that answer, where that is sure enough."
    )


class SearchResult(_Wire):
    hits: tuple[Hit, ...]
    stages_ms: dict[str, float]
    notice: str | None = Field(default=None, description="What the reader should know, such as a cut.")
