"""The answer without a model: which sentences are quoted, and when none is."""

from __future__ import annotations

from ingest.chunking import Chunker
from ingest.parsing import parse_bytes
from rag.documents import Evidence
from rag.extractive import MAX_SENTENCES, Scorer, choose_quotes
from tests.fakes import OverlapReranker, parsed

OVERLAP = Scorer(OverlapReranker().score, threshold=0.0, passage_threshold=5.0, margin=1.0, named=3.0)


def code(text: str, name: str) -> Evidence:
    document = parse_bytes(text.encode(), name)
    chunks = Chunker(lambda piece: len(piece.split()), 200).chunk(
        document, "6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c12", name
    )
    return Evidence(f"file:///library/{name}", name, tuple(chunks), document)


def evidence(text: str, name: str = "rules") -> Evidence:
    document = parsed(text)
    chunks = Chunker(lambda piece: len(piece.split()), 200).chunk(
        document, "6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c11", name
    )
    return Evidence(f"file:///library/{name}.md", name, tuple(chunks), document)


def test_the_sentence_that_answers_is_quoted() -> None:
    item = evidence("# Rules\n\nParking is free. Backups are kept for ninety days. Lunch is at noon.")
    quotes = choose_quotes("how long are backups kept", [item], OVERLAP)
    assert [quote.text for quote in quotes] == ["Backups are kept for ninety days."]


def test_nothing_is_quoted_when_no_sentence_answers() -> None:
    item = evidence("# Rules\n\nParking is free for all. Lunch is at noon sharp.")
    assert choose_quotes("how long are backups kept", [item], OVERLAP) == []


def test_a_relevant_passage_is_quoted_though_no_sentence_answers_alone() -> None:
    item = evidence("# Rules\n\nBackups are made at night. It is ninety days for all copies.")
    question = "how long are backups kept erased archived vaulted"
    assert choose_quotes(question, [item], OVERLAP, relevance=1.0) == []
    assert choose_quotes(question, [item], OVERLAP, relevance=6.0)


def test_the_same_sentence_is_quoted_once_and_headings_never() -> None:
    text = "# Backups kept how long\n\nBackups are kept for ninety days."
    quotes = choose_quotes("how long are backups kept", [evidence(text, "a"), evidence(text, "b")], OVERLAP)
    assert [quote.text for quote in quotes] == ["Backups are kept for ninety days."]


def test_at_most_three_sentences_are_quoted_in_reading_order() -> None:
    item = evidence("# Rules\n\n" + " ".join(f"Backups are kept in the vault number {n}." for n in range(9)))
    quotes = choose_quotes("backups kept vault", [item], OVERLAP)
    assert len(quotes) == MAX_SENTENCES
    assert [quote.start for quote in quotes] == sorted(quote.start for quote in quotes)


def test_no_evidence_gives_no_quotes() -> None:
    assert choose_quotes("anything", [], OVERLAP) == []


def test_a_line_of_code_that_has_the_name_asked_for_is_quoted_before_prose_about_the_like() -> None:
    prose = evidence("# Limits\n\nThe broken limit of the value is said to be forty two here.")
    item = code("import os\n\nBROKEN_LIMIT = 99\nOTHER_LIMIT = 1\n", "limits.py")
    quotes = choose_quotes("What is the value of BROKEN_LIMIT?", [prose, item], OVERLAP)
    assert quotes[0].text == "BROKEN_LIMIT = 99"


def test_a_comment_is_quoted_with_the_line_that_it_is_about() -> None:
    item = code("package client\n\n// How often a request is tried again.\nconst MaxRetries = 7\n", "c.go")
    (quote,) = choose_quotes("How often is a request tried again?", [item], OVERLAP)
    assert quote.text == "// How often a request is tried again.\nconst MaxRetries = 7"


def test_a_comment_that_goes_on_is_quoted_as_it_is() -> None:
    item = code("# Requests are tried again at night.\n# Not by day.\nRETRIES = 7\n", "c.py")
    quotes = choose_quotes("When are requests tried again?", [item], OVERLAP)
    assert quotes[0].text.endswith("tried again at night.")
