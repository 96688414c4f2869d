"""The first router: which questions are about whole documents."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from rag.routing import asks_for_whole_documents, plan
from rag.settings import Settings


@pytest.mark.parametrize(
    "question",
    [
        "Summarise the security policy",
        "Can you give me a summary of this contract?",
        "tl;dr of the annual report",
        "What are the key takeaways from the manual?",
        "Compare the two supplier contracts",
        "What changed between version 2 and version 3?",
        "Give me an overview of the onboarding guide",
        "What is this document about?",
    ],
)
def test_a_question_about_whole_documents_is_seen_as_one(question: str) -> None:
    assert asks_for_whole_documents(question)


@pytest.mark.parametrize(
    "question",
    [
        "How long are backups kept?",
        "Who signs the contract?",
        "What is the main difference between contrib and non-free?",
        "Which port does the service listen on?",
        "Compare-and-swap: is it supported?",
        "When was the policy changed?",
    ],
)
def test_a_lookup_is_not_taken_for_one(question: str) -> None:
    assert not asks_for_whole_documents(question)


def test_the_route_is_named_with_its_reason(settings: Settings) -> None:
    claude = settings.model_copy(update={"anthropic_api_key": SecretStr("k")})
    lookup = plan("How long are backups kept?", "auto", claude)
    whole = plan("Summarise the policy", "auto", claude)
    assert (lookup.kind, lookup.route.model) == ("lookup", "claude-haiku-5-5")
    assert (whole.kind, whole.route.model) == ("synthesis", "claude-sonnet-5-5")
    assert lookup.route.reason != whole.route.reason


def test_the_word_of_the_user_overrides_the_router(settings: Settings) -> None:
    claude = settings.model_copy(update={"anthropic_api_key": SecretStr("k")})
    assert plan("Summarise the policy", "fast", claude).route.model == "claude-haiku-5-5"
    assert plan("How long?", "thorough", claude).route.model == "claude-sonnet-5-5"


def test_without_a_key_every_question_is_answered_by_quotes(settings: Settings) -> None:
    for mode in ("auto", "fast", "thorough"):
        assert plan("Summarise the policy", mode, settings).kind == "extractive"
