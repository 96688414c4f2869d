"""The file of questions: one JSON object or string a line. A bad line is named; the others are asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rag.documents import Filters
from rag.errors import InvalidRequest
from rag.routing import Mode

LONGEST_QUESTION = 4000
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


class BadLine(BaseModel):
    """A line that is no question, and why."""

    line: int
    reason: str


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
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    lines: dict[str, Line] = {}
    bad: list[BadLine] = []
    for number, text in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not text.strip():
            continue
        made = _line(number, text)
        if isinstance(made, Line) and made.id in lines:
            made = f"the id {made.id!r} is that of line {lines[made.id].number}"
        if isinstance(made, Line):
            lines[made.id] = made
        else:
            bad.append(BadLine(line=number, reason=made))
    if not lines:
        first = f"; line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise InvalidRequest(
            f"{path} holds no question{first}",
            remedy='write one a line, such as {"id": "1", "question": "How long are backups kept?"}',
        )
    return Questions(tuple(lines.values()), tuple(bad))


def _line(number: int, text: bytes) -> Line | str:
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
    try:
        # Read again by pydantic, which refuses what is no Unicode text, such as half a surrogate pair.
        line = Line.model_validate({**given, "number": number})
        line.model_dump_json()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg'].removeprefix('Value error, ')}"
    except ValueError:
        return "its text is not valid Unicode"
    return line if line.id else line.model_copy(update={"id": f"line-{number}"})
