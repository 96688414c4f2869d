"""The one place that speaks Anthropic: client, blocks, prices and prompts."""

from rag.claude.client import (
    CitationPointer,
    ClaudeClient,
    Completion,
    Finished,
    Prompt,
    SearchResult,
    SectionEnd,
    Spent,
    StreamEvent,
    TextDelta,
    Turn,
)
from rag.claude.prices import Usage, load_prices
from rag.claude.prompts import prompt

__all__ = [
    "CitationPointer",
    "ClaudeClient",
    "Completion",
    "Finished",
    "Prompt",
    "SearchResult",
    "SectionEnd",
    "Spent",
    "StreamEvent",
    "TextDelta",
    "Turn",
    "Usage",
    "load_prices",
    "prompt",
]
