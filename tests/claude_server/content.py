"""What the API rejects in system prompts, messages and their content blocks."""

from __future__ import annotations

from typing import Any

from .errors import Rejected
from .sources import blocks, cites

_USER_BLOCKS = {"text", "image", "document", "search_result", "tool_result", "container_upload"}
_ASSISTANT_BLOCKS = {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"}
_RESULT_BLOCKS = {"text", "image", "document", "search_result", "tool_reference", "browser_state"}

BLOCK_FIELDS = {
    "text": {"type", "text", "cache_control", "citations"},
    "search_result": {"type", "source", "title", "content", "cache_control", "citations"},
    "document": {"type", "source", "title", "context", "cache_control", "citations"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "toolset_name", "cache_control"},
}


def require(condition: bool, message: str) -> None:
    """Raises Rejected with status 400 where `condition` is false."""
    if not condition:
        raise Rejected(message)


def type_of(value: Any) -> type:
    """Tells true and 1 apart, which isinstance does not."""
    return type(value)


def check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    require(isinstance(system, list), "system: Input should be a valid string or list")
    for i, block in enumerate(system):
        require(
            isinstance(block, dict) and block.get("type") == "text",
            f"system.{i}.type: Input should be 'text'",
        )
        _check_text(block, f"system.{i}", "system")


def check_messages(messages: Any) -> None:
    require(isinstance(messages, list), "messages: Input should be a valid list")
    require(bool(messages), "messages: at least one message is required")
    uses: set[str] = set()
    for i, message in enumerate(messages):
        where = f"messages.{i}"
        require(isinstance(message, dict), f"{where}: Input should be an object")
        for name in message.keys() - {"role", "content"}:
            raise Rejected(f"{where}.{name}: Extra inputs are not permitted")
        role = message.get("role")
        require(
            role in ("user", "assistant", "system"), f"{where}.role: Input should be 'user' or 'assistant'"
        )
        require(i > 0 or role == "user", 'messages: first message must use the "user" role')
        require("content" in message, f"{where}.content: Field required")
        last = i == len(messages) - 1
        require(
            bool(message["content"]) or (last and role == "assistant"),
            f"{where}: all messages must have non-empty content except for a final assistant message",
        )
        _check_content(message["content"], role, where, uses)
        uses = _tool_uses(message["content"]) if role == "assistant" else set()
    require(
        len(_citations(messages)) < 2,
        "messages: citations must be enabled for all documents and search results, or for none",
    )


def check_nothing_is_cited(messages: list[dict[str, Any]]) -> None:
    """Citations cannot be woven into an answer that must be JSON."""
    require(
        True not in _citations(messages),
        "output_config.format: Citations cannot be used with structured output.",
    )


def _check_content(content: Any, role: str, where: str, uses: set[str]) -> None:
    if isinstance(content, str):
        return
    require(isinstance(content, list), f"{where}.content: Input should be a valid string or list")
    allowed = {"user": _USER_BLOCKS, "assistant": _ASSISTANT_BLOCKS, "system": {"text"}}[role]
    for j, block in enumerate(content):
        _check_block(block, f"{where}.content.{j}", allowed)
        if block["type"] == "tool_result":
            require(
                block["tool_use_id"] in uses,
                f"{where}.content.{j}: unexpected `tool_use_id` in a `tool_result` block: each must have "
                "a corresponding `tool_use` block in the previous message",
            )


def _check_block(block: Any, where: str, allowed: set[str]) -> None:
    require(isinstance(block, dict) and "type" in block, f"{where}.type: Field required")
    kind = block["type"]
    require(
        kind in allowed,
        f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags",
    )
    for name in block.keys() - BLOCK_FIELDS.get(kind, block.keys()):
        raise Rejected(f"{where}.{kind}.{name}: Extra inputs are not permitted")
    if kind == "text":
        # White space between two cited blocks is what the API itself writes.
        _check_text(block, f"{where}.text", "messages", blank=allowed is _ASSISTANT_BLOCKS)
    elif kind == "search_result":
        _check_search_result(block, f"{where}.search_result")
    elif kind == "document":
        _check_document(block, f"{where}.document")
    elif kind == "tool_result":
        _check_tool_result(block, f"{where}.tool_result")


def _check_text(block: dict[str, Any], where: str, place: str, *, blank: bool = False) -> None:
    for name in block.keys() - BLOCK_FIELDS["text"]:
        raise Rejected(f"{where}.{name}: Extra inputs are not permitted")
    text: Any = block.get("text")
    require(isinstance(text, str), f"{where}.text: Field required")
    require(bool(text), f"{place}: text content blocks must be non-empty")
    require(blank or bool(text.strip()), f"{place}: text content blocks must contain non-whitespace text")


def _check_search_result(block: dict[str, Any], where: str) -> None:
    for name in ("source", "title", "content"):
        require(block.get(name) is not None, f"{where}.{name}: Field required")
    for name in ("source", "title"):
        require(isinstance(block[name], str), f"{where}.{name}: Input should be a valid string")
    content = block["content"]
    require(isinstance(content, list) and bool(content), f"{where}.content: List should have at least 1 item")
    for k, part in enumerate(content):
        inner = f"{where}.content.{k}"
        require(
            isinstance(part, dict) and part.get("type") == "text", f"{inner}.type: Input should be 'text'"
        )
        _check_text(part, inner, "search_result")
    _check_citations_config(block, where)


def _check_document(block: dict[str, Any], where: str) -> None:
    source: Any = block.get("source")
    require(isinstance(source, dict), f"{where}.source: Field required")
    kind = source.get("type")
    needed = {"text": "data", "base64": "data", "content": "content", "url": "url", "file": "file_id"}
    require(kind in needed, f"{where}.source: Input tag '{kind}' does not match any of the expected tags")
    require(bool(source.get(needed[kind])), f"{where}.source.{kind}.{needed[kind]}: Field required")
    if kind == "content" and isinstance(source["content"], list):
        for k, part in enumerate(source["content"]):
            _check_block(part, f"{where}.source.content.{k}", {"text", "image"})
    _check_citations_config(block, where)


def _check_citations_config(block: dict[str, Any], where: str) -> None:
    config = block.get("citations")
    if config is None:
        return
    require(isinstance(config, dict), f"{where}.citations: Input should be an object")
    for name in config.keys() - {"enabled"}:
        raise Rejected(f"{where}.citations.{name}: Extra inputs are not permitted")
    require(
        type_of(config.get("enabled", False)) is bool, f"{where}.citations.enabled: Input should be a boolean"
    )


def _check_tool_result(block: dict[str, Any], where: str) -> None:
    require(isinstance(block.get("tool_use_id"), str), f"{where}.tool_use_id: Field required")
    content = block.get("content")
    if content is None or isinstance(content, str):
        return
    for k, part in enumerate(content):
        _check_block(part, f"{where}.content.{k}", _RESULT_BLOCKS)
    kinds = {part["type"] for part in content}
    require(
        "search_result" not in kinds or kinds == {"search_result"},
        f"{where}.content: `search_result` blocks cannot be mixed with other blocks",
    )


def _citations(messages: list[dict[str, Any]]) -> set[bool]:
    """Whether citations are on, off, or both."""
    return {cites(b) for b in blocks({"messages": messages}) if b["type"] in ("search_result", "document")}


def _tool_uses(content: Any) -> set[str]:
    if isinstance(content, str):
        return set()
    return {block["id"] for block in content if block["type"] == "tool_use" and "id" in block}
