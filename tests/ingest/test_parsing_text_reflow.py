"""Hard-wrapped text is joined; what was broken on purpose stays broken."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from ingest.parsing import parse

PROSE = (
    "The committee consists of up to eight members, and should usually have at least four. "
    "Members are appointed for a term of four years, and nobody may serve two terms in a row. "
    "A decision needs a majority of three to one in a vote held in the open. "
)


def text_of(tmp_path: Path, content: str) -> str:
    path = tmp_path / "rules.txt"
    path.write_text(content, encoding="utf-8")
    return parse(path).text


@pytest.mark.parametrize("width", [60, 72, 79, 100])
@pytest.mark.parametrize("indent", ["", "       "])
def test_a_wrapped_paragraph_becomes_one_line(tmp_path: Path, width: int, indent: str) -> None:
    wrapped = textwrap.fill(PROSE, width, initial_indent=indent, subsequent_indent=indent)
    text = text_of(tmp_path, f"{wrapped}\n\n{wrapped}\n")
    assert text.count(PROSE.strip()) == 2


def test_a_wrapped_list_keeps_its_items(tmp_path: Path) -> None:
    items = "\n".join(
        textwrap.fill(PROSE, 72, initial_indent=f"{n}. ", subsequent_indent="   ") for n in (1, 2)
    )
    text = text_of(tmp_path, items)
    assert f"1. {PROSE.strip()}\n2. {PROSE.strip()}" in text


@pytest.mark.parametrize(
    "lines",
    [
        ["def answer(question):", "    return 42", "", "answer(None)"],
        [
            f"2026-11-24 10:00:{n:02} INFO request {n} took {n * 37} ms" + " and more" * (n % 7)
            for n in range(40)
        ],
        [
            "Name            Room     Telephone number of the office",
            "Adams           12       555-1234 extension 7",
        ],
        ["Roses are red", "violets are blue"],
    ],
)
def test_code_logs_columns_and_verse_keep_their_lines(tmp_path: Path, lines: list[str]) -> None:
    text = text_of(tmp_path, "\n".join(lines))
    assert all(line.strip() in text.split("\n") or line.strip() in text for line in lines)
    assert text.strip().count("\n") >= len([line for line in lines if line]) - 1
