"""Who may read what, as a Qdrant filter: every query that leads to a text is built here.

The reader's groups are the first condition of every filter and everything else is joined to it by AND,
so nothing that a question says can widen what its reader may see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qdrant_client import models

from rag.documents import Filters, Reader


def readable(reader: Reader, filters: Filters | None = None) -> models.Filter | None:
    """The points that `reader` may read, narrowed by `filters`; None when there can be none."""
    if not reader.groups:
        return None
    must: list[models.Condition] = [_any("groups", reader.groups)]
    if filters is not None:
        if filters.groups:
            # A document may carry several groups: one that the reader lacks must not be a way to ask.
            wanted = reader.groups & set(filters.groups)
            if not wanted:
                return None
            must.append(_any("groups", wanted))
        if filters.collections:
            must.append(_any("collection", filters.collections))
        if filters.document_ids:
            must.append(_any("document_id", filters.document_ids))
    return models.Filter(must=must)


def pinned(chosen: models.Filter, live: Mapping[str, str | None]) -> models.Filter:
    """`chosen`, with each of these documents in no other version than this; in none where it is None."""
    excluded: list[models.Condition] = [
        of_document(document_id) if version is None else other_versions(document_id, version)
        for document_id, version in sorted(live.items())
    ]
    return models.Filter(must=chosen.must, must_not=excluded or None)


def version_of(document_id: str, version: str) -> models.Filter:
    """All chunks of one version of one document."""
    return models.Filter(must=[_is("document_id", document_id), _is("version", version)])


def passages_of(
    document_id: str, version: str, reader: Reader | None, first: int | None = None, last: int | None = None
) -> models.Filter | None:
    """The chunks of one version by position, both ends inclusive; None when the reader can see none.

    No reader means that the caller has checked the right to this document, or is the write path.
    """
    chosen = models.Filter(must=[]) if reader is None else readable(reader)
    if chosen is None:
        return None
    must: list[models.Condition] = [*_listed(chosen.must), version_of(document_id, version)]
    if first is not None or last is not None:
        must.append(models.FieldCondition(key="position", range=models.Range(gte=first, lte=last)))
    return models.Filter(must=must)


def other_versions(document_id: str, keep: str) -> models.Filter:
    """All chunks of a document but those of the version `keep`."""
    return models.Filter(must=[_is("document_id", document_id)], must_not=[_is("version", keep)])


def of_document(document_id: str) -> models.Filter:
    return models.Filter(must=[_is("document_id", document_id)])


def _is(key: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _any(key: str, values: Iterable[str]) -> models.FieldCondition:
    wanted = sorted(set(values))
    # Most readers have one group, and Qdrant goes through one list of points faster than through a union.
    return (
        _is(key, wanted[0])
        if len(wanted) == 1
        else models.FieldCondition(key=key, match=models.MatchAny(any=wanted))
    )


def _listed(conditions: list[models.Condition] | models.Condition | None) -> list[models.Condition]:
    if conditions is None:
        return []
    return conditions if isinstance(conditions, list) else [conditions]
