"""What an ingest run did: an outcome a file, and the sums."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from ingest.contexts.report import ContextReport
from rag.errors import CiteboxError

Status = Literal["new", "changed", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file; `reason` is set when it failed."""

    path: str
    status: Status
    document_id: str | None = None
    title: str = ""
    chunks: int = 0
    pages: int = 0
    pages_without_text: tuple[int, ...] = ()
    ocr_pages: tuple[int, ...] = ()
    chunks_without_context: int = 0
    """Of a document that has contexts."""
    reason: str | None = None
    error: CiteboxError | None = None


@dataclass(slots=True)
class Report:
    """The outcomes of a run, in order, and what was left aside."""

    outcomes: list[Outcome] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    contexts: ContextReport | None = None
    """What was done about contexts, where they were asked for."""
    error: str | None = None
    """Why the run ended before its end; what it lists is done all the same."""

    @property
    def counts(self) -> Counter[str]:
        return Counter(outcome.status for outcome in self.outcomes)

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def spent(self) -> bool:
        """Whether it has cost anything."""
        return self.contexts is not None and bool(self.contexts.charges)

    def as_json(self) -> dict[str, Any]:
        """The object `ingest add --json` prints; `documents` and `chunks` are of the files of this run."""
        whole = [outcome for outcome in self.outcomes if outcome.status != "failed"]
        ended = {} if self.error is None else {"error": self.error}
        return ended | {
            "new": self.counts["new"],
            "changed": self.counts["changed"],
            "unchanged": self.counts["unchanged"],
            "failed": [{"path": o.path, "reason": o.reason} for o in self.failed],
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "documents": len(whole),
            "chunks": sum(outcome.chunks for outcome in whole),
            "pages_without_text": sum(len(outcome.pages_without_text) for outcome in whole),
            "ocr_pages": sum(len(outcome.ocr_pages) for outcome in whole),
            "chunks_without_context": sum(outcome.chunks_without_context for outcome in whole),
            "contexts": None if self.contexts is None else self.contexts.as_json(),
            "seconds": round(self.seconds, 2),
        }
