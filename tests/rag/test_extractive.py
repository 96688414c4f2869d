"""The answer without a model: which sentences are quoted, and when none is."""

from __future__ import annotations

from ingest.chunking import Chunker
from rag.documents import Evidence
from rag.extractive import MAX_SENTENCES, Scorer, choose_quotes
from tests.fakes import OverlapReranker, parsed

OVERLAP = Scorer(OverlapReranker().score, threshold=0.0, passage_threshold=5.0, margin=1.0)


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
