"""A file of one JSON value a line, each with an id of its own. A bad line is named; the others are taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from rag.errors import InvalidRequest


class Numbered(Protocol):
    """What stands on a line: its number in the file, from 1, and its id."""

    @property
    def number(self) -> int: ...
    @property
    def id(self) -> str: ...


L = TypeVar("L", bound=Numbered)
M = TypeVar("M", bound=BaseModel)


class BadLine(BaseModel):
    """A line that is no question, and why."""

    line: int
    reason: str


def read_lines(
    path: Path, line: Callable[[int, str], L | str], remedy: str
) -> tuple[tuple[L, ...], tuple[BadLine, ...]]:
    """All lines of a file of questions, and those that are none; empty lines are passed over.

    `line` is given the number and the text, and gives what stands there, or why it is nothing.

    Raises:
        InvalidRequest: the file cannot be read, or holds no question at all.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    lines: dict[str, L] = {}
    bad: list[BadLine] = []
    for number, text in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not text.strip():
            continue
        made = _decoded(number, text, line)
        if not isinstance(made, str) and made.id in lines:
            made = f"the id {made.id!r} is that of line {lines[made.id].number}"
        if isinstance(made, str):
            bad.append(BadLine(line=number, reason=made))
        else:
            lines[made.id] = made
    if not lines:
        first = f"; line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise InvalidRequest(f"{path} holds no question{first}", remedy=remedy)
    return tuple(lines.values()), tuple(bad)


def _decoded(number: int, text: bytes, line: Callable[[int, str], L | str]) -> L | str:
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return "it is not UTF-8"
    return line(number, decoded)


def validated(kind: type[M], given: dict[str, object]) -> M | str:
    """What a line holds as one of `kind`, or in words what is wrong with it."""
    try:
        made = kind.model_validate(given)
        made.model_dump_json()  # refuses what is no Unicode text, such as half a surrogate pair
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        return f"{place}: {first['msg'].removeprefix('Value error, ')}"
    except ValueError:
        return "its text is not valid Unicode"
    return made
