from __future__ import annotations

import pytest

from ingest.parsing import parse_bytes
from ingest.parsing.pdf_lines import Line
from ingest.parsing.pdf_reflow import blocks_of_pages
from rag.errors import SourceDamaged, SourceEncrypted
from tests.ingest import files


def test_paragraphs_flow_and_headings_lists_and_rows_have_their_own_lines() -> None:
    document = parse_bytes(files.pdf_report(), "x.pdf")
    assert files.LOREM in document.text
    assert "- the first duty\n- the second" in document.text
    assert "Role | Duty\nOperator | Restore test\nAuditor | Review" in document.text
    assert document.title == "Backup policy"
    assert [(h.level, h.title) for h in document.headings][:3] == [
        (1, "Backup policy"),
        (1, "1. Chapter number 1"),
        (2, "Who is responsible"),
    ]


def test_bookmarks_are_found_again_whatever_their_case_spacing_and_numbering() -> None:
    document = parse_bytes(files.pdf_report(outline=True), "x.pdf")
    assert [(h.level, h.title) for h in document.headings] == [
        (1, "1. Chapter number 1"),
        (2, "Who is responsible"),
        (1, "2. Chapter number 2"),
        (2, "Who is responsible"),
    ]
    second = document.pages[1]
    assert document.page_at(document.headings[2].start) == 2
    assert document.text[second.start :].startswith("2. Chapter number 2")


@pytest.mark.parametrize(
    ("title", "expected"), [(None, "Backup policy"), ("x.docx", "Backup policy"), ("Plan", "Plan")]
)
def test_the_title_is_the_metadata_when_it_means_something(title: str | None, expected: str) -> None:
    assert parse_bytes(files.pdf_report(title=title), "file.pdf").title == expected


def test_words_broken_at_the_line_end_are_joined_but_compounds_keep_their_hyphen() -> None:
    lines = [
        "The long-term plan of the regional management board contains an exam-",
        "ple of what is called the long-",
        "term plan of everyone",
    ]
    page = [(72.0, 700.0 - 13 * i, text) for i, text in enumerate(lines)]
    text = parse_bytes(files.pdf_of_pages([page]), "x.pdf").text
    assert "an example of what is called the long-term plan of everyone" in text


def test_running_heads_and_page_numbers_go_and_what_does_not_repeat_stays() -> None:
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]
    pages = [
        [
            (72, 800, "ACME internal"),
            (72, 700, f"This page is about {word} only."),
            (72, 690, "Closing."),
            (72, 680, f"A word on {word}."),
            (72, 60, f"Footnote of {word}"),
            (300, 30, f"Page {n} of 6"),
        ]
        for n, word in enumerate(words, start=1)
    ]
    text = parse_bytes(files.pdf_of_pages(pages), "x.pdf").text
    assert "ACME" not in text
    assert "Page" not in text
    assert all(f"about {word} only" in text and f"Footnote of {word}" in text for word in words)


def test_three_pages_are_too_few_to_call_a_line_running() -> None:
    pages = [[(72, 800, "ACME internal"), (72, 700, f"Body of {n}.")] for n in "abc"]
    assert parse_bytes(files.pdf_of_pages(pages), "x.pdf").text.count("ACME internal") == 3


def test_a_page_without_text_is_an_empty_page_and_the_rest_goes_in() -> None:
    document = parse_bytes(files.pdf_of_texts(["first words", "", "third words"]), "x.pdf")
    assert document.pages_without_text == (2,)
    assert document.pages[1].start == document.pages[1].end
    assert document.page_at(document.text.index("third")) == 3


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_a_password_is_named_and_an_empty_one_just_opens(algorithm: str) -> None:
    with pytest.raises(SourceEncrypted, match="password"):
        parse_bytes(files.pdf_encrypted("secret", algorithm=algorithm), "x.pdf")
    assert (
        parse_bytes(files.pdf_encrypted("", algorithm=algorithm), "x.pdf").text == "Only for those who know"
    )


def test_a_truncated_pdf_is_damaged_in_one_line() -> None:
    data = files.pdf_report()
    with pytest.raises(SourceDamaged) as caught:
        parse_bytes(data[: len(data) // 3], "x.pdf")
    assert "\n" not in str(caught.value)


def test_a_sentence_over_the_end_of_a_page_stays_one_sentence() -> None:
    def line(text: str) -> Line:
        return Line(x=72, y=700, size=11, cells=[text])

    first, second = blocks_of_pages([[line("The regis-")], [line("ter is kept.")]])
    assert first[0].text + (second[0].separator or "") + second[0].text == "The register is kept."
    first, second = blocks_of_pages([[line("The register")], [line("is kept.")]])
    assert first[0].text + (second[0].separator or "") + second[0].text == "The register is kept."
    first, second = blocks_of_pages([[line("It is kept.")], [line("every day")]])
    assert second[0].separator is None


def test_a_decompression_bomb_ends_soon() -> None:
    bomb = files.pdf_with_content(b"BT (words) Tj ET " + b" " * 30_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(SourceDamaged, match="its only page cannot be read"):
        parse_bytes(bomb, "x.pdf")
