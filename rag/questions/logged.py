"""A question as it is kept in the log, and its row in the file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.documents import Answer, Kind

QuestionOutcome = Literal["answered", "not_found", "clarification", "failed", "stopped", "refused"]
Rating = Literal["up", "down"]
Reason = Literal["wrong", "incomplete", "wrong_source", "outdated", "unclear", "other"]


class LoggedQuestion(BaseModel):
    """A question and what came of it; the text of the answer is not kept."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="Of its answer.")
    at: datetime
    caller: str = Field(description="The name on the account of who asked; `local` is the command line.")
    question: str
    standalone: str | None = Field(default=None, description="What a follow-up was understood as.")
    outcome: QuestionOutcome
    route: Kind | None = Field(default=None, description="The path of the answer; null where none came.")
    model: str | None = None
    ms: float = Field(description="Until the whole answer was there, without what its reader made it wait.")
    usd: float | None = Field(default=None, description="Null where no answer came; the account has it.")
    cached: bool = False
    documents: tuple[str, ...] = Field(default=(), description="Ids of the documents that it cites.")
    nearest: tuple[str, ...] = Field(default=(), description="Ids of those that came nearest.")
    rating: Rating | None = None
    reasons: tuple[Reason, ...] = ()
    comment: str | None = None
    rated: datetime | None = None

    @property
    def text(self) -> str:
        """The question as it stands alone."""
        return self.standalone or self.question


def of_answer(answer: Answer, at: float, caller: str, question: str, ms: float) -> LoggedQuestion:
    """The entry of a question that was answered, asked back or not found."""
    return LoggedQuestion(
        id=answer.id,
        at=_time(at),
        caller=caller,
        question=question,
        standalone=answer.question,
        outcome=answer.outcome,
        route=answer.receipt.route,
        model=answer.route.model,
        ms=ms,
        usd=answer.receipt.usd,
        cached=answer.receipt.cached,
        documents=tuple(dict.fromkeys(one.document_id for one in answer.citations)),
        nearest=tuple(dict.fromkeys(one.document_id for one in answer.nearest)),
    )


COLUMNS = (
    "id, at, caller, question, standalone, outcome, route, model, ms, usd, cached, documents, nearest, "
    "rating, reasons, comment, rated"
)
"""In the order of `row_of` and `from_row`."""


def row_of(entry: LoggedQuestion) -> tuple[Any, ...]:
    """The entry as its columns; half characters, which a terminal may hand in, are replaced."""
    return (
        entry.id,
        entry.at.timestamp(),
        entry.caller,
        _storable(entry.question),
        None if entry.standalone is None else _storable(entry.standalone),
        entry.outcome,
        entry.route,
        entry.model,
        entry.ms,
        entry.usd,
        entry.cached,
        json.dumps(entry.documents),
        json.dumps(entry.nearest),
        entry.rating,
        json.dumps(entry.reasons),
        None if entry.comment is None else _storable(entry.comment),
        None if entry.rated is None else entry.rated.timestamp(),
    )


def from_row(row: tuple[Any, ...]) -> LoggedQuestion:
    names = COLUMNS.split(", ")
    values = dict(zip(names, row, strict=True))
    for name in ("documents", "nearest", "reasons"):
        values[name] = json.loads(values[name])
    for name in ("at", "rated"):
        values[name] = None if values[name] is None else _time(values[name])
    return LoggedQuestion.model_validate(values)


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
