"""No combination of reader and filters leads to a document that the reader may not read."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models

from rag.documents import Filters, Reader
from rag.store.filters import passages_of, pinned, readable

GROUPS = st.sampled_from(["everyone", "hr", "sales", "board"])
IDS = st.sampled_from(["a", "b", "c"])
VERSIONS = st.sampled_from(["v1", "v2"])
FILTERS = st.builds(
    Filters,
    document_ids=st.lists(IDS).map(tuple),
    collections=st.lists(st.sampled_from(["x", "y"])).map(tuple),
    groups=st.lists(GROUPS).map(tuple),
)
READERS = st.builds(Reader, groups=st.frozensets(GROUPS))
PAYLOADS = st.fixed_dictionaries(
    {
        "document_id": IDS,
        "version": VERSIONS,
        "collection": st.sampled_from(["x", "y"]),
        "groups": st.lists(GROUPS, unique=True),
        "position": st.integers(0, 9),
    }
)


def matches(condition: Any, payload: dict[str, Any]) -> bool:
    """What Qdrant does with the conditions that this package uses."""
    if isinstance(condition, models.Filter):
        must, must_not = condition.must or [], condition.must_not or []
        assert isinstance(must, list)
        assert isinstance(must_not, list)
        return all(matches(c, payload) for c in must) and not any(matches(c, payload) for c in must_not)
    assert isinstance(condition, models.FieldCondition)
    found = payload[condition.key]
    values = found if isinstance(found, list) else [found]
    if isinstance(condition.range, models.Range):
        least, most = condition.range.gte, condition.range.lte
        return all((least is None or v >= least) and (most is None or v <= most) for v in values)
    if isinstance(condition.match, models.MatchAny):
        return any(value in condition.match.any for value in values)
    assert isinstance(condition.match, models.MatchValue)
    return condition.match.value in values


@given(reader=READERS, filters=FILTERS, payload=PAYLOADS)
def test_a_filter_lets_through_what_the_reader_may_read_and_asked_for_and_nothing_else(
    reader: Reader, filters: Filters, payload: dict[str, Any]
) -> None:
    compiled = readable(reader, filters)
    groups = set(payload["groups"])
    expected = (
        bool(groups & reader.groups)
        and (not filters.groups or bool(groups & reader.groups & set(filters.groups)))
        and (not filters.collections or payload["collection"] in filters.collections)
        and (not filters.document_ids or payload["document_id"] in filters.document_ids)
    )
    assert (compiled is not None and matches(compiled, payload)) == expected


@given(
    reader=READERS,
    filters=FILTERS,
    payload=PAYLOADS,
    live=st.dictionaries(IDS, st.none() | VERSIONS),
)
def test_pinning_versions_only_ever_narrows(
    reader: Reader, filters: Filters, payload: dict[str, Any], live: dict[str, str | None]
) -> None:
    compiled = readable(reader, filters)
    if compiled is None:
        return
    document_id = payload["document_id"]
    allowed = document_id not in live or live[document_id] == payload["version"]
    assert matches(pinned(compiled, live), payload) == (matches(compiled, payload) and allowed)


@given(reader=st.none() | READERS, payload=PAYLOADS, first=st.integers(0, 9), last=st.integers(0, 9))
def test_passages_are_those_of_one_version_that_the_reader_may_read(
    reader: Reader | None, payload: dict[str, Any], first: int, last: int
) -> None:
    compiled = passages_of("a", "v1", reader, first, last)
    expected = (
        (reader is None or bool(set(payload["groups"]) & reader.groups))
        and payload["document_id"] == "a"
        and payload["version"] == "v1"
        and first <= payload["position"] <= last
    )
    assert (compiled is not None and matches(compiled, payload)) == expected
