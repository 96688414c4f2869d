"""Haiku or Sonnet, and why. Decided from what is known before any token is bought.

The rule, in this order (docs/answers.md publishes it):

1. Without Claude, sentences are quoted.
2. The user's word: `fast` is a lookup, `thorough` a reading of whole documents.
3. The intent of the question: a lookup goes to the fast model; a summary, a comparison and a synthesis
   across documents go to the thorough one.
4. After retrieval, for a lookup in `auto`: where the passages do not hold the answer, no model is asked;
   where that is in doubt and the whole document is at hand and not too long, the thorough one reads it.
5. The budget: what would cost too much goes the cheaper way, or is refused, as set.

The small model's own opinion of its answer is never asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rag.documents import Filters, Hit, Kind, Route
from rag.intent import Intent, classify
from rag.settings import Settings
from rag.sufficiency import Sufficiency

Mode = Literal["auto", "fast", "thorough"]

EXTRACTIVE = "extractive"
NO_MODEL = "none"

MOST_AT_HAND = 3
"""Documents that a filter may name and that are still read whole when a lookup is in doubt."""
CONCENTRATED = 0.6
"""Share of the best passages that must lie in one document for that document to be at hand."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a question is to be answered; `route` is what the reader is told."""

    kind: Kind
    route: Route
    intent: Intent
    chosen_by_user: bool = False
    escalated: bool = False
    """Whole documents in place of a lookup that is in doubt."""


def plan(question: str, mode: Mode, settings: Settings) -> Plan:
    """Choose the path of a question by rules 1 to 3."""
    intent = classify(question)
    if not settings.claude_configured:
        return Plan("extractive", Route(model=EXTRACTIVE, reason=_no_key(mode, intent)), intent)
    fast, thorough = settings.fast_model, settings.thorough_model
    if mode == "fast":
        return Plan("lookup", Route(model=fast, reason="The fast answer was asked for."), intent, True)
    if mode == "thorough":
        reason = "The thorough answer was asked for."
        return Plan("synthesis", Route(model=thorough, reason=reason), intent, True)
    if intent.whole_documents:
        return Plan("synthesis", Route(model=thorough, reason=intent.reason), intent)
    return Plan("lookup", Route(model=fast, reason=intent.reason), intent)


def after_retrieval(chosen: Plan, judged: Sufficiency, at_hand: bool, settings: Settings) -> Plan:
    """Rule 4: what the evidence makes of a lookup; every other plan stays as it is."""
    if chosen.kind != "lookup" or chosen.chosen_by_user or judged.verdict == "enough":
        return chosen
    if judged.verdict == "none":
        if not settings.abstain:
            return chosen
        reason = f"{judged.reason} No model was asked."
        return replace(chosen, kind="extractive", route=Route(model=NO_MODEL, reason=reason))
    if not at_hand:
        return chosen
    reason = f"{judged.reason} So the whole document is read."
    route = Route(model=settings.thorough_model, reason=reason)
    return replace(chosen, kind="synthesis", route=route, escalated=True)


def ways(chosen: Plan, settings: Settings) -> Iterator[Plan]:
    """Rule 5: the ways to answer by a model, the chosen one first, then the cheaper one."""
    yield chosen
    if chosen.kind != "synthesis":
        return
    if chosen.escalated:
        reason = "The whole document is too long for a lookup or would pass the budget, so passages are read."
    else:
        reason = "Whole documents would pass the budget, so the fast model answers from passages."
    yield replace(chosen, kind="lookup", route=Route(model=settings.fast_model, reason=reason))


def is_at_hand(hits: Sequence[Hit], filters: Filters, named: bool) -> bool:
    """Whether it is clear which document would have to be read whole: named, or where the evidence lies."""
    if named or 0 < len(filters.document_ids) <= MOST_AT_HAND:
        return True
    if not hits:
        return False
    first = sum(hit.document_id == hits[0].document_id for hit in hits)
    return first >= CONCENTRATED * len(hits)


def _no_key(mode: Mode, intent: Intent) -> str:
    if mode == "thorough" or intent.whole_documents:
        return "No Claude key is set, so sentences are quoted and whole documents are not read."
    return "No Claude key is set, so sentences are quoted."
