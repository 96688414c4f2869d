"""The file of questions, and how many of them fit into a batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.bulk.questions import read_questions
from rag.bulk.requests import split
from rag.errors import InvalidRequest


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([1, 1, 1, 1], [[0, 1, 2], [3]]),
        ([6, 5, 5], [[0], [1, 2]]),
        ([11, 1], [[0], [1]]),
    ],
)
def test_batches_keep_to_the_limits_of_number_and_size(sizes: list[int], groups: list[list[int]]) -> None:
    assert split(sizes, most=3, largest=10) == groups


def test_bad_lines_are_named_and_the_others_asked(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    lines = [
        '"How?"',
        "",
        "How?",
        '{"id": 7, "question": "Who?", "filters": {"collection": "people"}}',
        '{"id": "7", "question": "Why?"}',
        '{"question": "  "}',
        '{"question": "When?", "colour": "red"}',
        '{"id": "x"}',
        "[1]",
        '{"question": "\\ud800"}',
    ]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\n\xff\n")
    found = read_questions(file)
    assert [(line.number, line.id, line.question) for line in found.lines] == [
        (1, "line-1", "How?"),
        (4, "7", "Who?"),
    ]
    assert found.lines[1].filters.collections == ("people",)
    reasons = {bad.line: bad.reason for bad in found.bad}
    assert reasons.keys() == {3, 5, 6, 7, 8, 9, 10, 11}
    assert "line 4" in reasons[5]
    assert "colour" in reasons[7]
    assert reasons[8].startswith("question: ")
    assert reasons[11] == "it is not UTF-8"


def test_a_file_without_a_question_is_an_error_that_shows_one(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text("nothing\n")
    with pytest.raises(InvalidRequest, match=r"line 1.*\{"):
        read_questions(file)
