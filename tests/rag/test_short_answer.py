"""The short answer: which words of a sentence are shown, where, and when none are."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import Chunker
from rag import short_answer
from rag.documents import Evidence
from rag.extractive import Quote
from rag.inner_view import View
from rag.models import installed_path
from rag.reranking import OnnxReranker
from rag.settings import load_settings
from rag.short_answer import SURE_FROM, ShortAnswers, best_span, stored_weights, wants_a_sentence, whole_words
from tests.fakes import OverlapReranker, parsed

WEIGHTS = np.eye(2, dtype=np.float32)


class Pointing:
    """Sees the answer begin and end at the words it is given."""

    def __init__(self, first: str, last: str, strength: float = 20.0) -> None:
        self.first, self.last, self.strength = first, last, strength

    def read(self, question: str, lead: str, passage: str) -> View:
        tokens = [match.span() for match in re.finditer(r"\w+|[^\w\s]", passage)]
        words = [passage[start:end] for start, end in tokens]
        seen = [[self.strength * (word == self.first), self.strength * (word == self.last)] for word in words]
        return View(tuple(tokens), np.array(seen, dtype=np.float32), 5.0)


def quote(sentence: str) -> Quote:
    document = parsed(f"# Rules\n\nParking is free. {sentence}")
    chunks = Chunker(lambda piece: len(piece.split()), 200).chunk(
        document, "6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c11", "v"
    )
    start = document.text.index(sentence)
    item = Evidence("file:///rules.md", "Rules", tuple(chunks), document)
    return Quote(item, start, start + len(sentence), prior=0.0, score=5.0)


def test_the_words_that_answer_are_found_at_their_place_in_the_document() -> None:
    cited = quote("Backups are kept for ninety days in a vault.")
    found = ShortAnswers(lambda: Pointing("ninety", "days"), WEIGHTS).of_quote(
        "How long are backups kept?", cited
    )
    assert found is not None
    assert cited.evidence.parsed.text[found.start : found.end] == "ninety days"
    assert cited.start <= found.start < found.end <= cited.end
    assert SURE_FROM <= found.confidence <= 1


def test_where_nothing_stands_out_no_short_answer_is_given() -> None:
    unsure = ShortAnswers(lambda: Pointing("ninety", "days", strength=0.0), WEIGHTS)
    cited = quote("Backups are kept for ninety days in a vault that nobody but its two owners may enter.")
    assert unsure.of_quote("How long are backups kept?", cited) is None


@pytest.mark.parametrize(("strength", "confidence", "given"), [(2.0, 0.33, False), (2.5, 0.46, True)])
def test_a_short_answer_is_given_from_a_confidence_of_two_fifths(
    strength: float, confidence: float, given: bool
) -> None:
    answers = ShortAnswers(lambda: Pointing("ninety", "days", strength=strength), WEIGHTS)
    cited = quote("Backups are kept for ninety days in a vault that nobody but its two owners may enter.")
    found = answers.best("How long are backups kept?", cited.lead, cited.text)
    assert found is not None
    assert found.confidence == pytest.approx(confidence, abs=0.01)
    assert (answers.of_quote("How long are backups kept?", cited) is not None) is given


def test_words_that_only_repeat_the_question_are_no_answer() -> None:
    view = Pointing("Backups", "Backups")
    sentence = "Backups are kept for ninety days."
    found = best_span("How long are backups kept?", sentence, view.read("", "", sentence), WEIGHTS)
    assert found is None or sentence[found.start : found.end] != "Backups"


@pytest.mark.parametrize(
    "question",
    [
        "Is parking free?",
        "After a break-in, can we just restore everything?",
        "Kann man das Kennwort ändern?",
        "¿Es obligatorio?",
        "Was the contract signed?",
        "And was payment received?",
        "Was it sent?",
        "Was Lincoln president?",
        "War das erlaubt?",
        "Will the server reboot by itself?",
        "Will Debian be supported?",
        "May I park there?",
        "Am I allowed to park there?",
        "Is this what failed?",
        "Is it a paid service and how much?",
        "Why is it forbidden?",
        "How do I change the password?",
        "What is the difference between a soft and a hard limit?",
    ],
)
def test_a_question_that_takes_a_sentence_to_answer_gets_no_short_answer(question: str) -> None:
    assert wants_a_sentence(question)


@pytest.mark.parametrize(
    "question",
    [
        "How many keys can it hold?",
        "Which flag keeps the user id?",
        "Should it be /media or /mnt?",
        "Wann endet die Frist?",
        "Was ist die Frist?",
        "Was kostet es?",
        "was kostet es",
        "Was passiert danach?",
        "Was steht in Anlage 3?",
        "Was ist SQLite?",
        "Was mache ich zuerst?",
        "Nach der Kündigung, was gilt dann?",
        "Will Smith was born when?",
        "Will Smith is how old?",
        "Will Smith was born in the city of his mother and lives there in which house?",
        "Will Durant had a wife from where exactly?",
        "May 5 is which holiday?",
        "Am welchen Tag endet die Frist?",
        "How long are backups kept?",
    ],
)
def test_a_question_for_a_thing_or_a_number_may_get_one(question: str) -> None:
    assert not wants_a_sentence(question)


@pytest.mark.parametrize(
    ("sentence", "part", "whole"),
    [
        ("Set --userns=keep-id for that.", "keep", "--userns=keep-id"),
        ("It is in /etc/cron.d, as ever.", "cron", "/etc/cron.d"),
        ("It holds (at most) 1,024.5 tables.", "024", "1,024.5"),
        ("The segments (16MB apiece) are full.", "16", "16MB"),
        ("They call it “Toy Story”.", "Story", "Story"),
    ],
)
def test_words_options_paths_and_numbers_are_never_cut(sentence: str, part: str, whole: str) -> None:
    at = sentence.index(part)
    start, end = whole_words(sentence, at, at + len(part))
    assert sentence[start:end] == whole


@given(st.text(max_size=80), st.integers(0, 80), st.integers(0, 80))
def test_the_span_lies_within_its_sentence(sentence: str, one: int, other: int) -> None:
    start, end = (min(at, len(sentence)) for at in sorted((one, other)))
    first, last = whole_words(sentence, start, end)
    assert 0 <= first <= last <= len(sentence)


def test_another_reranker_has_no_inside_to_look_at() -> None:
    assert ShortAnswers.of(OverlapReranker(), load_settings()) is None
    assert ShortAnswers.of(None, load_settings()) is None


def test_the_inside_is_opened_once_and_by_the_first_who_needs_it() -> None:
    opened = list[int]()

    def opening() -> Pointing:
        opened.append(threading.get_ident())
        time.sleep(0.05)
        return Pointing("ninety", "days")

    short, cited = ShortAnswers(opening, WEIGHTS), quote("Backups are kept for ninety days in a vault.")
    assert short.of_quote("Are backups kept?", cited) is None
    assert opened == []
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(short.of_quote, "How long are backups kept?", cited) for _ in range(4)]
        assert None not in [one.result() for one in asked]
    assert len(opened) == 1
    assert opened[0] != threading.get_ident()


def test_an_inside_that_cannot_be_opened_is_told_once_and_means_no_short_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(folder: Path) -> View:
        raise RuntimeError("no such output")

    monkeypatch.setattr(short_answer, "InnerView", broken)
    settings = load_settings()
    name = settings.reranker_model
    short = ShortAnswers.of(OnnxReranker(installed_path(settings, name), name), settings)
    assert short is not None
    cited = quote("Backups are kept for ninety days in a vault.")
    assert caplog.records == []
    for _ in range(3):
        assert short.of_quote("How long are backups kept?", cited) is None
    assert len(caplog.records) == 1


def test_the_built_in_model_points_at_the_number() -> None:
    settings = load_settings()
    name = settings.reranker_model
    short = ShortAnswers.of(OnnxReranker(installed_path(settings, name), name), settings)
    assert short is not None
    cited = quote("Backups are kept in the vault for ninety days.")
    found = short.best("How many days are backups kept?", cited.lead, cited.text)
    assert found is not None
    assert "ninety" in cited.text[found.start : found.end]


def test_the_weights_fit_the_features() -> None:
    weights = stored_weights()
    assert weights.shape == (2640, 2)
    assert np.isfinite(weights).all()
