"""Which document a person means: by its id, URI, path, name (with or without its end) or title."""

from __future__ import annotations

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
