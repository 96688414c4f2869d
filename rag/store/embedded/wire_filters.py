"""Qdrant's filters as JSON to the engine's types. Source: Qdrant's OpenAPI description, version 1.19."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from rag.store.embedded.wire_values import Json, bad, boolean, fields, items, number, point_ids, text, whole

_CONDITION_FIELDS = ("key", "match", "range", "is_empty", "is_null")


def filter_of(value: object) -> edge.Filter:
    given = fields(value, "filter", optional=("must", "should", "must_not", "min_should"))
    least = None
    if "min_should" in given:
        asked = fields(given["min_should"], "min_should", required=("conditions", "min_count"))
        least = edge.MinShould(
            _conditions(asked["conditions"], "min_should"), whole(asked["min_count"], "min_count")
        )
    return edge.Filter(
        must=_conditions(given["must"], "must") if "must" in given else None,
        should=_conditions(given["should"], "should") if "should" in given else None,
        must_not=_conditions(given["must_not"], "must_not") if "must_not" in given else None,
        min_should=least,
    )


def optional_filter(request: Json) -> edge.Filter | None:
    return filter_of(request["filter"]) if "filter" in request else None


def _conditions(value: object, where: str) -> list[Any]:
    return [_condition(item, where) for item in (value if isinstance(value, list) else [value])]


def _condition(value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise bad(f"{where}: a condition must be an object")
    if "key" in value:
        return _field_condition(value)
    if "has_id" in value:
        ids = point_ids(fields(value, "has_id", required=("has_id",))["has_id"], "has_id")
        return edge.HasIdCondition(set(ids))
    if "is_empty" in value or "is_null" in value:
        name = "is_empty" if "is_empty" in value else "is_null"
        inner = fields(fields(value, name, required=(name,))[name], name, required=("key",))
        key = text(inner["key"], f"{name}: key")
        return edge.IsEmptyCondition(key) if name == "is_empty" else edge.IsNullCondition(key)
    return filter_of(value)


def _field_condition(value: Json) -> edge.FieldCondition:
    given = fields(value, "condition", required=("key",), optional=_CONDITION_FIELDS)
    key = text(given.pop("key"), "condition: key")
    if len(given) != 1:
        raise bad(f"condition on {key!r}: exactly one of match, range, is_empty, is_null is needed")
    if "match" in given:
        return edge.FieldCondition(key, match=_match(given["match"], key))
    if "range" in given:
        return edge.FieldCondition(key, range=_range(given["range"], key))
    if "is_empty" in given:
        return edge.FieldCondition(key, is_empty=boolean(given["is_empty"], f"{key}: is_empty"))
    return edge.FieldCondition(key, is_null=boolean(given["is_null"], f"{key}: is_null"))


def _match(value: object, key: str) -> Any:
    given = fields(value, f"match on {key!r}", optional=("value", "any", "except"))
    if len(given) != 1:
        raise bad(f"match on {key!r}: exactly one of value, any, except is needed")
    if "value" in given:
        wanted = given["value"]
        # Edge 0.9.0 accepts a boolean here and then matches nothing.
        if isinstance(wanted, bool) or not isinstance(wanted, str | int):
            raise bad(f"match on {key!r}: the embedded engine matches strings and integers only")
        return edge.MatchValue(wanted)
    name = "any" if "any" in given else "except"
    values = items(given[name], f"match on {key!r}: {name}")
    if not all(isinstance(item, str) for item in values) and not all(type(item) is int for item in values):
        raise bad(f"match on {key!r}: {name} must be all strings or all integers")
    return edge.MatchAny(values) if name == "any" else edge.MatchExcept(values)


def _range(value: object, key: str) -> Any:
    bounds = fields(value, f"range on {key!r}", optional=("gt", "gte", "lt", "lte"))
    if not bounds:
        raise bad(f"range on {key!r} has no bound")
    if all(isinstance(bound, str) for bound in bounds.values()):
        return edge.RangeDateTime(**bounds)
    return edge.RangeFloat(**{name: number(bound, f"range on {key!r}") for name, bound in bounds.items()})
