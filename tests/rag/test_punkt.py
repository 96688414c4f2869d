"""The port of Punkt decides as nltk does, whose Punkt it is."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from rag.punkt import punkt_spans
from rag.sentences import _ABBREVIATIONS

ROOT = Path(__file__).resolve().parents[2]
_PARAMETERS = PunktParameters()
_PARAMETERS.abbrev_types = set(_ABBREVIATIONS)
NLTK = PunktSentenceTokenizer(_PARAMETERS)


def test_the_pages_of_this_project_are_cut_as_by_nltk() -> None:
    lines = [
        line
        for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/library/*.md"))
        for line in path.read_text("utf-8").splitlines()
    ]
    assert len(lines) > 1000
    for line in lines:
        assert list(punkt_spans(line, _ABBREVIATIONS)) == list(NLTK.span_tokenize(line)), line


@settings(max_examples=500)
@given(st.text(alphabet="abA1É_ .?!,;:-()[]{}\"'`“”«»\t…§&#*@", max_size=40))
def test_any_line_is_cut_as_by_nltk(line: str) -> None:
    assert list(punkt_spans(line, _ABBREVIATIONS)) == list(NLTK.span_tokenize(line))
