"""The file of questions: one JSON object or string a line. A bad line is named; the others are asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rag.documents import LONGEST_QUESTION, Filters
from rag.jsonl import BadLine, read_lines, validated
from rag.routing import Mode

LONGEST_ID = 256


class Line(BaseModel):
    """One question as it stands in the file; `id` is its own, or `line-<number>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = 0
    id: str = Field(default="", max_length=LONGEST_ID, coerce_numbers_to_str=True)
    question: str = Field(max_length=LONGEST_QUESTION)
    filters: Filters = Field(default_factory=Filters)

    @field_validator("question")
    @classmethod
    def _asks(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty")
        return value


@dataclass(frozen=True, slots=True)
class Questions:
    lines: tuple[Line, ...]
    bad: tuple[BadLine, ...]

    def fingerprint(self, mode: Mode) -> str:
        """Equal for equal questions under equal ids, however the file spells them."""
        digest = hashlib.sha256(mode.encode())
        for line in self.lines:
            digest.update(line.model_dump_json(exclude={"number"}).encode() + b"\n")
        return digest.hexdigest()


def read_questions(path: Path) -> Questions:
    """All questions of a JSONL file; empty lines are passed over.

    Raises:
        InvalidRequest: the file cannot be read, or holds no question at all.
    """
    remedy = 'write one a line, such as {"id": "1", "question": "How long are backups kept?"}'
    return Questions(*read_lines(path, _line, remedy))


def _line(number: int, text: str) -> Line | str:
    """A line as a question, or why it is none."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return 'it is not JSON: an object {"question": …} or a string in double quotes is needed'
    if isinstance(given, str):
        given = {"question": given}
    if not isinstance(given, dict):
        return "it is neither an object nor a string"
    if "number" in given:
        return "number: Extra inputs are not permitted"
    line = validated(Line, {**given, "number": number})
    return line if isinstance(line, str) or line.id else line.model_copy(update={"id": f"line-{number}"})
