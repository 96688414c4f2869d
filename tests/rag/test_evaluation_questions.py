"""The file of questions, and the places in the stored texts that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.documents import Reader
from rag.errors import InvalidRequest
from rag.evaluation.places import Posed, pose
from rag.evaluation.questions import Row, Rows, read_rows
from tests.fakes import parsed, put
from tests.rag.conftest import Library

ROOT = Path(__file__).resolve().parents[2]
DAYS = "Backups are kept for ninety days"


def rows_of(tmp_path: Path, *lines: Any) -> Rows:
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    return read_rows(file)


def row(document: str = "backups.md", **relevant: Any) -> Row:
    return Row(question="How long?", relevant=[{"document": document, **relevant}], number=7)  # type: ignore[list-item]


async def posed(library: Library, *rows: Row, groups: tuple[str, ...] = ("everyone",)) -> tuple[Any, Any]:
    found, bad = await pose(rows, library.store, library.files, Reader(frozenset(groups)))
    return found, [(one.line, one.reason) for one in bad]


async def text_at(library: Library, one: Posed) -> list[str]:
    texts = {
        record.id: await library.files.text(record.id, record.version or "")
        for record in library.records.values()
    }
    return [texts[place.document_id][place.start : place.end] for place in one.places]


# ---------------------------------------------------------------- reading


def test_the_questions_of_the_sample_library_are_read_as_they_are() -> None:
    rows = read_rows(ROOT / "data/questions.jsonl")
    assert (len(rows.rows), rows.bad) == (40, ())
    assert sum(one.answerable for one in rows.rows) == 32
    assert rows.rows[0].answers
    assert rows.rows[-1].answers == rows.rows[-1].relevant == ()


def test_the_names_of_other_sets_are_understood(tmp_path: Path) -> None:
    (one, two) = rows_of(
        tmp_path,
        {
            "question": "Who?",
            "relevant": [{"doc_id": "x", "start": 1, "end": 3, "text": "ab", "para_start": 0}],
            "history": [{"speaker": "user", "text": "Hi"}, {"speaker": "agent", "text": "Yes?"}],
            "question_i18n": {"de": "Wer?"},
        },
        {"question": "Why?", "answerability": "UNANSWERABLE", "answer": ["a", "b"], "relevant": []},
    ).rows
    assert (one.id, one.relevant[0].document, one.relevant[0].quote) == ("line-1", "x", "ab")
    assert [said.role for said in one.history] == ["user", "assistant"]
    assert (two.answerable, two.answers) == (False, ("a", "b"))


def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    good = {"id": "g", "question": "Who?", "answer": "Ann"}
    rows = rows_of(
        tmp_path,
        good,
        "",
        "no json",
        "[1]",
        {"question": " ", "answer": "x"},
        {"question": "Q?"},
        {"question": "Q?", "relevant": [{"quote": "x"}]},
        {"question": "Q?", "relevant": [{"document": "d", "start": 3}]},
        {"question": "Q?", "relevant": [{"document": "d", "start": 3, "end": 3}]},
        good,
        '{"question": "\\ud800", "answer": "x"}',
        {"question": "Q?", "answerable": "no", "relevant": [{"document": "d"}]},
        {"question": "Q?", "relevant": [{"document": "d", "quote": ""}]},
    )
    assert [one.id for one in rows.rows] == ["g"]
    reasons = {one.line: one.reason for one in rows.bad}
    assert list(reasons) == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    for line, words in (
        (3, "not JSON"),
        (5, "question: is empty"),
        (6, "neither relevant places nor an answer"),
        (7, "relevant.0"),
        (8, "start and end belong together"),
        (9, "not after the start"),
        (10, "that of line 1"),
        (12, "no document answers it, and names where"),
        (13, "relevant.0.quote"),
    ):
        assert words in reasons[line]


def test_a_line_in_another_encoding_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_bytes(
        '{"question": "Wer?", "answer": "Jörg"}\n'.encode("latin-1") + b'{"question": "Q?", "answer": "a"}\n'
    )
    assert [(one.line, one.reason) for one in read_rows(file).bad] == [(1, "it is not UTF-8")]


def test_a_file_without_questions_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no question"):
        rows_of(tmp_path, "")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_rows(tmp_path)


# ---------------------------------------------------------------- placing


async def test_a_quote_is_found_whatever_white_space_is_in_it(library: Library) -> None:
    quote = "in the  vault.\nAfter that every copy"
    (one,), bad = await posed(library, row(quote=quote))
    assert bad == []
    assert await text_at(library, one) == ["in the vault. After that every copy"]
    assert one.places[0].exact


@pytest.mark.parametrize("name", ["backups.md", "backups", "Backup policy", "file:///library/backups.md"])
async def test_a_document_goes_by_all_its_names(library: Library, name: str) -> None:
    (one,), _ = await posed(library, row(name, quote=DAYS))
    assert one.places[0].document_id == library.records["backups"].id
    (other,), _ = await posed(library, row(one.places[0].document_id, quote=DAYS))
    assert other.places == one.places


async def test_a_name_of_several_documents_is_not_guessed_at(library: Library) -> None:
    twin = parsed("# Twin\n\nBackups are kept here.\n", title="Leave rules")
    await put(library.store, library.files, twin, name="old/backups.md")
    found, bad = await posed(library, row(quote=DAYS), row("file:///library/backups.md", quote=DAYS))
    assert len(found) == 1
    assert "may be any of 2 documents" in bad[0][1]


async def test_a_range_is_believed_unless_the_quote_says_otherwise(library: Library) -> None:
    text = await library.files.text(library.records["backups"].id, library.records["backups"].version or "")
    start = text.index(DAYS)
    (right, moved), bad = await posed(
        library,
        row(start=start, end=start + len(DAYS)),
        row(start=start + 4, end=start + 9, quote=DAYS),
    )
    assert await text_at(library, right) == await text_at(library, moved) == [DAYS]
    assert bad == []


async def test_of_several_places_the_page_or_the_start_chooses(library: Library) -> None:
    text = "Keep it.\n\f\nKeep it.\n\f\nKeep it.\n"
    record = await put(library.store, library.files, parsed(text, title="Paged"), name="paged.md")
    stored = await library.files.text(record.id, record.version or "")
    second = stored.index("Keep", 3)
    third = stored.index("Keep", second + 3)
    (by_page, by_start), _ = await posed(
        library,
        row("Paged", quote="Keep it.", page=2),
        row("Paged", quote="Keep it.", start=third - 2, end=99),
    )
    assert (by_page.places[0].start, by_page.places[0].page) == (second, 2)
    assert by_start.places[0].start == third


async def test_without_a_quote_the_page_or_the_whole_document_is_the_place(library: Library) -> None:
    await put(library.store, library.files, parsed("One.\n\f\nTwo.\n", title="Paged"), name="paged.md")
    (page, whole), bad = await posed(library, row("Paged", page=2), row("Paged"), row("Paged", page=9))
    assert not page.places[0].exact
    assert not whole.places[0].exact
    assert whole.places[0].start == 0 < page.places[0].start
    assert bad == [(7, "'Paged' has no text on a page 9")]


async def test_a_place_named_twice_counts_once(library: Library) -> None:
    twice = Row(question="Q", relevant=[{"document": "backups", "quote": DAYS}] * 2)  # type: ignore[arg-type]
    (one,), _ = await posed(library, twice)
    assert len(one.places) == 1


async def test_what_is_not_there_is_named_with_its_line(library: Library) -> None:
    rows = (row("nothing.md"), row(quote="These words stand nowhere"), row(start=10, end=10**6))
    found, bad = await posed(library, *rows)
    assert found == []
    assert [line for line, _ in bad] == [7, 7, 7]
    assert "no document 'nothing.md'" in bad[0][1]
    assert "These words stand nowhere" in bad[1][1]


async def test_a_document_that_the_reader_may_not_read_is_not_there(library: Library) -> None:
    secret = row("salaries.md", quote="Band seven earns the most")
    found, bad = await posed(library, secret)
    assert (found, len(bad)) == ([], 1)
    assert "that you may read" in bad[0][1]
    found, bad = await posed(library, secret, groups=("hr",))
    assert (len(found), bad) == (1, [])
