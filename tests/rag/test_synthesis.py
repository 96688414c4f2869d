"""The long path: which documents are read, in what order, how far, and how they are cut into parts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.claude import estimated_tokens
from rag.documents import EVERYONE, DocumentRecord, Filters, Hit, Reader, document_id_of, utc_now
from rag.synthesis import Part, Reading, cut_into_parts, names, read_documents
from rag.synthesis.choosing import choose, reading_order
from rag.synthesis.sizes import tokens_of
from tests.fakes import hit_with, parsed, put
from tests.rag.conftest import BACKUPS, Library
from tests.rag.long_text import citables_of, handbook


async def read(
    library: Library, question: str, filters: Filters | None = None, tokens: int = 10_000
) -> Reading:
    reader = Reader()
    filters = filters or Filters()
    return await read_documents(question, [], reader, filters, library.store, library.files, tokens)


def text_of(reading: Reading) -> str:
    return "\n".join(sentence for one in reading.citables for sentence in one.sentences)


# ---------------------------------------------------------------- reading


async def test_a_named_document_is_read_whole_and_in_order(library: Library) -> None:
    reading = await read(library, "Summarise the backup policy")
    assert [record.title for record in reading.documents] == ["Backup policy"]
    positions = [chunk.position for section in reading.sections for chunk in section.chunks]
    assert positions == list(range(library.records["backups"].chunks))
    assert reading.notice is None
    assert reading.tokens == sum(tokens_of(one) for one in reading.citables)


async def test_a_section_is_one_search_result_under_the_path_of_its_headings(library: Library) -> None:
    text = (
        "# Rules\n\n"
        + "## Doors\n\n"
        + "Doors are shut at night by the guard. " * 10
        + "\n\n## Keys\n\nNone."
    )
    await put(library.store, library.files, parsed(text, title="House rules"), name="house-rules.md")
    reading = await read(library, "Summarise the house rules")
    titles = [one.title for one in reading.citables]
    assert titles.count("House rules > Rules > Doors") == 1
    assert len(titles) == len(set(titles)) < sum(len(one.chunks) for one in reading.sections)


async def test_the_documents_of_the_filter_are_read_whatever_the_question_names(library: Library) -> None:
    leave = library.records["leave"].id
    reading = await read(library, "Summarise the backup policy", Filters(document_ids=(leave,)))
    assert [record.id for record in reading.documents] == [leave]


async def test_a_document_the_reader_may_not_see_is_not_read_though_it_is_named(library: Library) -> None:
    hidden = library.records["salaries"].id
    for filters in (Filters(), Filters(document_ids=(hidden,))):
        reading = await read(library, "Summarise the salary bands", filters)
        assert reading.documents == ()
        assert reading.citables == ()


async def test_versions_of_one_title_are_told_apart_by_their_names(library: Library) -> None:
    for version, days in (("10", "sixty"), ("9", "ninety")):
        text = BACKUPS.replace("ninety", days)
        await put(
            library.store, library.files, parsed(text, title="Vault contract"), name=f"vault-v{version}.md"
        )
    reading = await read(library, "What changed between versions 9 and 10 of the vault contract?")
    assert [record.name for record in reading.documents] == ["vault-v9.md", "vault-v10.md"]
    nine = [one for one in reading.citables if one.title.startswith("Vault contract (vault-v9.md)")]
    ten = [one for one in reading.citables if one.title.startswith("Vault contract (vault-v10.md)")]
    assert [*nine, *ten] == list(reading.citables)
    assert {evidence.title for evidence in reading.sections} == {"Vault contract"}


async def test_documents_are_read_one_after_the_other_whatever_the_order_of_the_hits(
    library: Library,
) -> None:
    hits = [hit(name) for name in ("leave.md", "backups.md", "leave.md")]
    reading = await read_documents(
        "What must I know?", hits, Reader(), Filters(), library.store, library.files, 10_000
    )
    assert [one.title.split(" > ")[0] for one in reading.citables] == sorted(
        one.title.split(" > ")[0] for one in reading.citables
    )
    assert [one.name for one in reading.documents] == ["backups.md", "leave.md"]


async def test_what_does_not_fit_is_left_out_and_named(library: Library) -> None:
    question = "Compare the backup policy and the leave rules"
    whole = await read(library, question)
    backups = sum(tokens_of(one) for one in whole.citables if one.title.startswith("Backup policy"))
    reading = await read(library, question, tokens=backups - 1)
    assert 0 < reading.tokens < backups
    assert text_of(whole).startswith(text_of(reading))
    assert "Not read to the end, for length: Backup policy" in (reading.notice or "")
    assert "Not read at all, for length: Leave rules." in (reading.notice or "")


# ---------------------------------------------------------------- choosing


def record(name: str, title: str) -> DocumentRecord:
    uri = f"file:///library/{name}"
    return DocumentRecord(
        id=document_id_of(uri),
        uri=uri,
        title=title,
        version="v",
        state="ready",
        sha256="0",
        media_type="text/markdown",
        groups=(EVERYONE,),
        added=utc_now(),
    )


def hit(name: str) -> Hit:
    uri = f"file:///library/{name}"
    return hit_with(document_id=document_id_of(uri), uri=uri, title="", text="x")


SHELF = [
    record("lease-v1.pdf", "Office lease"),
    record("lease-v2.pdf", "Office lease"),
    record("lease-v10.pdf", "Office lease"),
    record("annual-report-2023.pdf", "Annual report 2023"),
    record("annual-report-2024.pdf", "Annual report 2024"),
    record("audit-report.pdf", "Audit report"),
    record("handbook.md", "Handbook"),
    record("borg-handbook.md", "Borg handbook"),
    record("minutes.md", "Minutes of the board"),
]
REPORTS = ["annual-report-2023", "annual-report-2024", "audit-report"]


@pytest.mark.parametrize(
    ("question", "hits", "chosen"),
    [
        ("Summarise the office lease, version 2", [], ["lease-v2"]),
        ("What changed between versions 1 and 10 of the office lease?", [], ["lease-v1", "lease-v10"]),
        ("What changed in the office lease?", [], ["lease-v1", "lease-v2", "lease-v10"]),
        ("What changed between the versions?", ["lease-v2"], ["lease-v1", "lease-v2", "lease-v10"]),
        ("What changed between the versions?", ["handbook"], ["handbook"]),
        ("Compare the three reports", ["audit-report", "minutes"], REPORTS),
        ("Compare the 3 reports", [], REPORTS),
        ("Summarise all reports", ["minutes"], REPORTS),
        ("Summarise all reports of 2024", ["minutes"], ["annual-report-2024"]),
        ("Compare the annual reports of 2023 and 2024", [], REPORTS[:2]),
        ("Summarise this report", ["handbook", "audit-report", "minutes"], ["audit-report"]),
        ("Summarise this document", ["handbook", "audit-report"], ["handbook"]),
        ("Compare both documents", ["minutes", "handbook", "audit-report"], ["handbook", "minutes"]),
        ("What do we say on key rotation?", ["handbook", "minutes"], ["handbook", "minutes"]),
        ("Summarise the Borg handbook", [], ["borg-handbook"]),
        ("Compare the handbook with the Borg handbook", [], ["borg-handbook", "handbook"]),
        ("Summarise it", [], []),
    ],
)
def test_a_question_means_the_documents_it_names_counts_or_finds(
    question: str, hits: list[str], chosen: list[str]
) -> None:
    by_stem = {one.name.rsplit(".", 1)[0]: one for one in SHELF}
    found = choose(question, [hit(by_stem[stem].name) for stem in hits], SHELF, Filters())
    stems = [one.name.rsplit(".", 1)[0] for one in sorted(found, key=reading_order)]
    assert stems == chosen


@pytest.mark.parametrize(
    ("question", "chosen"),
    [
        ("Summarise the leave policy of Acme", ["leave.md"]),
        ("Summarise leave policy of Acme, version 2", ["leave-v2.md"]),
        ("Summarise leave.md", ["leave.md"]),
        ("Compare leave.md and leave-v2.md", ["leave-v2.md", "leave.md"]),
        (
            "Compare 'Leave policy of Acme' with 'Leave policy of Acme, version 2'",
            ["leave-v2.md", "leave.md"],
        ),
        ("Compare the leave policy of Acme with version 2", ["leave-v2.md"]),
    ],
)
def test_a_whole_name_means_its_document_and_not_one_whose_name_holds_it(
    question: str, chosen: list[str]
) -> None:
    shelf = [
        record("leave.md", "Leave policy of Acme"),
        record("leave-v2.md", "Leave policy of Acme, version 2"),
    ]
    found = choose(question, [hit(one.name) for one in shelf], shelf, Filters())
    assert [one.name for one in sorted(found, key=reading_order)] == chosen


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
    assert names(question, record("backup-policy.md", "Backup policy")) is named


# ---------------------------------------------------------------- parts


def sentences_of(parts: Sequence[Part]) -> list[str]:
    return [sentence for part in parts for one in part.citables for sentence in one.sentences]


@pytest.mark.parametrize("limit", [120, 300, 1000, 5000])
def test_parts_are_all_of_the_text_in_order_and_none_is_larger_than_allowed(limit: int) -> None:
    given = [
        *citables_of(handbook(4, 5, 6, title="Red book"), "red.md"),
        *citables_of(handbook(3, 2, 9, title="Blue book"), "blue.md"),
    ]
    parts = cut_into_parts(given, limit)
    assert sentences_of(parts) == [sentence for one in given for sentence in one.sentences]
    assert [place for part in parts for one in part.citables for place in one.places] == [
        place for one in given for place in one.places
    ]
    for part in parts:
        assert part.tokens == sum(tokens_of(one) for one in part.citables) <= limit
        assert len({places[0][0].uri for one in part.citables for places in one.places}) == 1
    for title in ("Red book", "Blue book"):
        own = [part for part in parts if part.document == title]
        assert [(part.number, part.of) for part in own] == [(n, len(own)) for n in range(1, len(own) + 1)]
        # No part but the last is less than half full, or the number of requests would have no bound.
        assert all(2 * part.tokens >= limit - 60 for part in own[:-1])


def test_a_part_ends_before_the_highest_heading_that_leaves_it_half_full() -> None:
    given = citables_of(handbook(4, 4, 5))
    total = sum(tokens_of(one) for one in given)
    by_chapter = cut_into_parts(given, int(total / 4 * 1.3))
    assert [part.citables[0].sentences[0] for part in by_chapter[1:]] == [
        "Chapter 2",
        "Chapter 3",
        "Chapter 4",
    ]
    by_section = cut_into_parts(given, int(total / 16 * 1.5))
    starts = [part.citables[0].sentences[0].split()[0] for part in by_section[1:]]
    assert set(starts) == {"Chapter", "Section"}


def test_a_text_without_headings_is_cut_at_paragraphs_else_between_sentences() -> None:
    paragraph = "The pump is checked by two people. Its log is kept for a year in the office."
    given = citables_of(parsed("\n\n".join([paragraph] * 12), title="Plain"), chunk_words=400)
    (whole,) = given
    parts = cut_into_parts(given, tokens_of(whole) // 3)
    assert len(parts) > 2
    assert {part.citables[0].sentences[0] for part in parts} == {"The pump is checked by two people."}
    run = citables_of(parsed(" ".join([paragraph] * 12), title="Plain"), chunk_words=400)
    parts = cut_into_parts(run, tokens_of(whole) // 5)
    assert set(sentences_of(parts)) == set(whole.sentences)


def test_one_part_holds_what_fits() -> None:
    (part,) = cut_into_parts(citables_of(handbook(1, 1, 3)), 10_000)
    assert part.title == "Handbook"


@pytest.mark.parametrize(
    ("text", "characters_per_token"),
    [
        ("The operator on duty opens the valve in the morning. " * 20, 3.08),
        ("2024-11-24;17.50;0x3fa9\n" * 20, 1.5),
        ("备份在保险库中保存九十天。" * 20, 1.0),
    ],
)
def test_the_estimate_is_never_below_what_such_text_is_known_to_cost(
    text: str, characters_per_token: float
) -> None:
    assert len(text) / characters_per_token <= estimated_tokens(text) <= 2 * len(text) / characters_per_token
