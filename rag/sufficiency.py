"""Whether the passages found can hold the answer, judged before any token is bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rag.documents import Hit


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """`probability` that the passages hold the answer; `reason` is one sentence for the reader."""

    probability: float
    verdict: Literal["enough", "doubtful", "none"]
    reason: str


def assess(question: str, hits: Sequence[Hit]) -> Sufficiency:
    """Interim: replaced by the measured model."""
    return Sufficiency(1.0, "enough", "The passages hold the answer.")
