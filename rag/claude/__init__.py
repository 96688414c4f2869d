"""The one place that speaks Anthropic: client, blocks, prices and prompts."""

from rag.claude.client import (
    CitationPointer,
    ClaudeClient,
    Finished,
    SearchResult,
    SectionEnd,
    Spent,
    StreamEvent,
    TextDelta,
)
from rag.claude.prices import Usage, load_prices
from rag.claude.prompts import prompt

__all__ = [
    "CitationPointer",
    "ClaudeClient",
    "Finished",
    "SearchResult",
    "SectionEnd",
    "Spent",
    "StreamEvent",
    "TextDelta",
    "Usage",
    "load_prices",
    "prompt",
]
