"""What a run did about contexts: how many were there, written, and missing, and what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rag.documents import Charge

if TYPE_CHECKING:
    from ingest.contexts.planning import Planned


@dataclass(frozen=True, slots=True)
class Missing:
    """Chunks of one document, by their positions, that have no context, and why."""

    path: str
    chunks: tuple[int, ...]
    reason: str


@dataclass(slots=True)
class ContextReport:
    """Chunks of documents that were not complete: with a context that was there, written, and missing.

    `failed` counts those that were asked for in this run and came to nothing.
    """

    how: str
    model: str
    kept: int = 0
    written: int = 0
    failed: int = 0
    missing: list[Missing] = field(default_factory=list)
    estimated_usd: float | None = 0.0
    charges: list[Charge] = field(default_factory=list)

    @property
    def usd(self) -> float:
        return round(sum(charge.usd or 0.0 for charge in self.charges), 8)

    def as_json(self) -> dict[str, Any]:
        def total(name: str) -> int:
            return sum(getattr(charge, name) for charge in self.charges)

        return {
            "how": self.how,
            "model": self.model,
            "kept": self.kept,
            "written": self.written,
            "missing": [
                {"path": one.path, "chunks": list(one.chunks), "reason": one.reason} for one in self.missing
            ],
            "requests": total("requests"),
            "input_tokens": total("input_tokens"),
            "cache_write_tokens": total("cache_write_tokens"),
            "cache_read_tokens": total("cache_read_tokens"),
            "output_tokens": total("output_tokens"),
            "estimated_usd": self.estimated_usd,
            "usd": self.usd,
        }


def missing_of(path: str, planned: Planned, reasons: Mapping[str, str]) -> list[Missing]:
    """The chunks of a document that have no context, those of one reason together."""
    places: dict[str, list[int]] = defaultdict(list)
    for position, key in enumerate(planned.keys):
        if key in reasons:
            places[reasons[key]].append(position)
    return [Missing(path, tuple(positions), reason) for reason, positions in places.items()]
