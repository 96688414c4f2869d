"""Exchanges with a Qdrant, checked against Qdrant's own OpenAPI description."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = "urn:qdrant"
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "qdrant-openapi-1.19.json"


def find_description() -> Path | None:
    """The file named by QDRANT_OPENAPI, or the one beside the repository; None where there is neither."""
    named = os.environ.get("QDRANT_OPENAPI")
    path = Path(named) if named else BESIDE
    return path if path.is_file() else None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its reply, bodies as they went over the wire."""

    method: str
    path: str
    parameters: dict[str, list[str]]
    request: bytes
    status: int
    content_type: str
    reply: bytes

    @classmethod
    def of(cls, response: httpx.Response) -> Exchange:
        request = response.request
        return cls(
            method=request.method,
            path=unquote(request.url.path),
            parameters=parse_qs(request.url.query.decode()),
            request=request.content,
            status=response.status_code,
            content_type=response.headers.get("content-type", ""),
            reply=response.content,
        )


class Description:
    """The OpenAPI description, ready to be asked what is wrong with an exchange."""

    def __init__(self, document: dict[str, Any]) -> None:
        strict = _as_json_schema(document)
        self._paths = {
            re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"): operations
            for path, operations in sorted(strict["paths"].items(), key=lambda item: "{" in item[0])
        }
        resource = Resource(contents=strict, specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(ROOT, resource)

    @classmethod
    def load(cls, path: Path) -> Description:
        return cls(json.loads(path.read_bytes()))

    def problems(self, exchange: Exchange) -> list[str]:
        where = f"{exchange.method} {exchange.path} -> {exchange.status}"
        operation = self._operation(exchange)
        if operation is None:
            return [f"{where}: no such operation"]
        known = {parameter["name"] for parameter in operation.get("parameters", ())}
        problems = [f"parameter {name!r} is unknown" for name in exchange.parameters if name not in known]
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            problems += [f"request {what}" for what in self._mismatches(schema, exchange.request)]
        elif exchange.request:
            problems.append("a request body is not described")
        problems += [f"reply {what}" for what in self._reply_problems(operation["responses"], exchange)]
        return [f"{where}: {problem}" for problem in problems]

    def _operation(self, exchange: Exchange) -> dict[str, Any] | None:
        for pattern, operations in self._paths.items():
            if pattern.match(exchange.path) and exchange.method.lower() in operations:
                found: dict[str, Any] = operations[exchange.method.lower()]
                return found
        return None

    def _reply_problems(self, responses: dict[str, Any], exchange: Exchange) -> list[str]:
        status = str(exchange.status)
        described = responses.get(status) or responses.get(f"{status[0]}XX") or responses.get("default")
        if described is None:
            return [f"status {status} is not described"]
        if "content" not in described:
            return []
        media_type = exchange.content_type.partition(";")[0]
        if media_type not in described["content"]:
            return [f"has the type {media_type!r}"]
        if media_type != "application/json":
            return []
        return self._mismatches(described["content"][media_type]["schema"], exchange.reply)

    def _mismatches(self, schema: dict[str, Any], body: bytes) -> list[str]:
        try:
            value = json.loads(body)
        except ValueError as error:
            return [f"is not JSON: {error}"]
        validator = Draft202012Validator(schema, registry=self._registry)
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 to JSON Schema, and closed: a property that is not described is an error here.

    A bare `{"nullable": true}` would otherwise accept anything, which would make every check that has one
    among its alternatives an empty one.
    """
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node == {"nullable": True}:
        return {"type": "null"}
    result = {
        key: _as_json_schema(value) for key, value in node.items() if key not in ("nullable", "example")
    }
    if isinstance(result.get("$ref"), str):
        result["$ref"] = ROOT + result["$ref"]
    if node.get("nullable") is True and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    if node.get("type") == "object" and isinstance(node.get("properties"), dict) and "allOf" not in node:
        result.setdefault("additionalProperties", False)
    return result
