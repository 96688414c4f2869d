"""`rag ask`, `search` and `doctor`, and `rag serve` until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from rag.documents import Answer, SearchResult

from .commands import Commands, Ran
from .folder import ANSWER, QUESTION


@pytest.fixture(scope="module")
def told(added: Ran, commands: Commands) -> dict[str, Ran]:
    """The question asked for machines and for people, and searched for; at once, as each loads the models."""
    started = {
        "json": commands.start("rag", "ask", QUESTION, "--json"),
        "people": commands.start("rag", "ask", QUESTION),
        "search": commands.start("rag", "search", QUESTION, "--limit", "2", "--json"),
        "named": commands.start("rag", "search", QUESTION, "--document", "handbook.md", "--json"),
        "misnamed": commands.start("rag", "search", QUESTION, "--document", "handbok.md"),
        "uncollected": commands.start("rag", "search", QUESTION, "--collection", "defualt"),
    }
    return {name: commands.wait(process) for name, process in started.items()}


def test_an_answer_has_the_shape_that_http_gives(told: dict[str, Ran]) -> None:
    assert told["json"].code == 0
    answer = told["json"].json
    assert Answer.model_validate_json(told["json"].out).model_dump(mode="json") == answer
    assert answer.keys() == Answer.model_fields.keys()
    assert answer["answered"] is True
    assert answer["citations"][0]["quote"] == ANSWER
    assert answer["route"]["model"] == "extractive"


def test_an_answer_for_people_has_its_citations_below(told: dict[str, Ran]) -> None:
    ran = told["people"]
    assert ran.code == 0
    assert ran.out.startswith(f"{ANSWER}[1]")
    (cited,) = [row for row in ran.out.splitlines() if row.startswith("[1]")]
    assert "Wren handbook" in cited
    assert "handbook.md" in cited
    assert "extractive" in ran.err


def test_a_search_has_the_shape_that_http_gives(told: dict[str, Ran]) -> None:
    found = SearchResult.model_validate_json(told["search"].out)
    assert 1 <= len(found.hits) <= 2
    assert ANSWER in found.hits[0].text


def test_a_document_is_named_as_it_is_listed(told: dict[str, Ran]) -> None:
    found = SearchResult.model_validate_json(told["named"].out)
    assert {hit.uri.rsplit("/", 1)[-1] for hit in found.hits} == {"handbook.md"}
    assert told["misnamed"].code == 1
    assert "no document 'handbok.md'" in told["misnamed"].err
    assert "ingest list" in told["misnamed"].err


def test_a_collection_that_holds_nothing_is_an_error_with_the_one_that_was_meant(
    told: dict[str, Ran],
) -> None:
    assert told["uncollected"].code == 1
    assert "in the collection 'defualt'" in told["uncollected"].err
    assert "did you mean default?" in told["uncollected"].err


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "  "),
        ("ask", "How?", "--mode", "wild"),
        ("search", "a", "--limit", "0"),
        ("ask", "long" * 1001),
    ],
)
def test_a_question_that_is_none_is_misuse(elsewhere: Commands, arguments: tuple[str, ...]) -> None:
    assert elsewhere.rag(*arguments).code == 2


def test_without_models_asking_fails_in_one_line_with_the_remedy(elsewhere: Commands, no_models: str) -> None:
    ran = elsewhere.rag("ask", QUESTION, "--json", RAG_MODELS_DIR=no_models)
    assert (ran.code, ran.out) == (1, "")
    assert "rag models fetch" in ran.err


@pytest.mark.parametrize("role", ["EMBEDDING", "RERANKER"])
def test_a_model_that_cannot_be_had_is_told_once_and_at_once(elsewhere: Commands, role: str) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    ran = elsewhere.rag("ask", QUESTION, "--json", **{f"RAG_{role}_MODEL": "no/such"}, **nowhere)
    assert (ran.code, ran.out) == (1, "")
    assert "'no/such' is not on this machine" in ran.err
    assert "Connection refused" in ran.err
    assert f"RAG_{role}_MODEL" in ran.err
    assert len(ran.err.splitlines()) < 5


def test_a_model_whose_name_is_nearly_a_built_in_one_is_guessed(elsewhere: Commands) -> None:
    near = {"RAG_RERANKER_MODEL": "ms-marco-minilm-L-12", "HF_ENDPOINT": "http://127.0.0.1:9"}
    ran = elsewhere.rag("ask", QUESTION, **near)
    assert "did you mean ms-marco-MiniLM-L-12-v2?" in ran.err


# ---------------------------------------------------------------- doctor


def checks(ran: Ran) -> dict[str, Any]:
    return {check["name"]: check for check in ran.json}


def test_the_doctor_finds_a_working_installation_in_order(added: Ran, commands: Commands) -> None:
    ran = commands.rag("doctor", "--json", RAG_PORT="0", ANTHROPIC_API_KEY="sk-ant-test-not-shown")
    assert ran.code == 0
    found = checks(ran)
    states = {name: check["state"] for name, check in found.items()}
    assert states.pop("store") == "WARN"  # some of the files failed
    assert set(states.values()) == {"OK"}
    assert {"embedding", "reranking", "claude", "address", "data folder", "exposure"} <= states.keys()
    assert "sk-ant-test" not in ran.out + ran.err


def test_the_doctor_names_what_is_wrong_and_the_remedy(elsewhere: Commands, no_models: str) -> None:
    ran = elsewhere.rag(
        "doctor",
        RAG_MODELS_DIR=no_models,
        RAG_QDRANT_URL="http://127.0.0.1:9",
        RAG_HOST="0.0.0.0",
        RAG_PORT="0",
    )
    assert ran.code == 1
    rows = ran.out.splitlines()
    for name, state, remedy in (
        ("embedding", "FAIL", "rag models fetch"),
        ("reranking", "FAIL", "rag models fetch"),
        ("store", "FAIL", "RAG_QDRANT_URL"),
        ("claude", "WARN", "ANTHROPIC_API_KEY"),
        ("exposure", "WARN", "RAG_ADMIN_KEY"),
    ):
        (place,) = [number for number, row in enumerate(rows) if re.match(rf"{state} +{name} ", row)]
        assert remedy in rows[place + 1]


def test_a_warning_alone_is_no_failure(elsewhere: Commands) -> None:
    ran = elsewhere.rag("doctor", "--json", RAG_PORT="0", RAG_HOST="0.0.0.0", RAG_ADMIN_KEY="short")
    assert ran.code == 0
    assert "fewer than 16 characters" in checks(ran)["exposure"]["detail"]
    assert "short" not in ran.out
    assert checks(ran)["store"]["state"] == checks(ran)["claude"]["state"] == "WARN"
    assert "ingest add" in checks(ran)["store"]["remedy"]


def test_a_data_folder_that_cannot_be_one_is_a_failure(elsewhere: Commands) -> None:
    elsewhere.data_dir.write_text("a file")
    ran = elsewhere.rag("doctor", "--json")
    assert ran.code == 1
    assert checks(ran)["data folder"]["state"] == checks(ran)["store"]["state"] == "FAIL"
    assert "RAG_DATA_DIR" in checks(ran)["data folder"]["remedy"]


def test_the_models_are_listed_with_licence_and_origin(elsewhere: Commands) -> None:
    models = elsewhere.rag("models", "list", "--json").json
    assert {model["role"] for model in models} == {"embedding", "reranking"}
    assert all(model["licence"] and model["origin"] and model["present"] for model in models)


def test_a_model_that_is_not_built_in_is_refused_and_those_that_are_get_named(elsewhere: Commands) -> None:
    ran = elsewhere.rag("models", "fetch", "gpt")
    assert ran.code == 2
    assert "bge-small-en-v1.5" in " ".join(ran.err.split())
    assert elsewhere.rag("models", "fetch").err.count("present") == 2


# ---------------------------------------------------------------- serve


@pytest.mark.slow
def test_ctrl_c_ends_the_service_without_a_traceback(elsewhere: Commands) -> None:
    serving = elsewhere.start("rag", "serve", RAG_PORT="0", RAG_RERANK="false")
    assert serving.stderr is not None
    said = ""
    while "Ready: http://127.0.0.1:" not in said:
        line = serving.stderr.readline()
        assert line, said
        said += line
    os.killpg(serving.pid, signal.SIGINT)
    assert elsewhere.wait(serving).code in (0, 130)
