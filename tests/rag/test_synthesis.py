"""The long path: which documents are read, in what order, and how far."""

from __future__ import annotations

import pytest

from rag.documents import EVERYONE, DocumentRecord, Filters, Reader, utc_now
from rag.synthesis import Reading, names, read_documents
from tests.rag.conftest import Library


async def read(
    library: Library, question: str, filters: Filters | None = None, tokens: int = 10_000
) -> Reading:
    reader = Reader()
    filters = filters or Filters()
    return await read_documents(question, [], reader, filters, library.store, library.files, tokens)


async def test_a_named_document_is_read_whole_and_in_order(library: Library) -> None:
    reading = await read(library, "Summarise the backup policy")
    assert [record.title for record in reading.documents] == ["Backup policy"]
    positions = [section.chunks[0].position for section in reading.sections]
    assert positions == list(range(library.records["backups"].chunks))
    assert reading.notice is None


async def test_the_documents_of_the_filter_are_read_whatever_the_question_names(library: Library) -> None:
    leave = library.records["leave"].id
    reading = await read(library, "Summarise the backup policy", Filters(document_ids=(leave,)))
    assert [record.id for record in reading.documents] == [leave]


async def test_what_does_not_fit_is_left_out_and_named(library: Library) -> None:
    reading = await read(library, "Compare the backup policy and the leave rules", tokens=60)
    assert reading.notice is not None
    assert "Leave rules" in reading.notice
    assert 0 < len(reading.sections) < sum(library.records[name].chunks for name in ("backups", "leave"))


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Summarise the backup policy", True),
        ("What is in backup-policy.md about keys? Summarise it", True),
        ("Summarise the policies on leave", False),
        ("Summarise it", False),
    ],
)
def test_a_question_names_a_document_by_its_title_or_file(question: str, named: bool) -> None:
    record = DocumentRecord(
        id="d",
        uri="file:///library/backup-policy.md",
        title="Backup policy",
        version="v",
        state="ready",
        sha256="0",
        media_type="text/markdown",
        groups=(EVERYONE,),
        added=utc_now(),
    )
    assert names(question, record) is named
