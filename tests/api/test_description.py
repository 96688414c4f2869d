"""The OpenAPI description: valid, with examples, and true of what the service does."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from .library import HOW_LONG

JSON = "application/json"


@pytest.fixture(scope="module")
def description(plain: httpx.Client) -> Any:
    return plain.get("/openapi.json").json()


def test_it_is_valid(description: Any) -> None:
    validate(description)


def test_every_door_is_in_it(description: Any) -> None:
    doors = {(method, path) for path, methods in description["paths"].items() for method in methods}
    assert doors >= {
        ("post", "/v1/ask"),
        ("post", "/v1/search"),
        ("get", "/v1/documents"),
        ("post", "/v1/documents"),
        ("get", "/v1/documents/{document_id}"),
        ("delete", "/v1/documents/{document_id}"),
        ("get", "/v1/documents/{document_id}/source"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    }


@pytest.mark.parametrize("path", ["/v1/ask", "/v1/search"])
def test_questions_have_examples_that_are_accepted(plain: httpx.Client, description: Any, path: str) -> None:
    examples = description["paths"][path]["post"]["requestBody"]["content"][JSON]["examples"]
    assert len(examples) >= 2
    for example in examples.values():
        asked = {**example["value"], "stream": False} if path == "/v1/ask" else example["value"]
        assert plain.post(path, json=asked).status_code == 200


def test_every_error_is_described_as_a_problem(description: Any) -> None:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            for status, reply in operation["responses"].items():
                if status.startswith(("4", "5")) and path != "/readyz":
                    (media_type,) = reply["content"]
                    assert media_type == "application/problem+json", (method, path, status)


def test_every_reference_leads_somewhere(description: Any) -> None:
    for reference in _references(description):
        target: Any = description
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in _references(value)]
    return [found for value in part for found in _references(value)] if isinstance(part, list) else []


def test_replies_are_what_it_says(plain: httpx.Client, description: Any) -> None:
    replies = {
        ("post", "/v1/ask"): plain.post("/v1/ask", json={"question": HOW_LONG}),
        ("post", "/v1/search"): plain.post("/v1/search", json={"query": HOW_LONG}),
        ("get", "/v1/documents"): plain.get("/v1/documents"),
        ("get", "/readyz"): plain.get("/readyz"),
    }
    for (method, path), reply in replies.items():
        said = description["paths"][path][method]["responses"]["200"]["content"][JSON]["schema"]
        schema = {**said, "components": description["components"]}
        Draft202012Validator(schema).validate(reply.json())
