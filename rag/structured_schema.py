"""A reader's JSON Schema, checked, closed as Claude's API wants it, and kept for checking what comes back.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs, JSON Schema Draft 2020-12
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated, Any, NoReturn

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from rag.errors import InvalidRequest

Schema = dict[str, Any]

LARGEST = 20_000
"""Bytes of a schema as JSON: it is part of the prompt of every request."""
DEEPEST = 10
"""Schemas within one another, references followed."""
LONGEST_PATTERN = 500
MOST_PATTERNS = 20
LONGEST_MESSAGE = 300

_FORMATS = ("date", "email", "ipv4", "ipv6", "uuid")
_LOCAL = re.compile(r"#/(?:\$defs|definitions)/([^/~%]+)")
_ABOUT = frozenset(["$schema", "$id", "$comment"])
_KINDS = ("string", "number", "integer", "boolean", "null", "object", "array")
# The API has no word for these. Sent as a description they would be a wish, and ignored they would be a lie.
_UNKNOWN_TO_API = frozenset(
    "not if then else contains propertyNames patternProperties prefixItems additionalItems "
    "dependencies dependentSchemas unevaluatedItems unevaluatedProperties $anchor $dynamicRef "
    "$dynamicAnchor $recursiveRef $recursiveAnchor $id".split()
)


@dataclass(frozen=True, slots=True)
class ResponseSchema:
    """`sent` is what Claude is given: the reader's schema as `data`, with `found` and `sources` around it."""

    sent: Schema
    _validator: Any

    def mismatch(self, data: Any) -> str | None:
        """What is wrong with `data` by the reader's own schema, in words; None when it fits."""
        from jsonschema.exceptions import best_match  # type: ignore[import-untyped]

        error = best_match(self._validator.iter_errors(data))
        if error is None:
            return None
        where = "/".join(["", *map(str, error.absolute_path)]) or "the value as a whole"
        return f"{where}: {_clipped(error.message)}"


def response_schema(schema: Any) -> ResponseSchema:
    """The reader's schema, made ready.

    Raises:
        InvalidRequest: it is no schema of an object, or says what Claude's API cannot be held to.
    """
    if not isinstance(schema, dict) or schema.get("type") != "object":
        _refuse("it is not the schema of an object", 'put it into {"type": "object", "properties": …}')
    _measure(schema)
    own = {name: value for name, value in schema.items() if name not in _ABOUT}
    validator = _validator_class()
    _check_form(validator, own)
    if json.dumps(own).count('"pattern":') > MOST_PATTERNS:
        _refuse(f"it has more than {MOST_PATTERNS} patterns", "say some of them in descriptions")
    definitions = {**own.get("definitions", {}), **own.get("$defs", {})}
    closed = {name: _plain(value, f"$defs.{name}") for name, value in definitions.items()}
    data = _plain({k: v for k, v in own.items() if k not in ("$defs", "definitions")}, "$")
    used: dict[str, int] = {}
    _depth(data, closed, used, 1)
    from jsonschema import FormatChecker  # type: ignore[import-untyped]
    from referencing import Registry

    # An empty registry, so that no reference is ever looked up elsewhere.
    checks = validator(own, registry=Registry(), format_checker=FormatChecker(_FORMATS))
    return ResponseSchema(_sent(data, {name: closed[name] for name in used}), checks)


def _check_form(validator: Any, own: Schema) -> None:
    from jsonschema.exceptions import SchemaError as Malformed

    try:
        validator.check_schema(own)
    except Malformed as error:
        _refuse(f"{error.json_path} is wrong: {_clipped(error.message)}", "see JSON Schema, Draft 2020-12")


def _sent(data: Schema, definitions: Mapping[str, Schema]) -> Schema:
    from anthropic import transform_schema

    source = {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "JSON pointer into data, such as /items/0/name"},
            "sentences": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["path", "sentences"],
    }
    whole: Schema = {
        "type": "object",
        "properties": {
            "found": {"type": "boolean"},
            # Without null a model that finds nothing would have to make something up.
            "data": {"anyOf": [data, {"type": "null"}]},
            "sources": {"type": "array", "items": source},
        },
        "required": ["found", "data", "sources"],
    }
    try:
        return transform_schema({**whole, "$defs": dict(definitions)} if definitions else whole)
    except ValueError as error:
        _refuse(f"Claude does not take it: {_clipped(str(error))}", "give every property a type")


