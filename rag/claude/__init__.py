"""The one place that speaks Anthropic: client, requests, failures, prices and prompts."""

from rag.claude.client import ClaudeClient
from rag.claude.events import (
    CitationPointer,
    Completion,
    Finished,
    Form,
    Payer,
    Prompt,
    SearchResult,
    SectionEnd,
    StreamEvent,
    TextDelta,
    Turn,
)
from rag.claude.prices import Usage, load_prices
from rag.claude.prompts import prompt
from rag.claude.tokens import estimated_tokens

__all__ = [
    "CitationPointer",
    "ClaudeClient",
    "Completion",
    "Finished",
    "Form",
    "Payer",
    "Prompt",
    "SearchResult",
    "SectionEnd",
    "StreamEvent",
    "TextDelta",
    "Turn",
    "Usage",
    "estimated_tokens",
    "load_prices",
    "prompt",
]
