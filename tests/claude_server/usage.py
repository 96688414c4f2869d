"""Tokens, estimated but always alike, and a prompt cache that reads and writes as the API's does.

https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from .models import Model
from .sources import citable

LOOKBACK = 20
"""A breakpoint finds a known prefix that ends at most so many blocks before it, its own block counted."""

_PER_BLOCK = 4
_PER_IMAGE = 1600
_BASE64_PER_TOKEN = 40


def tokens(text: str, model: Model) -> int:
    return math.ceil(len(text) / model.characters_per_token)


def prompt_tokens(body: dict[str, Any], model: Model) -> int:
    return sum(segment.tokens for segment in _segments(body, model))


@dataclass(frozen=True, slots=True)
class InputUsage:
    """How the tokens of one prompt are billed: `input`, `written` and `read` add up to the whole prompt."""

    input: int
    written: int = 0
    read: int = 0
    written_for_an_hour: int = 0

    def wire(self) -> dict[str, int]:
        return {
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.written,
            "cache_read_input_tokens": self.read,
        }

    def written_by_ttl(self) -> dict[str, int]:
        return {
            "ephemeral_5m_input_tokens": self.written - self.written_for_an_hour,
            "ephemeral_1h_input_tokens": self.written_for_an_hour,
        }


class PromptCache:
    """Remembers prefixes byte for byte. No time passes in it: nothing expires before `forget`."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def forget(self) -> None:
        self._known.clear()

    def use(self, body: dict[str, Any], model: Model, key: str) -> InputUsage:
        """Read the longest known prefix, write those that end at breakpoints, tell what each costs."""
        segments = list(_segments(body, model))
        sizes = list(accumulate(segment.tokens for segment in segments))
        prefixes = list(_prefix_hashes(segments, _settings(body, model, key)))
        ends = [i for i, one in enumerate(segments) if one.ttl and sizes[i] >= model.least_cacheable]
        if not ends:
            return InputUsage(sizes[-1])
        near = {i for end in ends for i in range(max(end - LOOKBACK + 1, 0), end + 1)}
        read = max((sizes[i] for i in near if prefixes[i] in self._known), default=0)
        self._known.update(prefixes[end] for end in ends)
        bounds = [0, *(sizes[end] for end in ends)]
        an_hour = sum(
            bounds[n + 1] - max(bounds[n], read)
            for n, end in enumerate(ends)
            if segments[end].ttl == "1h" and bounds[n + 1] > read
        )
        cached = bounds[-1]
        return InputUsage(sizes[-1] - cached, written=cached - read, read=read, written_for_an_hour=an_hour)


@dataclass(frozen=True, slots=True)
class _Segment:
    """One block of a prompt; `ttl` is set where a cache breakpoint follows it."""

    data: bytes
    tokens: int
    ttl: str | None


def _segments(body: dict[str, Any], model: Model) -> Iterator[_Segment]:
    """The prompt's blocks in the order in which the API caches them: tools, system, messages."""
    places = [
        *(("tools", tool) for tool in body.get("tools") or ()),
        *(("system", block) for block in _listed(body.get("system") or [])),
        *((message["role"], block) for message in body["messages"] for block in _flat(message["content"])),
    ]
    for n, (place, block) in enumerate(places):
        control = block.get("cache_control")
        if control is None and n == len(places) - 1:
            control = body.get("cache_control")
        bare = {name: value for name, value in block.items() if name != "cache_control"}
        data = json.dumps([place, bare], ensure_ascii=False).encode()
        yield _Segment(data, _block_tokens(bare, model), control.get("ttl", "5m") if control else None)


def _listed(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _flat(content: Any) -> Iterator[dict[str, Any]]:
    """Message blocks with the parts of tool results on their own, as each may carry a breakpoint."""
    for block in _listed(content):
        if block["type"] == "tool_result" and block.get("content"):
            yield from _listed(block["content"])
            yield {**block, "content": []}
        else:
            yield block


def _block_tokens(block: dict[str, Any], model: Model) -> int:
    kind = block.get("type")
    if kind == "image":
        return _PER_IMAGE
    if kind == "text":
        return _PER_BLOCK + tokens(block["text"], model)
    if kind in ("search_result", "document"):
        alone = {"messages": [{"role": "user", "content": [block]}]}
        (source,) = citable(alone).items
        text = "".join([source.title or "", source.source, *source.texts])
        scanned = "" if source.texts else json.dumps(block["source"])
        return _PER_BLOCK + tokens(text, model) + len(scanned) // _BASE64_PER_TOKEN
    return _PER_BLOCK + tokens(json.dumps(block, ensure_ascii=False), model)


def _settings(body: dict[str, Any], model: Model, key: str) -> bytes:
    """What must be the same for a prefix to be found again; citations are in its own bytes."""
    parts = [key, model.id, body.get("thinking"), body.get("output_config")]
    return json.dumps(parts, sort_keys=True).encode()


def _prefix_hashes(segments: list[_Segment], seed: bytes) -> Iterator[str]:
    running = hashlib.sha256(seed)
    for segment in segments:
        running.update(len(segment.data).to_bytes(8) + segment.data)
        yield running.hexdigest()
