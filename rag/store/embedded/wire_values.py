"""Values of Qdrant's REST JSON, checked: whatever is not understood is refused by name.

An option that was silently ignored would answer another question than the one asked. A null means the
same as an absent field, as in Qdrant.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable
from typing import Any

import qdrant_edge as edge

Json = dict[str, Any]

MAX_LIMIT = 100_000


class WireError(Exception):
    """A reply in Qdrant's error shape: HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def bad(message: str) -> WireError:
    return WireError(400, f"Bad request: {message}")


def fields(value: object, where: str, required: Iterable[str] = (), optional: Iterable[str] = ()) -> Json:
    """The non-null fields of a JSON object, none of them unknown.

    Raises:
        WireError: 400, naming the field and the object.
    """
    if not isinstance(value, dict):
        raise bad(f"{where} must be an object")
    present = {key: item for key, item in value.items() if item is not None}
    known = {*required, *optional}
    for key in present:
        if key not in known:
            raise bad(f"{where}: {key!r} is not supported by the embedded engine")
    for key in required:
        if key not in present:
            raise bad(f"{where}: {key!r} is missing")
    return present


# ---------------------------------------------------------------- scalars


def text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise bad(f"{where} must be a string")
    return value


def whole(value: object, where: str, least: int = 0, most: int = MAX_LIMIT) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise bad(f"{where} must be a whole number from {least} to {most}")
    return value


def number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise bad(f"{where} must be a finite number")
    return float(value)


def boolean(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise bad(f"{where} must be true or false")
    return value


def items(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise bad(f"{where} must be a list")
    return value


def point_id(value: object) -> edge.PointId:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str):
        try:
            return uuid.UUID(value)
        except ValueError:
            pass
    raise bad(f"{value!r} is not a valid point id, which is an unsigned integer or a UUID")


def point_ids(value: object, where: str) -> list[edge.PointId]:
    return [point_id(item) for item in items(value, where)]
