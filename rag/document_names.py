"""Which document a person means: by its id, URI, path, name (with or without its end) or title; and whether
there is the collection that was named."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence

from rag.documents import DocumentRecord
from rag.errors import InvalidRequest, NotFound


def find_document(records: Sequence[DocumentRecord], wanted: str, uri: str | None = None) -> DocumentRecord:
    """The one document of `records` that is meant by `wanted`; `uri` is what it is as a path.

    Raises:
        InvalidRequest: several have that name.
        NotFound: none has it.
    """
    uri = uri or "file://" + os.path.realpath(os.path.expanduser(wanted))
    for matches in (
        [record for record in records if wanted in (record.id, record.uri)],
        [record for record in records if record.uri == uri],
        [record for record in records if record.name == wanted],
        [record for record in records if wanted in (record.title, record.name.rpartition(".")[0])],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise InvalidRequest(
                f"{len(matches)} documents are called {wanted!r}",
                remedy="name one by its id; `ingest list --json`",
            )
    raise NotFound(f"there is no document {wanted!r}", remedy="`ingest list` shows what there is")


def expect_collections(records: Sequence[DocumentRecord], wanted: Sequence[str]) -> None:
    """Nothing, if each of these collections holds one of `records`.

    Raises:
        NotFound: one does not; with the one that was meant, or those that there are.
    """
    known = sorted({record.collection for record in records})
    for name in wanted:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, 1)
        remedy = f"did you mean {near[0]}?" if near else f"collections: {', '.join(known)}" if known else None
        raise NotFound(f"no document that you may read is in the collection {name!r}", remedy=remedy)
