"""The official async SDK, set up by our settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.settings import Settings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


def connect(settings: Settings) -> AsyncAnthropic:
    """A client of the API, with the SDK's own retries. Close it at the end."""
    import anthropic

    key = settings.anthropic_api_key
    return anthropic.AsyncAnthropic(
        # A server of the protocol that needs no key still wants the header.
        api_key=key.get_secret_value() if key else "none",
        base_url=settings.anthropic_base_url,
        timeout=settings.claude_timeout,
    )
