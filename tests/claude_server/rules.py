"""What the API rejects in a request as a whole; `content.py` has the rules of its blocks.

The names of fields are those of the SDK's types. Messages follow the API's wording, on which no client
may rely.
https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .content import check_messages, check_nothing_is_cited, check_system, require, type_of
from .errors import Rejected
from .models import EFFORTS, MODELS, THINKING_TYPES, Model

API_VERSION = "2026-10-21"
BAD_KEY = "bad-key"
LARGEST_BODY = 32_000_000
MOST_BREAKPOINTS = 4
SMALLEST_BUDGET = 1024

COUNT_FIELDS = frozenset(
    "cache_control messages model output_config speed system thinking tool_choice tools".split()
)
CREATE_FIELDS = COUNT_FIELDS | frozenset(
    "container diagnostics inference_geo max_tokens metadata service_tier stop_sequences stream".split()
)


def check_headers(headers: Mapping[str, str], keys: Collection[str] | None) -> str:
    """The key of a request that may pass; any key but `BAD_KEY` when `keys` is None."""
    key = headers.get("x-api-key", "")
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if not key and scheme.lower() == "bearer":
        key = bearer.strip()
    if not key:
        raise Rejected("x-api-key or Authorization header is required", status=401)
    if key == BAD_KEY or (keys is not None and key not in keys):
        raise Rejected("invalid x-api-key", status=401)
    version = headers.get("anthropic-version")
    require(version is not None, "anthropic-version: header is required")
    require(version == API_VERSION, f'anthropic-version: "{version}" is not a valid version')
    return key


def parse(raw: bytes) -> dict[str, Any]:
    if len(raw) > LARGEST_BODY:
        raise Rejected("Request exceeds the maximum size", status=413)
    try:
        body: dict[str, Any] = json.loads(raw)
    except ValueError:
        raise Rejected("The request body is not valid JSON") from None
    require(isinstance(body, dict), "The request body must be an object")
    return body


def find_model(name: str) -> Model:
    if name not in MODELS:
        raise Rejected(f"model: {name}", status=404)
    return MODELS[name]


def check_create(body: dict[str, Any]) -> Model:
    """The model of a `POST /v1/messages` that the API would take."""
    model = _check_shared(body, CREATE_FIELDS)
    require("max_tokens" in body, "max_tokens: Field required")
    limit = body["max_tokens"]
    require(type_of(limit) is int, "max_tokens: Input should be a valid integer")
    # Zero fills the prompt cache and generates nothing.
    require(limit >= 0, "max_tokens: Input should be greater than or equal to 0")
    require(
        limit <= model.max_output,
        f"max_tokens: {limit} > {model.max_output}, which is the maximum allowed number for {model.id}",
    )
    require(type_of(body.get("stream", False)) is bool, "stream: Input should be a valid boolean")
    budget = (body.get("thinking") or {}).get("budget_tokens")
    require(budget is None or budget < limit, "max_tokens: must be greater than thinking.budget_tokens")
    return model


def check_count(body: dict[str, Any]) -> Model:
    """The model of a `POST /v1/messages/count_tokens` that the API would take."""
    return _check_shared(body, COUNT_FIELDS)


def check_length(tokens: int, model: Model) -> None:
    require(tokens <= model.context, f"prompt is too long: {tokens} tokens > {model.context} maximum")


def breakpoints(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Every `cache_control` in the order tools, system, messages; the top-level one last."""
    places = [body.get("tools"), body.get("system"), body["messages"]]
    found = [control for place in places for control in _controls(place)]
    return found + ([body["cache_control"]] if body.get("cache_control") else [])


