"""What a run keeps beside its output, so that nothing is paid twice and nothing is lost.

It holds no key and no text of documents: only where in which version the sentences stand that Claude was
given. Every change is on the disk before the step that it tells of is taken.
"""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rag.bulk.questions import Questions
from rag.documents import Answer, Filters, Hit, Kind, Route
from rag.errors import InvalidRequest, StoreUnavailable
from rag.routing import Mode

FORMAT: Literal[1] = 1


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Stretch(_Kept):
    """A chunk by its place: `[start, end)` of the stored text."""

    position: int
    start: int
    end: int


class Passage(_Kept):
    """One search result as it was sent: the ranges of its sentences are what Claude's citations count."""

    document_id: str
    version: str
    uri: str
    title: str
    label: str = Field(description="The title of the search result.")
    chunks: tuple[Stretch, ...]
    sentences: tuple[tuple[int, int], ...]


class Prepared(_Kept):
    """What a question is answered from. `hits` come without their text."""

    kind: Kind
    route: Route
    hits: tuple[Hit, ...]
    passages: tuple[Passage, ...] = ()
    stages_ms: dict[str, float]
    notice: str | None = None
    most_usd: float | None = Field(
        default=None, description="What it may cost; null where that is not known."
    )
    back: str | None = Field(default=None, description="What to ask back instead.")


class Item(_Kept):
    """One question and how far it is: prepared, then answered or failed."""

    number: int
    id: str
    question: str
    filters: Filters
    prepared: Prepared | None = None
    answer: Answer | None = None
    failure: str | None = None
    spent_usd: float = 0.0

    @field_validator("filters", mode="before")
    @classmethod
    def _as_kept(cls, value: Any) -> Any:
        """A filter that was left out is kept as an empty list, which nobody may ask for."""
        return {key: each for key, each in value.items() if each != []} if isinstance(value, dict) else value

    @property
    def open(self) -> bool:
        return self.answer is None and self.failure is None


class Part(_Kept):
    """One batch: the items in it, and what is known of it at Claude.

    `key` begins the custom ids of its requests. `asked_at` is set before the batch is created and `id`
    after it: between the two only Claude knows whether it exists. `newest_before` is the batch that was
    the latest one then; ours can only be a later one.
    """

    key: str = Field(default_factory=lambda: uuid.uuid4().hex[:16])
    members: list[int]
    asked_at: float | None = None
    newest_before: str | None = None
    id: str | None = None
    collected: bool = False

    def custom_id(self, member: int) -> str:
        return f"{self.key}-{member}"


class State(_Kept):
    """A whole run. Its `id` is its own, also among runs of equal questions."""

    format: Literal[1] = FORMAT
    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    fingerprint: str
    items: list[Item]
    parts: list[Part] = Field(default_factory=list)

    @property
    def hold(self) -> str:
        """Under which name money is set aside for the run: the same when it is gone on with."""
        return f"batch-{self.id}"

    @property
    def open_usd(self) -> float:
        """What the questions may still cost whose evidence is found and that are not settled."""
        prepared = [item.prepared for item in self.items if item.prepared is not None]
        return math.fsum(one.most_usd or 0.0 for one in prepared)

    def reopen(self) -> None:
        """Have the questions that failed asked again."""
        for item in self.items:
            item.failure = None

    @property
    def begun(self) -> bool:
        """Whether anything may have been sent."""
        return any(part.asked_at is not None for part in self.parts)

    @property
    def under_way(self) -> list[Part]:
        return [part for part in self.parts if not part.collected]


def new_state(asked: Questions, mode: Mode) -> State:
    items = [
        Item(number=line.number, id=line.id, question=line.question, filters=line.filters)
        for line in asked.lines
    ]
    return State(fingerprint=asked.fingerprint(mode), items=items)


def state_path(output: Path) -> Path:
    return output.with_name(f"{output.name}.state.json")


def load_state(path: Path) -> State | None:
    """The state of an earlier run; None when there is none.

    Raises:
        InvalidRequest: the file is there but cannot be used.
    """
    try:
        return State.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise InvalidRequest(
            f"{path} cannot be used: it is damaged or of another version",
            remedy="remove it to begin anew; what it has sent would be sent and paid again",
        ) from None


def save_state(path: Path, state: State) -> None:
    """Replace the state, which only its owner may read: it holds questions and answers."""
    write_whole(path, [state.model_dump_json().encode()], mode=0o600)


def write_whole(path: Path, pieces: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write a file so that at every moment the old one or the new one is there, whole and durable.

    Raises:
        StoreUnavailable: the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        try:
            with open(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, mode), "wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be written: {error.strerror}") from None
