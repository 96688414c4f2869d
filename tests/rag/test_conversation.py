"""A history within its budget and its checkpoint, also when a document may no longer be read."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rag.claude import Turn
from rag.conversation import (
    TURN_TOKENS,
    WITHHELD,
    Checkpoint,
    Conversation,
    Fitted,
    Recorded,
    answered,
    carried,
    clip,
    documents_of,
    fit,
    fold_by_rule,
    history,
    without_unreadable,
)
from rag.documents import Citation, chunk_id_of, document_id_of
from rag.events import CarriedPassage

RULES, PAY = document_id_of("file:///rules.md"), document_id_of("file:///pay.md")


def words(text: str) -> int:
    return len(text.split())


def cited(document_id: str, position: int, version: str = "v1") -> Citation:
    return Citation(
        marker=1,
        document_id=document_id,
        version=version,
        chunk_id=chunk_id_of(document_id, version, position),
        uri="file:///x.md",
        title="X",
        page=None,
        headings=(),
        quote="x",
        start=0,
        end=1,
    )


def exchange(number: int, size: int = 20) -> list[Turn]:
    asked = Turn("user", f"What is rule {number}?")
    return [asked, Turn("assistant", f"Rule {number} is short. " + "It goes on. " * (size // 3))]


def exchanges(count: int, size: int = 20) -> list[Turn]:
    return [turn for number in range(count) for turn in exchange(number, size)]


def test_a_short_conversation_is_sent_as_it_is() -> None:
    turns = exchanges(3)
    fitted = fit(turns, 400, None, words)
    assert fitted.folded == ()
    assert fold_by_rule(fitted, 400, words) is None
    assert history(None, fitted.recent) == tuple(turns)


def test_what_does_not_fit_is_folded_and_said_to_be() -> None:
    turns = exchanges(10)
    fitted = fit(turns, 200, None, words)
    checkpoint = fold_by_rule(fitted, 200, words)
    assert checkpoint is not None
    first, *rest = history(checkpoint, fitted.recent)
    assert first.role == "user"
    assert first.text.startswith(f"Earlier in this conversation ({checkpoint.covers} turns, shortened): ")
    assert f"Asked: What is rule {checkpoint.covers // 2 - 1}? Answered: Rule" in first.text
    assert "It goes on" not in first.text
    assert rest == turns[checkpoint.covers :]


def test_a_checkpoint_is_extended_now_and_then_and_not_made_again_at_each_turn() -> None:
    turns: list[Turn] = []
    checkpoint: Checkpoint | None = None
    made = []
    for number in range(20):
        turns += exchange(number)
        fitted = fit(turns, 300, checkpoint, words)
        if fitted.folded:
            after = fold_by_rule(fitted, 300, words)
            assert after is not None
            assert after.covers > (checkpoint.covers if checkpoint else 0)
            checkpoint = after
            made.append(number)
    assert 2 <= len(made) <= 7


def test_an_answer_longer_than_the_budget_is_folded_too() -> None:
    turns = [Turn("user", "Tell me all."), Turn("assistant", "It begins so. " + "word " * 1000)]
    fitted = fit(turns, 100, None, words)
    assert fitted.recent == ()
    checkpoint = fold_by_rule(fitted, 100, words)
    assert checkpoint == Checkpoint("Asked: Tell me all. Answered: It begins so.", 2)


def test_markers_of_citations_are_not_sent_again_with_the_history() -> None:
    turns = (Turn("user", "What is in [1]?"), Turn("assistant", "Ninety days [1][2]. Then it goes [3]."))
    assert history(None, turns) == (
        Turn("user", "What is in [1]?"),
        Turn("assistant", "Ninety days. Then it goes."),
    )


def test_markers_of_citations_are_not_carried_into_a_checkpoint() -> None:
    turns = (Turn("user", "How long?"), Turn("assistant", "Ninety days [1][2]. Then it goes [3]."))
    checkpoint = fold_by_rule(Fitted(None, turns, ()), 200, words)
    assert checkpoint == Checkpoint("Asked: How long? Answered: Ninety days.", 2)


turns_of_any_kind = st.lists(
    st.builds(
        Turn,
        st.sampled_from(["user", "assistant"]),
        st.text(alphabet="ab .\n", max_size=400),
    ),
    max_size=24,
)


@settings(deadline=None)
@given(turns_of_any_kind, st.integers(20, 400), st.integers(1, 6))
def test_the_history_is_within_budget_newest_first_and_nothing_is_lost_between(
    turns: list[Turn], budget: int, step: int
) -> None:
    checkpoint: Checkpoint | None = None
    for said in range(0, len(turns) + 1, step):
        known = turns[:said]
        fitted = fit(known, budget, checkpoint, words)
        before = checkpoint.covers if checkpoint else 0
        checkpoint = fold_by_rule(fitted, budget, words)
        covers = checkpoint.covers if checkpoint else 0
        sent = history(checkpoint, fitted.recent)
        assert sum(words(turn.text) + TURN_TOKENS for turn in sent) <= budget
        assert fitted.recent == tuple(known[covers:])
        assert fitted.folded == tuple(known[before:covers])
        assert not sent or sent[0].role == "user"
        if sum(words(turn.text) + 4 for turn in known) <= budget and (not known or known[0].role == "user"):
            assert covers == 0


@settings(deadline=None)
@given(turns_of_any_kind, st.integers(20, 400))
def test_the_same_turns_give_the_same_checkpoint(turns: list[Turn], budget: int) -> None:
    once, again = (fold_by_rule(fit(turns, budget, None, words), budget, words) for _ in range(2))
    assert once == again


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(0, 200))
def test_a_clipped_text_is_never_longer_than_it_may_be(text: str, most: int) -> None:
    assert len(clip(text, most)) <= most


def conversation() -> Conversation:
    turns = (
        Recorded("user", "How long are backups kept?"),
        answered("Ninety days [1].", [cited(RULES, 2)]),
        Recorded("user", "Who earns most?"),
        answered("Band seven [1].", [cited(PAY, 0), cited(PAY, 5), cited(PAY, 0)], read=[RULES]),
    )
    return Conversation("c1", turns)


def test_the_last_answer_s_evidence_is_carried_first() -> None:
    assert carried(conversation(), 2) == (CarriedPassage(PAY, "v1", 0), CarriedPassage(PAY, "v1", 5))
    assert carried(conversation(), 9)[2:] == (CarriedPassage(RULES, "v1", 2),)


def test_an_answer_that_rests_on_what_may_no_longer_be_read_is_withheld() -> None:
    held = conversation()
    assert documents_of(held) == {RULES, PAY}
    left = without_unreadable(held, {RULES})
    assert [turn.text for turn in left.turns] == [
        "How long are backups kept?",
        "Ninety days [1].",
        "Who earns most?",
        WITHHELD,
    ]
    assert carried(left, 9) == (CarriedPassage(RULES, "v1", 2),)
    assert documents_of(left) == {RULES}


def test_an_answer_goes_with_any_document_that_had_a_part_in_it() -> None:
    left = without_unreadable(conversation(), {PAY})
    assert [turn.text for turn in left.turns if turn.role == "assistant"] == [WITHHELD, WITHHELD]


def test_a_checkpoint_goes_with_any_document_that_it_rests_on_and_is_made_again_without_it() -> None:
    held = replace(
        conversation(), checkpoint=Checkpoint("Band seven earns most.", 4, frozenset({RULES, PAY}))
    )
    left = without_unreadable(held, {RULES})
    assert left.checkpoint is None
    again = fold_by_rule(fit([*left.turns, *exchanges(6)], 120, None, words), 120, words)
    assert again is not None
    assert "Band seven" not in again.text
    assert again.documents == {RULES}


def test_what_a_checkpoint_rests_on_is_what_its_turns_rest_on() -> None:
    fitted = fit([*conversation().turns, *exchanges(6)], 120, None, words)
    checkpoint = fold_by_rule(fitted, 120, words)
    assert checkpoint is not None
    assert checkpoint.documents == {RULES, PAY}
