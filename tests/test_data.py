"""The sample library: what is promised of it, and that each question's proof is where it says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest.parsing import parse
from rag.parsed import ParsedDocument

DATA = Path(__file__).resolve().parent.parent / "data"
LIBRARY = sorted(path for path in (DATA / "library").iterdir() if path.is_file())
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (DATA / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
WORDS_A_PAGE = 500


@cache
def document(name: str) -> ParsedDocument:
    return parse(DATA / "library" / name)


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_the_library_holds_the_kinds_of_documents_that_people_have() -> None:
    kinds = {path.suffix for path in LIBRARY}
    assert kinds >= {".pdf", ".md", ".html", ".docx", ".txt"}
    assert len(LIBRARY) >= 12
    pages = sum(
        len(document(path.name).pages) or len(document(path.name).text.split()) / WORDS_A_PAGE
        for path in LIBRARY
    )
    assert pages >= 120


def test_every_pdf_has_pages_and_headings() -> None:
    for path in LIBRARY:
        if path.suffix == ".pdf":
            assert len(document(path.name).pages) > 3, path.name
            assert len(document(path.name).headings) > 3, path.name


def test_the_licence_of_every_document_is_stated_and_kept() -> None:
    stated = (DATA / "LICENSES.md").read_text(encoding="utf-8")
    for path in LIBRARY:
        assert path.name in stated
    assert any((DATA / "licenses").iterdir())


def test_there_are_forty_questions_of_which_eight_cannot_be_answered() -> None:
    assert len(QUESTIONS) == len({question["id"] for question in QUESTIONS}) == 40
    unanswerable = [question for question in QUESTIONS if not question["answerable"]]
    assert len(unanswerable) == 8
    assert all(question["relevant"] == [] and question["answer"] is None for question in unanswerable)


def test_every_document_proves_an_answer() -> None:
    proving = {place["document"] for question in QUESTIONS for place in question["relevant"]}
    assert proving == {path.name for path in LIBRARY}


@pytest.mark.parametrize("question", [q for q in QUESTIONS if q["answerable"]], ids=lambda q: q["id"])
def test_the_proof_of_each_answer_stands_in_the_text_as_it_is_ingested(question: dict[str, Any]) -> None:
    assert question["relevant"]
    for place in question["relevant"]:
        parsed = document(place["document"])
        if place["page"] is None:
            assert squeezed(place["quote"]) in squeezed(parsed.text)
        else:
            page = parsed.pages[place["page"] - 1]
            assert squeezed(place["quote"]) in squeezed(parsed.text[page.start : page.end])
