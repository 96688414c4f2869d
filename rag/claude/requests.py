"""The body of a request: stable parts first, so that Claude can keep them, the question last.

https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rag.claude.events import Form, Prompt, SearchResult, Turn
from rag.claude.prices import Keep, PriceTable

Body = dict[str, Any]
"""A Messages request but for `stream`: the SDK has one type for each value of it."""

OMITTED = "(The beginning of the conversation is left out.)"
"""Said in the user's place where a conversation begins with the assistant, which the API refuses."""


def request_body(prices: PriceTable, model: str, asked: Prompt | Form, max_tokens: int, keep: Keep) -> Body:
    """A request for an answer with citations, or for JSON by a schema, which the API allows only without.

    `keep` is how long Claude keeps its stable parts.
    """
    thinking = _thinking(prices, model)
    if isinstance(asked, Form):
        form = {"type": "json_schema", "schema": asked.schema}
        return {
            "model": model,
            "max_tokens": max_tokens,
            "system": _system(asked.system, keep),
            "messages": [{"role": "user", "content": asked.content}],
            **thinking,
            "output_config": {**thinking.get("output_config", {}), "format": form},
        }
    results = _search_results(asked.results, cite=asked.cite)
    if asked.keep_results and results:
        results[-1].update(_kept(keep))
    return {
        "model": model,
        "max_tokens": max_tokens,
        "system": _system(asked.system, keep),
        "messages": _messages(results, asked.history, asked.question),
        **thinking,
    }


def texts_of(body: Body) -> Iterator[str]:
    """All that Claude reads of a request, the schema too: a text for each block of it."""
    for block in body["system"]:
        yield block["text"]
    for message in body["messages"]:
        if isinstance(message["content"], str):
            yield message["content"]
            continue
        for block in message["content"]:
            if block["type"] == "search_result":
                yield block["source"] + block["title"]
                yield from (sentence["text"] for sentence in block["content"])
            else:
                yield block["text"]
    if "format" in body.get("output_config", {}):
        yield json.dumps(body["output_config"]["format"]["schema"], ensure_ascii=False)


def _thinking(prices: PriceTable, model: str) -> Body:
    """Thinking off where the model allows it, else less than by default: it costs money and time."""
    known = prices.models.get(model)
    if known is None:
        return {}
    if known.thinking_can_be_off:
        return {"thinking": {"type": "disabled"}}
    return {"output_config": {"effort": "medium"}}


def _kept(keep: Keep) -> Body:
    """The breakpoint up to which Claude keeps a prompt; five minutes need no saying."""
    if keep == "off":
        return {}
    return {"cache_control": {"type": "ephemeral"} if keep == "5m" else {"type": "ephemeral", "ttl": "1h"}}


def _system(text: str, keep: Keep) -> list[Body]:
    return [{"type": "text", "text": text, **_kept(keep)}]


def _messages(results: Sequence[Body], history: Sequence[Turn], question: str) -> list[Body]:
    """Documents, earlier turns, question; turns of one role in a row are merged, as the API wants it."""
    said = [turn for turn in history if turn.text.strip()]
    messages: list[Body] = []
    if results:
        messages.append({"role": "user", "content": [*results]})
    elif said and said[0].role == "assistant":
        messages.append({"role": "user", "content": [{"type": "text", "text": OMITTED}]})
    for turn in (*said, Turn("user", question)):
        if not messages or messages[-1]["role"] != turn.role:
            messages.append({"role": turn.role, "content": []})
        messages[-1]["content"].append({"type": "text", "text": turn.text})
    return messages


def _search_results(results: Sequence[SearchResult], *, cite: bool) -> list[Body]:
    return [
        {
            "type": "search_result",
            "source": result.source,
            "title": result.title,
            "content": [{"type": "text", "text": sentence} for sentence in result.sentences],
            "citations": {"enabled": cite},
        }
        for result in results
    ]
