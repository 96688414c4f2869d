"""Haiku or Sonnet, and why. Decided from the question and the reader's word, before any token is bought."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rag.documents import Kind, Route
from rag.settings import Settings

Mode = Literal["auto", "fast", "thorough"]

EXTRACTIVE = "extractive"

# What only a reading of the whole text can answer. Each pattern is one intent.
_WHOLE_DOCUMENT = re.compile(
    r"""
      \b(summari[sz]e|summari[sz]ing|summary|synopsis|tl;?\s?dr|overview|outline)\b
    | \b(main|key|major|most\ important)\ (points?|ideas?|themes?|findings?|takeaways?|changes|arguments?)\b
    | \bcompare\b.*\b(documents?|reports?|manuals?|contracts?|versions?|polic(y|ies)|guides?|papers?)\b
    | \bdifferences?\ between\b.*\b(documents?|reports?|manuals?|contracts?|versions?|polic(y|ies)|guides?)\b
    | \bwhat\ (has\ |was\ )?changed\ (between|since|from|in\ the)\b
    | \b(whole|entire|full)\ (document|report|manual|contract|policy|guide|text|file|book)\b
    | \bwhat\ is\ (this|the)\ (document|report|manual|contract|guide|paper|book)\ about\b
    | \b(across|throughout)\ (all|the)\b.*\b(documents?|reports?|manuals?|library)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a question is to be answered; `route` is what the reader is told."""

    kind: Kind
    route: Route


def plan(question: str, mode: Mode, settings: Settings) -> Plan:
    """Choose the path of a question."""
    if not settings.claude_configured:
        return Plan(
            "extractive", Route(model=EXTRACTIVE, reason="No Claude key is set, so sentences are quoted.")
        )
    fast, thorough = settings.fast_model, settings.thorough_model
    if mode == "fast":
        return Plan("lookup", Route(model=fast, reason="The fast answer was asked for."))
    if mode == "thorough":
        return Plan("synthesis", Route(model=thorough, reason="The thorough answer was asked for."))
    if asks_for_whole_documents(question):
        return Plan("synthesis", Route(model=thorough, reason="The question is about whole documents."))
    return Plan(
        "lookup", Route(model=fast, reason="The question asks for something a few passages can hold.")
    )


def asks_for_whole_documents(question: str) -> bool:
    return _WHOLE_DOCUMENT.search(question) is not None