def _measure(schema: Schema) -> None:
    """Refuse what is too large before anything walks it by recursion."""
    level: list[Any] = [schema]
    depth = 0
    while level:
        depth += 1
        if depth > 5 * DEEPEST:
            _refuse(f"it is more than {DEEPEST} schemas deep", "flatten it")
        level = [inner for one in level for inner in _inner(one) if isinstance(inner, dict | list)]
    try:
        size = len(json.dumps(schema, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError):
        _refuse("it is not JSON", "send it as JSON")
    if size > LARGEST:
        _refuse(f"it has {size} bytes, more than {LARGEST}", "ask for less in one request")


def _inner(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else list(node)


def _plain(node: Any, at: str) -> Schema:
    """A schema in the words that the SDK's `transform_schema` takes; it closes objects and moves limits
    that the API does not know into descriptions."""
    if not isinstance(node, dict):
        _refuse(f"{at} does not say what it is", 'give it a type, such as {"type": "string"}')
    for keyword in sorted(_UNKNOWN_TO_API & node.keys()):
        _refuse(
            f"{at} has {keyword}, which Claude cannot be held to", "leave it out or say it in a description"
        )
    _check_pattern(node, at)
    if "$ref" in node:
        return {"$ref": _local(node["$ref"], at)}
    if len(node.get("allOf", ())) > 1:
        _refuse(f"{at} has allOf with several schemas", "merge them into one")
    for keyword in ("allOf", "anyOf", "oneOf"):
        if keyword in node:
            return _choice(node, keyword, at)
    if "enum" in node or "const" in node:
        if any(isinstance(one, dict | list) for one in [*node.get("enum", ()), node.get("const")]):
            _refuse(f"{at} has an enum of objects or lists", "use strings, numbers, booleans or null")
        return {name: value for name, value in node.items() if name != "type"}
    kind = node.get("type") or next((k for k, w in _CONTAINERS.items() if w in node), None)
    if isinstance(kind, list):
        return {"anyOf": [_plain({**node, "type": one}, at) for one in kind]}
    if kind == "null":
        return {"type": "null"}
    if kind not in _KINDS:
        _refuse(f"{at} does not say what it is", 'give it a type, such as {"type": "string"}')
    return _container(node, kind, at)


_CONTAINERS = {"object": "properties", "array": "items"}


def _container(node: Schema, kind: str, at: str) -> Schema:
    kept = {name: value for name, value in node.items() if name not in _CONTAINERS.values()} | {"type": kind}
    if kind == "object":
        properties = node.get("properties")
        if not properties or isinstance(node.get("additionalProperties"), dict):
            _refuse(
                f"{at} is an object whose properties have no names", "name them, or use an array of pairs"
            )
        if unnamed := sorted(set(node.get("required", ())) - properties.keys()):
            _refuse(f"{at} requires {unnamed[0]}, which it does not describe", "add it to its properties")
        kept["properties"] = {name: _plain(one, f"{at}.{name}") for name, one in properties.items()}
    elif kind == "array":
        if "items" not in node:
            _refuse(f"{at} is an array of anything", "give its items a schema")
        kept["items"] = _plain(node["items"], f"{at}[]")
    return kept


def _choice(node: Schema, keyword: str, at: str) -> Schema:
    if "properties" in node:
        _refuse(f"{at} has {keyword} beside properties", "put the properties into each of its schemas")
    said: Schema = {name: node[name] for name in ("title", "description") if name in node}
    return {**said, "anyOf": [_plain(one, f"{at}.{keyword}[{i}]") for i, one in enumerate(node[keyword])]}


def _local(reference: str, at: str) -> str:
    match = _LOCAL.fullmatch(reference)
    if not match:
        _refuse(f"{at} refers to {_clipped(reference)}", "refer to a name in the schema's own $defs")
    return f"#/$defs/{match[1]}"


def _check_pattern(node: Schema, at: str) -> None:
    if "pattern" not in node:
        return
    try:
        usable = len(node["pattern"]) <= LONGEST_PATTERN and _pattern(node["pattern"]) is not None
    except SchemaError:
        usable = False
    if not usable:
        _refuse(
            f"{at} has a pattern that cannot be used",
            f"write one of at most {LONGEST_PATTERN} characters, without look-around and back references",
        )


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> TypeAdapter[str]:
    """A caller's pattern in pydantic's engine, which is linear in time and bounded in memory: Python's own
    can be made to run for ever.

    Raises:
        SchemaError: the engine does not take it.
    """
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])


def _depth(node: Schema, definitions: Mapping[str, Schema], known: dict[str, int], level: int) -> int:
    """How many schemas lie within `node`; refuses what is too deep, and `known` gets what is referred to.

    A reference to what it lies in has no end, and the API takes none.
    """
    if level > DEEPEST:
        _refuse(f"it is more than {DEEPEST} schemas deep", "flatten it")
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        if name not in definitions:
            _refuse(f"$defs has no {name}", "define it")
        if known.get(name) == 0:
            _refuse(f"$defs.{name} contains itself", "write out as many levels as are needed")
        if name not in known:
            known[name] = 0
            known[name] = _depth(definitions[name], definitions, known, level)
        depth = known[name]
    else:
        inner = [*node.get("properties", {}).values(), *node.get("anyOf", ())]
        inner += [node["items"]] if "items" in node else []
        depth = 1 + max((_depth(one, definitions, known, level + 1) for one in inner), default=0)
    if level + depth > DEEPEST + 1:  # what is referred to was measured on another level
        _refuse(f"it is more than {DEEPEST} schemas deep", "flatten it")
    return depth


@cache
def _validator_class() -> Any:
    """Draft 2020-12 with our engine for patterns."""
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import ValidationError as Mismatch

    def matches(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Mismatch]:
        if validator.is_type(instance, "string"):
            try:
                _pattern(pattern).validate_python(instance)
            except ValidationError:
                yield Mismatch(f"{instance!r} does not match {pattern!r}")

    return validators.extend(Draft202012Validator, {"pattern": matches})


def _refuse(what: str, remedy: str) -> NoReturn:
    raise InvalidRequest(f"response_schema cannot be used: {what}", remedy=remedy)


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…"
