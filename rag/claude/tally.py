"""One attempt as it comes in: the API's events as ours, what they cost, and whether the answer is whole."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rag.claude.events import CitationPointer, SectionEnd, StreamEvent, TextDelta
from rag.claude.failures import Failed
from rag.claude.prices import Usage
from rag.claude.tokens import estimated_tokens
from rag.errors import AnswerCutOff, AnswerRefused, ContextExceeded

if TYPE_CHECKING:
    from anthropic.types import RawMessageStreamEvent


NOTHING = Usage()
HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, a surrogate: no reply of ours can hold one alone."""


class Tally:
    """Turns the API's events into ours and keeps the account.

    `alive` says that the model has begun to write or think, `begun` that a word of the answer has come.
    """

    def __init__(self) -> None:
        self.alive = False
        self.begun = False
        self._kind = ""
        self._half = ""
        self._written: list[str] = []
        self._usage = Usage()
        self._stop_reason: str | None = None
        self._stopped = False

    def take(self, event: RawMessageStreamEvent) -> list[StreamEvent]:
        if event.type == "message_start":
            self._account(event.message.usage)
        elif event.type == "content_block_start":
            self._kind = event.content_block.type
            if event.content_block.type == "text":
                return self._text(event.content_block.text)
        elif event.type == "content_block_delta":
            self.alive = True
            return self._delta(event.delta)
        elif event.type == "content_block_stop":
            return [*self._text("", last=True), SectionEnd()] if self._kind == "text" else []
        elif event.type == "message_delta":
            self._account(event.usage)
            self._stop_reason = event.delta.stop_reason or self._stop_reason
        elif event.type == "message_stop":
            self._stopped = True
        return []

    @property
    def reached_limit(self) -> bool:
        return self._stop_reason == "max_tokens"

    @property
    def usage(self) -> Usage:
        """As the API told it; of a stream that broke off, what had been written by then is estimated.

        The API tells the output only at the end, but bills it all the same.
        """
        if self._stop_reason is not None or not self._written:
            return self._usage
        written = estimated_tokens("".join(self._written))
        return replace(self._usage, output_tokens=max(self._usage.output_tokens, written))

    def check(self) -> None:
        """Raise Failed unless the answer is whole, or has at least begun when it reached its limit."""
        if self._stop_reason == "refusal":
            raise Failed(AnswerRefused("the model declined to answer this question"))
        if self._stop_reason == "model_context_window_exceeded":
            raise Failed(ContextExceeded("the documents are larger than the model can read at once"))
        if not self._stopped or self._stop_reason is None:
            raise Failed(AnswerCutOff("the answer ended before it was whole"), retry=True, unavailable=True)
        if self.reached_limit and not self.begun:
            raise Failed(AnswerCutOff("the model used up its limit before the first word of its answer"))

    def _text(self, text: str, *, last: bool = False) -> list[StreamEvent]:
        """A piece of the answer; the half of a character at its end waits for the other half."""
        text, self._half = self._half + text, ""
        if not last and "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        if not text:
            return []
        self.begun = True
        self._written.append(text)
        return [TextDelta(whole_characters(text))]

    def _delta(self, delta: Any) -> list[StreamEvent]:
        if delta.type == "text_delta":
            return self._text(delta.text)
        if delta.type == "thinking_delta":
            self._written.append(delta.thinking)
        if delta.type == "citations_delta" and delta.citation.type == "search_result_location":
            place = delta.citation
            return [
                CitationPointer(place.search_result_index, place.start_block_index, place.end_block_index)
            ]
        return []

    def _account(self, usage: Any) -> None:
        self._usage = usage_of(usage, self._usage)


def usage_of(usage: Any, before: Usage = NOTHING) -> Usage:
    """The API's usage as ours. It is cumulative: later figures replace earlier ones, where it gives any."""
    by_time = getattr(usage, "cache_creation", None)
    return Usage(
        input_tokens=_given(usage.input_tokens, before.input_tokens),
        cache_write_tokens=_given(usage.cache_creation_input_tokens, before.cache_write_tokens),
        cache_read_tokens=_given(usage.cache_read_input_tokens, before.cache_read_tokens),
        output_tokens=_given(usage.output_tokens, before.output_tokens),
        hour_write_tokens=by_time.ephemeral_1h_input_tokens if by_time else before.hour_write_tokens,
    )


def whole_characters(text: str) -> str:
    """The text with halves of characters joined, and with U+FFFD for each that is alone."""
    if not HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _given(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
