"""The replies that a test may enqueue. Each makes a `Plan` of how it goes over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from . import errors
from .models import Model
from .sources import Cite, Sources
from .wire import Block, Ending, Plan, text_block, thinking_block

DEFAULT_THINKING = "The answer should rest on the documents, so I look for the sentences that hold it."


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that passed the rules, as a reply sees it."""

    body: dict[str, Any]
    model: Model
    sources: Sources

    def thoughts(self) -> list[Block]:
        """The thinking that comes before the text, unless the request or its model turns it off."""
        config = self.body.get("thinking")
        if not self.model.thinks(config):
            return []
        shown = (config or {}).get("display") != "omitted"
        block = thinking_block(DEFAULT_THINKING)
        return [block if shown else {**block, "thinking": ""}]

    def says(self, text: str) -> list[Block]:
        """Thinking, then `text`; an empty text makes no block."""
        return [*self.thoughts(), *([text_block(text)] if text else [])]


class Reply(Protocol):
    def plan(self, asked: Asked) -> Plan: ...


@dataclass(frozen=True, slots=True)
class ErrorStatus:
    """An HTTP error instead of an answer; `type` and `message` follow from `status` unless given."""

    status: int
    type: str = ""
    message: str = "Enqueued by a test"
    headers: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] | None = None

    def body(self, request_id: str) -> dict[str, Any]:
        kind = self.type or errors.TYPES.get(self.status, "api_error")
        details = dict(self.details) if self.details else None
        return errors.body(kind, self.message, request_id=request_id, details=details)


def rate_limited(retry_after: float = 1) -> ErrorStatus:
    """A 429 that says when to come again."""
    headers = {"retry-after": f"{retry_after:g}"}
    return ErrorStatus(429, message="This request would exceed your rate limit", headers=headers)


def spend_cap() -> ErrorStatus:
    """A 429 that waiting does not cure: it has no `retry-after`."""
    return ErrorStatus(
        429,
        message="You have reached your specified API usage limits",
        details={"error_code": "enforced_spend_limit_reached"},
    )


class Part:
    """A text block of its own with the citations that support it."""

    def __init__(self, text: str, *cites: Cite) -> None:
        self.text = text
        self.cites = cites


class Text:
    """A whole answer; a plain string among `parts` is an uncited text block.

    `citations_first` sends a block's citations before its text: the API promises no order.
    """

    def __init__(self, *parts: str | Part, citations_first: bool = False) -> None:
        self.parts = [part if isinstance(part, Part) else Part(part) for part in parts]
        self.citations_first = citations_first

    def plan(self, asked: Asked) -> Plan:
        said = [text_block(part.text, [asked.sources.citation(c) for c in part.cites]) for part in self.parts]
        return Plan([*asked.thoughts(), *said], citations_first=self.citations_first)


@dataclass(frozen=True, slots=True)
class Thinking:
    """`then` with this thinking before it, whatever the request says about thinking."""

    thinking: str
    then: str | Reply

    def plan(self, asked: Asked) -> Plan:
        plan = as_reply(self.then).plan(asked)
        said = [block for block in plan.blocks if block["type"] != "thinking"]
        return replace(plan, blocks=[thinking_block(self.thinking), *said])


@dataclass(frozen=True, slots=True)
class Slow:
    """`then` with delays in seconds: before the response begins, and before each further chunk of text."""

    then: str | Reply
    delay_per_chunk: float = 0.05
    before_first: float = 0.0

    def plan(self, asked: Asked) -> Plan:
        plan = as_reply(self.then).plan(asked)
        return replace(plan, delay_per_chunk=self.delay_per_chunk, before_first=self.before_first)


@dataclass(frozen=True, slots=True)
class MidStreamError:
    """An `error` event after partial text; without streaming the HTTP error of that type."""

    after_text: str
    type: str = "overloaded_error"
    message: str = "Overloaded"

    def plan(self, asked: Asked) -> Plan:
        return Plan(
            asked.says(self.after_text), ending=Ending.ERROR, error_type=self.type, error_message=self.message
        )


@dataclass(frozen=True, slots=True)
class CutConnection:
    """The connection drops in the middle of the response body."""

    after_text: str = ""

    def plan(self, asked: Asked) -> Plan:
        return Plan(asked.says(self.after_text), ending=Ending.CUT)


@dataclass(frozen=True, slots=True)
class CleanEndWithoutStop:
    """The stream ends in good order, but says nothing of having ended. Only for streaming."""

    after_text: str

    def plan(self, asked: Asked) -> Plan:
        return Plan(asked.says(self.after_text), ending=Ending.SILENT)


@dataclass(frozen=True, slots=True)
class Refusal:
    """HTTP 200 and a refusal, perhaps after text that the client must discard."""

    partial_text: str = ""
    category: str | None = None

    def plan(self, asked: Asked) -> Plan:
        details = {"type": "refusal", "category": self.category, "explanation": None}
        blocks = asked.says(self.partial_text) if self.partial_text else []
        return Plan(blocks, stop_reason="refusal", stop_details=details)


@dataclass(frozen=True, slots=True)
class MaxTokens:
    """The answer reaches `max_tokens` after `text`; with an empty text all went into thinking."""

    text: str | Text

    def plan(self, asked: Asked) -> Plan:
        if isinstance(self.text, Text):
            return replace(self.text.plan(asked), stop_reason="max_tokens")
        return Plan(asked.says(self.text), stop_reason="max_tokens")


@dataclass(frozen=True, slots=True)
class ContextExceeded:
    """The answer fills the context window after `text`."""

    text: str = ""

    def plan(self, asked: Asked) -> Plan:
        return Plan(asked.says(self.text), stop_reason="model_context_window_exceeded")


@dataclass(frozen=True, slots=True)
class InvalidCitation:
    """A citation that points at nothing in the request: the API promises that this never comes."""

    text: str
    cite: Cite = field(default_factory=lambda: Cite(99))
    cited_text: str = "Words that no document holds."
    source: str = "unknown"

    def plan(self, asked: Asked) -> Plan:
        citation = {
            "type": "search_result_location",
            "cited_text": self.cited_text,
            "source": self.source,
            "title": None,
            "search_result_index": self.cite.index,
            "start_block_index": self.cite.start,
            "end_block_index": self.cite.end,
        }
        return Plan([*asked.thoughts(), text_block(self.text, [citation])])


def as_reply(reply: str | Reply) -> Reply:
    return Text(reply) if isinstance(reply, str) else reply
