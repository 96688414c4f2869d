"""What must hold after any crash: each document answers with one whole version, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rag.documents import DocumentRecord, Filters, Reader
from rag.settings import Settings
from rag.sparse import encode_query
from rag.store import Store
from rag.store.files import FileStore


async def assert_whole(settings: Settings, store: Store, *, words: str) -> dict[str, DocumentRecord]:
    """Every live version has all of its chunks and its text, and none is found twice; by file name."""
    records = await store.records()
    counts = await store.stored_versions()
    files = FileStore(settings)
    for record in records:
        if record.version is None:
            continue
        assert counts[record.id][record.version] == record.chunks > 0, record.name
        text = await files.text(record.id, record.version)
        assert len(text) == record.characters
        chunks = await store.document_chunks(record.id, record.version)
        assert [chunk.position for chunk in chunks] == list(range(record.chunks))
        assert all(chunk.text == text[chunk.start : chunk.end] for chunk in chunks)
    await _assert_found_once(store, records, words)
    return {record.name: record for record in records}


async def _assert_found_once(store: Store, records: Sequence[DocumentRecord], words: str) -> None:
    """A search for words that all documents hold finds each chunk of each live version once."""
    everything = sum(record.chunks for record in records)
    hits = await store.search(
        reader=Reader(),
        filters=Filters(),
        dense=None,
        sparse=encode_query(words),
        limit=2 * everything + 100,
        candidates=2 * everything + 100,
    )
    assert [
        place for place, n in Counter((hit.document_id, hit.start) for hit in hits).items() if n > 1
    ] == []
    found = Counter((hit.document_id, hit.version) for hit in hits)
    assert found == {(record.id, str(record.version)): record.chunks for record in records if record.version}
