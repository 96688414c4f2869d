"""Sentence spans: exact, ordered, and never across lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.sentences import LONGEST, sentence_spans


def texts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def test_sentences_end_at_full_stops_but_not_at_abbreviations() -> None:
    assert texts("Keep it for 3.5 years, e.g. in a vault. Dr. Adams decides. Who else?") == [
        "Keep it for 3.5 years, e.g. in a vault.",
        "Dr. Adams decides.",
        "Who else?",
    ]


def test_a_line_break_ends_a_sentence_and_a_bullet_is_no_part_of_one() -> None:
    assert texts("Title\n\n- first item\n- second item. And more\n2. third") == [
        "Title",
        "first item",
        "second item.",
        "And more",
        "third",
    ]


def test_lines_without_a_word_are_no_sentences() -> None:
    assert texts("---\n\n***\n| |\nok") == ["ok"]


def test_a_run_without_stops_is_cut_at_spaces() -> None:
    pieces = texts("word " * 1000)
    assert all(0 < len(piece) <= LONGEST for piece in pieces)
    assert "".join(pieces).replace(" ", "") == "word" * 1000


@given(st.text(max_size=400))
def test_spans_are_ordered_stripped_and_apart(text: str) -> None:
    last = 0
    for start, end in sentence_spans(text):
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        last = end


@given(st.text(max_size=200), st.integers(0, 100), st.integers(0, 100))
def test_spans_keep_within_the_range_asked_for(text: str, a: int, b: int) -> None:
    first, last = sorted((min(a, len(text)), min(b, len(text))))
    assert all(first <= start and end <= last for start, end in sentence_spans(text, first, last))
