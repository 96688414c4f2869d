"""POST /v1/ask without a key: quoted sentences in the shape of every answer."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from .conftest import stored_text
from .library import BACKUPS, HOW_LONG, KEEPING, NOT_IN_THE_LIBRARY

MARKER = re.compile(r"\[(\d+)\]")
ANSWER = {"id", "text", "citations", "answered", "route", "receipt", "nearest"}
CITATION = {
    "marker",
    "document_id",
    "version",
    "chunk_id",
    "uri",
    "title",
    "page",
    "headings",
    "quote",
    "start",
    "end",
}
RECEIPT = {"input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "usd", "stages_ms"}


@pytest.fixture(scope="module")
def answer(plain: httpx.Client) -> Any:
    response = plain.post("/v1/ask", json={"question": HOW_LONG})
    assert response.status_code == 200
    return response.json()


@pytest.fixture(scope="module")
def not_found(plain: httpx.Client) -> Any:
    return plain.post("/v1/ask", json={"question": NOT_IN_THE_LIBRARY}).json()


def test_an_answer_has_every_field_that_others_rely_on(answer: Any) -> None:
    assert answer.keys() >= ANSWER
    assert all(citation.keys() >= CITATION for citation in answer["citations"])
    assert answer["route"].keys() >= {"model", "reason"}
    assert answer["receipt"].keys() >= RECEIPT


def test_the_sentence_that_answers_is_quoted(answer: Any) -> None:
    assert answer["answered"] is True
    assert answer["citations"][0]["quote"] == KEEPING
    assert answer["citations"][0]["uri"].endswith(f"/{BACKUPS.name}")
    assert answer["citations"][0]["headings"] == ["Falcon backups"]
    assert answer["text"].startswith(KEEPING + "[1]")


def test_every_quote_is_the_stored_text_of_its_range(answer: Any, plain: httpx.Client) -> None:
    for citation in answer["citations"]:
        text = stored_text(plain, citation["document_id"])
        assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_the_short_answer_is_the_stored_text_at_its_place_within_its_citation(
    answer: Any, plain: httpx.Client
) -> None:
    short = answer["short_answer"]
    assert short is not None
    assert "ninety" in short["text"]
    (citation,) = [one for one in answer["citations"] if one["marker"] == short["marker"]]
    assert citation["start"] <= short["start"] < short["end"] <= citation["end"]
    text = stored_text(plain, citation["document_id"])
    assert text[short["start"] : short["end"]] == short["text"]


def test_an_answer_that_takes_a_sentence_has_no_short_one(plain: httpx.Client) -> None:
    answer = plain.post("/v1/ask", json={"question": "Are backups of the Falcon system kept?"}).json()
    assert answer["answered"] is True
    assert answer["short_answer"] is None


def test_the_markers_in_the_text_are_those_of_the_citations(answer: Any) -> None:
    markers = [citation["marker"] for citation in answer["citations"]]
    assert markers == list(range(1, len(markers) + 1))
    assert {int(marker) for marker in MARKER.findall(answer["text"])} == set(markers)


def test_it_says_that_no_model_wrote_it_and_costs_nothing(answer: Any) -> None:
    assert answer["route"]["model"] == "extractive"
    assert answer["receipt"]["usd"] == 0
    assert answer["receipt"]["input_tokens"] == answer["receipt"]["output_tokens"] == 0
    assert answer["receipt"]["stages_ms"].keys() >= {"embed", "search", "extract"}


def test_what_the_documents_do_not_hold_is_said_to_be_missing(not_found: Any) -> None:
    assert not_found["answered"] is False
    assert not_found["citations"] == []
    assert not MARKER.search(not_found["text"])


def test_the_nearest_documents_are_named_once_each(not_found: Any, ids: dict[str, str]) -> None:
    nearest = [near["document_id"] for near in not_found["nearest"]]
    assert nearest
    assert len(set(nearest)) == len(nearest)
    assert set(nearest) <= set(ids.values())


def test_a_bracketed_number_of_a_document_is_not_taken_for_a_citation(plain: httpx.Client) -> None:
    answer = plain.post("/v1/ask", json={"question": "What do visitors of the Heron building wear?"}).json()
    assert answer["answered"] is True
    assert "yellow badge (7)" in answer["text"]
    assert "yellow badge [7]" in answer["citations"][0]["quote"]
    markers = {citation["marker"] for citation in answer["citations"]}
    assert {int(marker) for marker in MARKER.findall(answer["text"])} == markers


def test_a_question_can_be_limited_to_documents(plain: httpx.Client, ids: dict[str, str]) -> None:
    asked = {"question": HOW_LONG, "filters": {"document_ids": [ids["parking.html"]]}}
    answer = plain.post("/v1/ask", json=asked).json()
    assert answer["answered"] is False
    assert [near["document_id"] for near in answer["nearest"]] == [ids["parking.html"]]


def test_filters_that_match_nothing_give_no_answer_and_no_nearest(plain: httpx.Client) -> None:
    asked = {"question": HOW_LONG, "filters": {"collections": ["elsewhere"]}}
    answer = plain.post("/v1/ask", json=asked).json()
    assert (answer["answered"], answer["nearest"]) == (False, [])


def test_a_search_gives_every_field_that_others_rely_on(plain: httpx.Client) -> None:
    found = plain.post("/v1/search", json={"query": "Falcon backups", "limit": 2}).json()
    assert found.keys() >= {"hits", "stages_ms"}
    assert 1 <= len(found["hits"]) <= 2
    fields = CITATION - {"marker", "quote"} | {"text", "score"}
    assert all(hit.keys() >= fields for hit in found["hits"])
    first = found["hits"][0]
    assert first["uri"].endswith(f"/{BACKUPS.name}")
    assert first["text"] == stored_text(plain, first["document_id"])[first["start"] : first["end"]]
    assert [hit["score"] for hit in found["hits"]] == sorted(
        (h["score"] for h in found["hits"]), reverse=True
    )


def test_a_search_without_reranking_leaves_the_cross_encoder_out(plain: httpx.Client) -> None:
    glanced = plain.post("/v1/search", json={"query": "Falcon backups", "limit": 2, "rerank": False}).json()
    assert glanced["stages_ms"].keys() == {"embed", "search"}
    assert 1 <= len(glanced["hits"]) <= 2
    assert all(hit["relevance"] is None for hit in glanced["hits"])
    assert glanced["hits"][0]["uri"].endswith(f"/{BACKUPS.name}")
