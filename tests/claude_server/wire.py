"""A reply as it goes over the wire: one JSON message, or server-sent events in the API's order.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from .models import Model
from .usage import InputUsage, tokens

Event = dict[str, Any]
Block = dict[str, Any]

_CHUNK = re.compile(r"\s*(?:\S+\s*){1,3}|\s+")


class Ending(Enum):
    """How a stream ends."""

    WHOLE = "with message_stop"
    ERROR = "with an error event"
    CUT = "with a dropped connection"
    SILENT = "cleanly, but without message_delta and message_stop"


@dataclass(frozen=True, slots=True)
class Plan:
    """One reply, ready to be sent. Delays are seconds."""

    blocks: Sequence[Block]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    ending: Ending = Ending.WHOLE
    error_type: str = ""
    error_message: str = ""
    before_first: float = 0.0
    delay_per_chunk: float = 0.0
    citations_first: bool = False


def text_block(text: str, citations: Sequence[dict[str, Any]] = ()) -> Block:
    return {"type": "text", "text": text, "citations": list(citations) or None}


def thinking_block(thinking: str) -> Block:
    signature = hashlib.sha256(thinking.encode()).hexdigest()
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def fitted(plan: Plan, body: dict[str, Any], model: Model) -> Plan:
    """`plan` cut short where the request's stop sequences or `max_tokens` end it, as the model would be."""
    if plan.ending is not Ending.WHOLE or plan.stop_reason != "end_turn":
        return plan
    kept: list[Block] = []
    left = body["max_tokens"]
    for block in plan.blocks:
        name = "thinking" if block["type"] == "thinking" else "text"
        stop = _first_stop(block[name], body.get("stop_sequences") or ()) if name == "text" else None
        if stop is not None:
            block = {**block, name: block[name][: block[name].index(stop)]}
        need = tokens(block[name], model)
        if need > left:
            short = {**block, name: block[name][: int(left * model.characters_per_token)]}
            return replace(plan, blocks=[*kept, short] if left else kept, stop_reason="max_tokens")
        if stop is not None:
            return replace(plan, blocks=[*kept, block], stop_reason="stop_sequence", stop_sequence=stop)
        kept.append(block)
        left -= need
    return plan


def message(plan: Plan, *, id: str, model: Model, usage: InputUsage) -> dict[str, Any]:
    """The body of a reply that is not streamed."""
    return {
        **_envelope(id, model),
        "content": list(plan.blocks),
        "stop_reason": plan.stop_reason,
        "stop_sequence": plan.stop_sequence,
        "stop_details": plan.stop_details,
        "usage": {**_input_usage(usage), **_output_usage(plan.blocks, model)},
    }


def events(plan: Plan, *, id: str, model: Model, usage: InputUsage, request_id: str) -> Iterator[Event]:
    """All events of a streamed reply, pings and unknown ones among them."""
    going_on: dict[str, Any] = {"stop_reason": None, "stop_sequence": None, "stop_details": None}
    begun: dict[str, Any] = {"content": [], **going_on, "usage": {**_input_usage(usage), "output_tokens": 1}}
    yield {"type": "message_start", "message": {**_envelope(id, model), **begun}}
    yield {"type": "ping"}
    for index, block in enumerate(plan.blocks):
        broken_off = plan.ending is not Ending.WHOLE and index == len(plan.blocks) - 1
        yield from _block_events(index, block, plan.citations_first, broken_off)
        if index == 0:
            # Clients must let events pass that they do not know.
            yield {"type": "server_notice", "notice": "ignore me"}
    if plan.ending is Ending.ERROR:
        error = {"type": plan.error_type, "message": plan.error_message}
        yield {"type": "error", "error": error, "request_id": request_id}
    if plan.ending is not Ending.WHOLE:
        return
    spent = _output_usage(plan.blocks, model)
    yield {"type": "message_delta", "delta": going_on, "usage": {"output_tokens": spent["output_tokens"]}}
    ended = {
        "stop_reason": plan.stop_reason,
        "stop_sequence": plan.stop_sequence,
        "stop_details": plan.stop_details,
    }
    yield {"type": "message_delta", "delta": ended, "usage": {**usage.wire(), **spent}}
    yield {"type": "message_stop"}


def writing_time(plan: Plan) -> float:
    """Seconds that the chunks of `plan` take together."""
    deltas = sum(len(list(_deltas(block, plan.citations_first))) for block in plan.blocks)
    return plan.delay_per_chunk * max(deltas - 1, 0)


def encoded(event: Event) -> bytes:
    data = json.dumps(event, ensure_ascii=False)
    # Half of a character goes over the wire as JSON can write it: escaped.
    return f"event: {event['type']}\ndata: {data}\n\n".encode(errors="backslashreplace")


def _block_events(index: int, block: Block, citations_first: bool, broken_off: bool) -> Iterator[Event]:
    empty: Block = (
        {"type": "thinking", "thinking": "", "signature": ""}
        if block["type"] == "thinking"
        else {"type": "text", "text": "", "citations": [] if block["citations"] else None}
    )
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in _deltas(block, citations_first):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    if not broken_off:
        yield {"type": "content_block_stop", "index": index}


def _deltas(block: Block, citations_first: bool) -> Iterator[Event]:
    if block["type"] == "thinking":
        for chunk in _chunks(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": chunk}
        yield {"type": "signature_delta", "signature": block["signature"]}
        return
    texts = [{"type": "text_delta", "text": chunk} for chunk in _chunks(block["text"])]
    citations = [{"type": "citations_delta", "citation": one} for one in block["citations"] or ()]
    yield from [*citations, *texts] if citations_first else [*texts, *citations]


def _chunks(text: str) -> list[str]:
    """`text` in pieces of up to three words."""
    return _CHUNK.findall(text)


def _first_stop(text: str, sequences: Sequence[str]) -> str | None:
    return min((one for one in sequences if one in text), key=text.index, default=None)


def _envelope(id: str, model: Model) -> dict[str, Any]:
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model.id,
        "container": None,
        "diagnostics": None,
    }


def _input_usage(usage: InputUsage) -> dict[str, Any]:
    return {
        **usage.wire(),
        "cache_creation": usage.written_by_ttl(),
        "service_tier": "standard",
        "inference_geo": "global",
    }


def _output_usage(blocks: Sequence[Block], model: Model) -> dict[str, Any]:
    """Thinking counts as output; the text of citations does not."""
    thought = sum(tokens(block["thinking"], model) for block in blocks if block["type"] == "thinking")
    said = sum(tokens(block["text"], model) for block in blocks if block["type"] == "text")
    return {"output_tokens": thought + said, "output_tokens_details": {"thinking_tokens": thought}}
