"""The file of questions with what is known of their answers. A bad line is named; the others are measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from rag.bulk.questions import LONGEST_ID
from rag.documents import LONGEST_QUESTION
from rag.jsonl import BadLine, read_lines, validated

ANSWERABLE = frozenset({"ANSWERABLE", "PARTIAL"})
"""Of the labels that MTRAG gives; UNANSWERABLE and UNDERSPECIFIED are the others."""
_ASSISTANT = frozenset({"assistant", "agent", "bot", "system"})


def _role(given: Any) -> Any:
    return "assistant" if given in _ASSISTANT else given


class Said(BaseModel):
    """An earlier turn; sets of others call its speaker `agent` and its text `content`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Annotated[Literal["user", "assistant"], BeforeValidator(_role)] = Field(
        validation_alias=AliasChoices("role", "speaker")
    )
    text: str = Field(validation_alias=AliasChoices("text", "content"))


class Relevant(BaseModel):
    """Where the answer stands: a quote or a range of the stored text, else a page, else the document."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    document: str = Field(min_length=1, validation_alias=AliasChoices("document", "doc_id", "document_id"))
    start: int | None = Field(default=None, ge=0)
    end: int | None = Field(default=None, ge=1)
    quote: str | None = Field(default=None, min_length=1, validation_alias=AliasChoices("quote", "text"))
    page: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _is_a_range(self) -> Relevant:
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end belong together")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("the end is not after the start")
        return self


class Row(BaseModel):
    """One question; `id` is its own, or `line-<number>`. What else a line holds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int = 0
    id: str = Field(default="", max_length=LONGEST_ID, coerce_numbers_to_str=True)
    question: str = Field(max_length=LONGEST_QUESTION)
    relevant: tuple[Relevant, ...] = ()
    answers: tuple[str, ...] = Field(default=(), validation_alias=AliasChoices("answer", "answers"))
    answerable: bool = True
    history: tuple[Said, ...] = ()

    @field_validator("question")
    @classmethod
    def _asks(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty")
        return value

    @field_validator("answers", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        if value is None:
            return ()
        return (value,) if isinstance(value, str) else value

    @field_validator("relevant", "history", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value is None else value


@dataclass(frozen=True, slots=True)
class Rows:
    rows: tuple[Row, ...]
    bad: tuple[BadLine, ...]


def read_rows(path: Path) -> Rows:
    """All questions of a JSONL file; empty lines are passed over.

    Raises:
        InvalidRequest: the file cannot be read, or holds no question at all.
    """
    remedy = (
        'write one a line, such as {"question": "How long are backups kept?", '
        '"relevant": [{"document": "policy.pdf", "quote": "kept for ninety days"}]}'
    )
    return Rows(*read_lines(path, _row, remedy))


def _row(number: int, text: str) -> Row | str:
    """A line as a question, or why it is none."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if not isinstance(given, dict):
        return "it is not an object"
    told = "answerable" in given
    if not told and isinstance(given.get("answerability"), str):
        given["answerable"] = given["answerability"] in ANSWERABLE
    row = validated(Row, {**given, "number": number})
    if isinstance(row, str):
        return row
    if told and row.relevant and not row.answerable:
        return "it says that no document answers it, and names where the answer stands"
    if row.answerable and not row.relevant and not row.answers:
        return "it has neither relevant places nor an answer to measure by"
    return row if row.id else row.model_copy(update={"id": f"line-{number}"})
