"""The published rule: which way a question takes, before and after retrieval."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from rag.documents import Filters, Hit
from rag.intent import classify
from rag.routing import after_retrieval, is_at_hand, plan, ways
from rag.settings import Settings
from rag.sufficiency import Sufficiency
from tests.fakes import hit_with

LOOKUP, WHOLE = "How long are backups kept?", "Summarise the policy"
ENOUGH = Sufficiency(0.9, "enough", "The passages hold it.")
DOUBTFUL = Sufficiency(0.4, "doubtful", "The passages may not hold it.")
NOTHING = Sufficiency(0.05, "none", "The passages do not hold it.")


@pytest.fixture
def claude(settings: Settings) -> Settings:
    return settings.model_copy(update={"anthropic_api_key": SecretStr("k")})


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
        "Compare policy.md and policy-v2.md",
        "What changed between policy.md and policy-v2.md?",
        "Summarise sudo-troubleshooting.txt",
    ],
)
def test_a_question_about_whole_documents_is_seen_as_one(question: str) -> None:
    assert classify(question).whole_documents


@pytest.mark.parametrize(
    "question",
    [
        LOOKUP,
        "Who signs the contract?",
        "What is the main difference between contrib and non-free?",
        "Which port does the service listen on?",
        "Compare-and-swap: is it supported?",
        "When was the policy changed?",
        "How do I set the timeout in config.md?",
        "Which port does README.md name?",
    ],
)
def test_a_lookup_is_not_taken_for_one(question: str) -> None:
    assert not classify(question).whole_documents


def test_the_route_is_named_with_its_reason(claude: Settings) -> None:
    lookup, whole = plan(LOOKUP, "auto", claude), plan(WHOLE, "auto", claude)
    assert (lookup.kind, lookup.route.model) == ("lookup", "claude-haiku-5-5")
    assert (whole.kind, whole.route.model) == ("synthesis", "claude-sonnet-5-5")
    assert lookup.route.reason != whole.route.reason


def test_the_word_of_the_user_overrides_the_router(claude: Settings) -> None:
    assert plan(WHOLE, "fast", claude).route.model == "claude-haiku-5-5"
    assert plan("How long?", "thorough", claude).route.model == "claude-sonnet-5-5"


def test_without_a_key_every_question_is_answered_by_quotes(settings: Settings) -> None:
    for mode in ("auto", "fast", "thorough"):
        assert plan(WHOLE, mode, settings).kind == "extractive"


def test_where_the_passages_hold_nothing_no_model_is_asked(claude: Settings) -> None:
    judged = after_retrieval(plan(LOOKUP, "auto", claude), NOTHING, at_hand=True, settings=claude)
    assert judged.route.model == "none"
    assert NOTHING.reason in judged.route.reason


def test_a_doubtful_lookup_reads_the_whole_document_that_is_at_hand(claude: Settings) -> None:
    lookup = plan(LOOKUP, "auto", claude)
    assert after_retrieval(lookup, ENOUGH, at_hand=True, settings=claude) == lookup
    assert after_retrieval(lookup, DOUBTFUL, at_hand=False, settings=claude) == lookup
    read = after_retrieval(lookup, DOUBTFUL, at_hand=True, settings=claude)
    assert (read.kind, read.route.model, read.escalated) == ("synthesis", "claude-sonnet-5-5", True)


def test_the_evidence_does_not_overrule_the_user_nor_the_intent(claude: Settings) -> None:
    for chosen in (plan(LOOKUP, "fast", claude), plan(WHOLE, "auto", claude)):
        assert after_retrieval(chosen, NOTHING, at_hand=True, settings=claude) == chosen


def test_abstaining_can_be_switched_off(claude: Settings) -> None:
    asking = claude.model_copy(update={"abstain": False})
    lookup = plan(LOOKUP, "auto", asking)
    assert after_retrieval(lookup, NOTHING, at_hand=False, settings=asking) == lookup


def test_a_document_is_at_hand_when_it_is_named_filtered_or_holds_most_of_the_evidence() -> None:
    one, two = hit("a"), hit("b")
    assert is_at_hand([one, two], Filters(), named=True)
    assert is_at_hand([one, two], Filters(document_ids=("x",)), named=False)
    assert is_at_hand([one, one, two], Filters(), named=False)
    assert not is_at_hand([one, two, two], Filters(), named=False)
    assert not is_at_hand([], Filters(), named=False)


def test_what_is_too_dear_has_one_cheaper_way(claude: Settings) -> None:
    models = [way.route.model for way in ways(plan(WHOLE, "auto", claude), claude)]
    assert models == ["claude-sonnet-5-5", "claude-haiku-5-5"]
    assert [way.kind for way in ways(plan(LOOKUP, "auto", claude), claude)] == ["lookup"]


def hit(document_id: str) -> Hit:
    return hit_with(document_id=document_id)