def _check_shared(body: dict[str, Any], fields: Collection[str]) -> Model:
    for name in body:
        require(name in fields, f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages"):
        require(name in body, f"{name}: Field required")
    require(isinstance(body["model"], str), "model: Input should be a valid string")
    model = find_model(body["model"])
    check_messages(body["messages"])
    check_system(body.get("system"))
    require(
        model.prefill or body["messages"][-1]["role"] != "assistant",
        "This model does not support assistant message prefill: the last message must be a user message",
    )
    _check_thinking(body.get("thinking"), model)
    _check_output(body, model)
    _check_tools(body, model)
    _check_breakpoints(body)
    return model


def _check_thinking(config: Any, model: Model) -> None:
    if config is None:
        return
    require(isinstance(config, dict) and "type" in config, "thinking.type: Field required")
    kind = config["type"]
    require(
        kind in THINKING_TYPES,
        f"thinking: Input tag '{kind}' found using 'type' is not one of the expected tags",
    )
    require(kind in model.thinking, f'"thinking.type.{kind}" is not supported for this model.')
    fields = {"adaptive": {"display"}, "enabled": {"budget_tokens", "display"}}.get(kind, set())
    for name in config.keys() - {"type"} - fields:
        raise Rejected(f"thinking.{kind}.{name}: Extra inputs are not permitted")
    if kind == "enabled":
        budget = config.get("budget_tokens")
        require(type_of(budget) is int, "thinking.enabled.budget_tokens: Field required")
        require(
            budget >= SMALLEST_BUDGET,
            f"thinking.enabled.budget_tokens: Input should be greater than or equal to {SMALLEST_BUDGET}",
        )


def _check_output(body: dict[str, Any], model: Model) -> None:
    config = body.get("output_config") or {}
    for name in config.keys() - {"effort", "format"}:
        raise Rejected(f"output_config.{name}: Extra inputs are not permitted")
    effort = config.get("effort")
    require(
        effort is None or effort in EFFORTS,
        f"output_config.effort: Input should be one of {', '.join(EFFORTS)}",
    )
    require(effort is None or model.effort, "This model does not support the effort parameter.")
    form = config.get("format")
    if form is None:
        return
    check_nothing_is_cited(body["messages"])
    require(form.get("type") == "json_schema", "output_config.format.type: Input should be 'json_schema'")
    require(isinstance(form.get("schema"), dict), "output_config.format.schema: Field required")
    for schema in _schemas(form["schema"]):
        kinds = schema.get("type")
        if kinds == "object" or (isinstance(kinds, list) and "object" in kinds) or "properties" in schema:
            require(
                schema.get("additionalProperties") is False,
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be false",
            )


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A JSON schema and all schemas within it; the names of properties are no keywords."""
    if not isinstance(schema, dict):
        return
    yield schema
    for name, value in schema.items():
        if name in ("properties", "$defs", "definitions"):
            inner = list(value.values())
        elif name in ("items", "anyOf", "allOf", "oneOf"):
            inner = value if isinstance(value, list) else [value]
        else:
            inner = []
        for one in inner:
            yield from _schemas(one)


def _check_tools(body: dict[str, Any], model: Model) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    require(
        kind in ("auto", "any", "tool", "none"), "tool_choice.type: Input should be auto, any, tool or none"
    )
    require(
        bool(body.get("tools")) or kind == "none", "tool_choice may only be specified while providing tools"
    )
    forced = kind in ("any", "tool")
    require(model.forced_tools or not forced, f'tool_choice.type "{kind}" is not supported for this model.')


def _check_breakpoints(body: dict[str, Any]) -> None:
    found = breakpoints(body)
    require(
        len(found) <= MOST_BREAKPOINTS,
        f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {len(found)}.",
    )
    for control in found:
        require(
            isinstance(control, dict) and control.get("type") == "ephemeral",
            "cache_control.type: Input should be 'ephemeral'",
        )
        require(
            control.get("ttl", "5m") in ("5m", "1h"),
            "cache_control.ephemeral.ttl: Input should be '5m' or '1h'",
        )


def _controls(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _controls(item)
    elif isinstance(value, dict):
        yield from _controls(value.get("content"))
        if value.get("cache_control") is not None:
            yield value["cache_control"]
