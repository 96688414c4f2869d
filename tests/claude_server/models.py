"""The models that the server knows: what each accepts, and how long it lives. Read on 2026-11-24."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

EFFORTS = ("low", "medium", "high", "xhigh", "max")
THINKING_TYPES = ("adaptive", "between_tools", "disabled", "enabled")


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the table; `thinking` are the accepted `thinking.type` values, the default one first."""

    id: str
    name: str
    context: int
    max_output: int
    thinking: tuple[str, ...]
    least_cacheable: int
    prefill: bool
    forced_tools: bool
    effort: bool
    characters_per_token: float
    retires: str | None = None

    def thinks(self, config: dict[str, Any] | None) -> bool:
        """Whether a request with this `thinking` setting gets thinking blocks before its text."""
        return (config or {}).get("type", self.thinking[0]) in ("adaptive", "enabled")


_UNKNOWN_DATE = "1970-01-01T00:00:00Z"

# The newer tokenizer makes about 30 % more tokens of the same text.
_OLD_TOKENS, _NEW_TOKENS = 4.0, 4.0 / 1.3

MODELS = {
    model.id: model
    for model in (
        Model(
            id="claude-haiku-5-5",
            name="Claude Haiku 5.5",
            context=1_000_000,
            max_output=128_000,
            thinking=("adaptive", "disabled"),
            least_cacheable=512,
            prefill=False,
            forced_tools=True,
            effort=True,
            characters_per_token=_NEW_TOKENS,
        ),
        Model(
            id="claude-sonnet-5-5",
            name="Claude Sonnet 5.5",
            context=1_000_000,
            max_output=128_000,
            thinking=("adaptive", "between_tools"),
            least_cacheable=512,
            prefill=False,
            forced_tools=False,
            effort=True,
            characters_per_token=_NEW_TOKENS,
        ),
        Model(
            id="claude-haiku-4-5",
            name="Claude Haiku 4.5",
            context=200_000,
            max_output=64_000,
            thinking=("disabled", "enabled"),
            least_cacheable=4096,
            prefill=True,
            forced_tools=True,
            effort=False,
            characters_per_token=_OLD_TOKENS,
        ),
        Model(
            id="claude-sonnet-4-5",
            name="Claude Sonnet 4.5",
            context=200_000,
            max_output=64_000,
            thinking=("disabled", "enabled"),
            least_cacheable=1024,
            prefill=True,
            forced_tools=True,
            effort=False,
            characters_per_token=_OLD_TOKENS,
            retires="2026-11-30T00:00:00Z",
        ),
    )
}


def info(model: Model) -> dict[str, Any]:
    """The body of `GET /v1/models/{id}`."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": _UNKNOWN_DATE,
        "deprecated_at": _UNKNOWN_DATE if model.retires else None,
        "lifecycle": "deprecated" if model.retires else "active",
        "line": model.id.split("-")[1],
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "retires_at": model.retires,
        "capabilities": _capabilities(model),
    }


def page(lifecycles: set[str], after: str | None, limit: int) -> dict[str, Any]:
    """The body of `GET /v1/models`."""
    known = [info(model) for model in MODELS.values()]
    listed = [one for one in known if one["lifecycle"] in lifecycles]
    start = next((i + 1 for i, one in enumerate(listed) if one["id"] == after), 0)
    data = listed[start : start + limit]
    return {
        "data": data,
        "has_more": start + limit < len(listed),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def _capabilities(model: Model) -> dict[str, Any]:
    def support(value: bool) -> dict[str, bool]:
        return {"supported": value}

    return {
        "batch": support(True),
        "citations": support(True),
        "code_execution": support(True),
        "context_management": support(False),
        "effort": {**support(model.effort), **{level: support(model.effort) for level in EFFORTS}},
        "image_input": support(True),
        "pdf_input": support(True),
        "server_tools": {**support(False), "code_execution": support(False), "web_search": support(False)},
        "structured_outputs": support(True),
        "thinking": {
            **support(True),
            "types": {kind: support(kind in model.thinking) for kind in THINKING_TYPES},
        },
    }
