"""What a question costs, remembers and may see, from the desk where every door asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from rag.asking import Asked, Desk
from rag.claude import ClaudeClient, Turn
from rag.conversation_store import ConversationStore
from rag.documents import Filters, Reader
from rag.draft import NOT_FOUND
from rag.errors import InvalidRequest, NotFound, OverBudget
from rag.events import Delta
from rag.keys import Caller
from rag.questions import LoggedQuestion, QuestionLog
from rag.usage import Ledger
from tests.claude_server import Cite, ClaudeServer, ErrorStatus, Part, Slow, Text
from tests.fakes import parsed, put
from tests.rag.conftest import Library
from tests.rag.desks import answerer_of, closed, desk_of, settings_of

KEYS = "How often do encryption keys rotate?"
SUMMARY = "Summarise the backup policy"
ANNA, BEN = (Caller(name, Reader()) for name in ("anna", "ben"))

MakeDesk = Callable[..., Desk]


@pytest.fixture(scope="module")
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(not_found_text=NOT_FOUND) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(claude: ClaudeServer) -> None:
    claude.reset()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "usage.sqlite")


@pytest.fixture
async def desk(
    library: Library, claude: ClaudeServer, ledger: Ledger, tmp_path: Path
) -> AsyncIterator[MakeDesk]:
    clients: list[ClaudeClient] = []
    desks: list[Desk] = []

    def make(*, with_claude: bool = True, **changes: Any) -> Desk:
        settings = settings_of(library, claude.url if with_claude else None, **changes)
        clients.append(ClaudeClient(settings))
        desks.append(desk_of(library, settings, clients[-1], ledger, tmp_path))
        return desks[-1]

    yield make
    await closed(desks, clients)


async def test_what_an_answer_costs_is_on_the_account_of_its_key(desk: MakeDesk, ledger: Ledger) -> None:
    answer = await desk().answer(Asked(KEYS), ANNA)
    assert answer.receipt.usd > 0
    (row,) = await ledger.sums(["key", "model"])
    assert (row.key, row.model, row.answers) == ("anna", "claude-haiku-5-5", 1)
    assert row.usd == answer.receipt.usd
    assert row.output_tokens == answer.receipt.output_tokens
    assert (answer.receipt.route, answer.receipt.model) == ("lookup", "claude-haiku-5-5")
    assert answer.receipt.chunks_sent >= answer.receipt.chunks_cited > 0


async def test_an_answer_of_quotes_is_counted_and_costs_nothing(desk: MakeDesk, ledger: Ledger) -> None:
    await desk(with_claude=False).answer(Asked(KEYS), ANNA)
    (row,) = await ledger.sums(["model"])
    assert (row.model, row.answers, row.requests, row.usd) == ("extractive", 1, 0, 0)


async def test_without_a_model_a_named_document_is_quoted_and_no_other(
    desk: MakeDesk, library: Library
) -> None:
    asked = "Summarise leave.md: backups kept for ninety days in the vault"
    answer = await desk(with_claude=False).answer(Asked(asked), ANNA)
    assert {one.document_id for one in answer.citations} <= {library.records["leave"].id}


async def test_where_no_model_is_asked_none_is_named(desk: MakeDesk, claude: ClaudeServer) -> None:
    asking = desk()
    nowhere = await asking.answer(Asked(KEYS, filters=Filters(collections=("nowhere",))), ANNA)
    unclear = await asking.answer(Asked("How much does it cost?"), ANNA)
    assert (nowhere.route.model, unclear.route.model) == ("none", "none")
    assert unclear.outcome == "clarification"
    assert claude.requests == []


async def test_over_budget_the_cheaper_way_is_taken_and_it_is_said(
    desk: MakeDesk, claude: ClaudeServer
) -> None:
    answer = await desk().answer(Asked(SUMMARY, max_usd=0.05), ANNA)
    assert answer.route.model == "claude-haiku-5-5"
    assert "budget" in answer.route.reason
    assert "budget" in (answer.notice or "")
    assert [request.body["model"] for request in claude.requests] == ["claude-haiku-5-5"]


async def test_with_nothing_to_spend_sentences_are_quoted(desk: MakeDesk, claude: ClaudeServer) -> None:
    answer = await desk().answer(Asked(KEYS, max_usd=0), ANNA)
    assert (answer.route.model, answer.answered) == ("extractive", True)
    assert claude.requests == []


async def test_where_it_is_set_so_a_question_over_budget_is_refused(
    desk: MakeDesk, claude: ClaudeServer
) -> None:
    with pytest.raises(OverBudget, match="max_usd"):
        await desk(over_budget="refuse").answer(Asked(SUMMARY, max_usd=0.05), ANNA)
    assert claude.requests == []


async def test_a_key_that_has_spent_its_day_gets_quotes_and_another_does_not(desk: MakeDesk) -> None:
    poor = Caller("poor", Reader(), max_usd_per_day=0.00001)
    assert (await desk().answer(Asked(KEYS), poor)).route.model == "extractive"
    assert (await desk().answer(Asked(KEYS), ANNA)).route.model == "claude-haiku-5-5"


async def test_what_a_failed_answer_cost_is_booked_too(
    desk: MakeDesk, claude: ClaudeServer, ledger: Ledger
) -> None:
    claude.enqueue(*(ErrorStatus(401, "authentication_error"),))
    await desk().answer(Asked(KEYS), ANNA)
    (row,) = await ledger.sums([])
    assert (row.answers, row.usd) == (1, 0)


async def test_every_sentence_is_checked_against_what_it_cites(desk: MakeDesk, claude: ClaudeServer) -> None:
    claude.enqueue(
        Text(
            Part("Encryption keys rotate every year.", Cite(0, 8, 9)),
            " ",
            Part("Encryption keys rotate every 7 minutes.", Cite(0, 8, 9)),
        )
    )
    answer = await desk().answer(Asked(KEYS), ANNA)
    assert answer.grounding is not None
    for one in answer.grounding.sentences:
        assert answer.text[one.start : one.end] == one.text
    wrong = [one for one in answer.grounding.sentences if not one.supported]
    assert ["7 minutes" in one.text for one in wrong] == [True]
    assert "7" in (wrong[0].reason or "")


async def test_a_strict_answer_leaves_out_what_is_not_supported(desk: MakeDesk, claude: ClaudeServer) -> None:
    claude.enqueue(
        Text(
            Part("Encryption keys rotate every 7 minutes.", Cite(0, 8, 9)),
            " ",
            Part("Encryption keys rotate every year.", Cite(0, 8, 9)),
        )
    )
    answer = await desk().answer(Asked(KEYS, strict=True), ANNA)
    assert "minutes" not in answer.text
    assert "7 minutes" in " ".join(answer.grounding.removed if answer.grounding else ())
    for one in answer.grounding.sentences if answer.grounding else ():
        assert answer.text[one.start : one.end] == one.text


async def test_a_value_by_a_schema_comes_with_its_citations(
    desk: MakeDesk, library: Library, claude: ClaudeServer
) -> None:
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}

    def answering(number: int) -> str:
        reply = {
            "found": True,
            "data": {"days": 30},
            "sources": [{"path": "/days", "sentences": [number]}],
        }
        return json.dumps(reply)

    claude.enqueue(answering(1))
    asked = Asked("How many days is annual leave?", mode="fast", schema=schema)
    answer = await desk().answer(asked, ANNA)
    assert answer.data == {"days": 30}
    assert answer.answered
    assert answer.receipt.usd > 0
    for citation in answer.citations:
        stored = await library.files.text(citation.document_id, citation.version)
        assert stored[citation.start : citation.end] == citation.quote
    assert answer.citations


async def test_a_schema_without_a_model_is_refused_with_the_remedy(desk: MakeDesk) -> None:
    with pytest.raises(InvalidRequest, match="ANTHROPIC_API_KEY"):
        await desk(with_claude=False).answer(Asked(KEYS, schema={"type": "object"}), ANNA)


async def test_a_follow_up_is_understood_by_what_was_asked_before(
    desk: MakeDesk, claude: ClaudeServer
) -> None:
    asking = desk(with_claude=False)
    first = await asking.answer(Asked("How long is parental leave?", conversation_id="new"), ANNA)
    assert first.conversation_id
    second = await asking.answer(
        Asked("And how long is the annual one?", conversation_id=first.conversation_id), ANNA
    )
    assert "leave" in (second.question or "")
    assert "thirty days" in second.text


async def test_a_history_is_sent_and_the_question_stands_alone(desk: MakeDesk, claude: ClaudeServer) -> None:
    claude.enqueue(json.dumps({"question": "How often do the encryption keys rotate?"}))
    earlier = (Turn("user", "Who keeps the encryption keys?"), Turn("assistant", "The key officer."))
    answer = await desk().answer(Asked("And how often do they rotate?", messages=earlier), ANNA)
    assert answer.question == "How often do the encryption keys rotate?"
    body = claude.requests[-1].body
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"][0]["type"] == "search_result"
    assert "How often do the encryption keys rotate?" in str(body["messages"][-1]["content"])
    (haiku,) = answer.receipt.charges
    assert haiku.requests == 2


async def test_a_conversation_is_of_the_one_who_began_it(desk: MakeDesk) -> None:
    asking = desk(with_claude=False)
    first = await asking.answer(Asked(KEYS, conversation_id="new"), ANNA)
    again = Asked("And who keeps them?", conversation_id=first.conversation_id)
    with pytest.raises(NotFound):
        await asking.answer(again, BEN)
    await asking.forget(first.conversation_id or "", ANNA)
    with pytest.raises(NotFound):
        await asking.answer(again, ANNA)


async def test_what_may_no_longer_be_read_is_neither_sent_nor_found_in_a_conversation(
    desk: MakeDesk, library: Library, claude: ClaudeServer
) -> None:
    asking = desk()
    first = await asking.answer(Asked(KEYS, conversation_id="new"), ANNA)
    assert "year" in first.text
    text = await library.files.text(library.records["backups"].id, str(library.records["backups"].version))
    await put(
        library.store,
        library.files,
        parsed(text + " Changed.", title="Backup policy"),
        name="backups.md",
        groups=("hr",),
    )
    claude.reset()
    await asking.answer(Asked("And who keeps them in safes?", conversation_id=first.conversation_id), ANNA)
    for request in claude.requests:
        assert "every year" not in str(request.body)


async def test_an_equal_question_is_served_from_memory_at_no_cost(
    desk: MakeDesk, claude: ClaudeServer, ledger: Ledger
) -> None:
    asking = desk()
    first = await asking.answer(Asked(KEYS), ANNA)
    again = await asking.answer(Asked(KEYS.upper()), BEN)
    assert (again.text, again.citations) == (first.text, first.citations)
    assert (again.receipt.cached, again.receipt.usd, again.receipt.charges) == (True, 0, ())
    assert again.id != first.id
    assert len(claude.requests) == 1
    assert {row.key: row.requests for row in await ledger.sums(["key"])} == {"anna": 1, "ben": 0}


async def test_a_changed_document_makes_a_kept_answer_void(
    desk: MakeDesk, library: Library, claude: ClaudeServer
) -> None:
    asking = desk()
    await asking.answer(Asked(KEYS), ANNA)
    changed = parsed(
        "# Backup policy\n\n## Keys\n\nEncryption keys rotate every week.", title="Backup policy"
    )
    await put(library.store, library.files, changed, name="backups.md")
    again = await asking.answer(Asked(KEYS), ANNA)
    assert not again.receipt.cached
    assert "week" in again.text


async def test_a_kept_answer_is_not_served_to_other_groups(desk: MakeDesk, claude: ClaudeServer) -> None:
    asking = desk()
    board = Caller("board", Reader(frozenset({"hr"})))
    first = await asking.answer(Asked("What is the vault of salary bands?"), board)
    assert "secret" in first.text
    other = await asking.answer(Asked("What is the vault of salary bands?"), ANNA)
    assert not other.receipt.cached
    assert "secret" not in other.text


async def test_what_was_read_for_one_who_leaves_is_on_the_account(
    desk: MakeDesk, claude: ClaudeServer, ledger: Ledger
) -> None:
    claude.enqueue(Slow(Text("One two three four five six"), delay_per_chunk=30))
    async with aclosing(desk().stream(Asked(KEYS), ANNA)) as events:
        async for event in events:
            if isinstance(event, Delta):
                break
    (row,) = await ledger.sums([])
    assert (row.requests, row.input_tokens + row.cache_write_tokens > 0, row.usd > 0) == (1, True, True)


async def test_conversations_that_cannot_be_swept_keep_no_old_question(
    library: Library, ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(library, None)
    client = ClaudeClient(settings)
    path = tmp_path / "conversations.sqlite"
    conversations = ConversationStore(path, 24)
    old = QuestionLog(tmp_path / "questions.sqlite", 10, lambda: 0.0)
    old.note(LoggedQuestion(id="a", at=0, caller="anna", question="How?", outcome="answered", ms=1))  # type: ignore[arg-type]
    await old.written()
    path.write_bytes(b"no database any more" * 100)
    questions = QuestionLog(tmp_path / "questions.sqlite", 10)
    answerer = answerer_of(library, settings, client)
    desk = Desk(settings, library.store, answerer, client, ledger, conversations, questions)
    await desk.tidy()
    assert "could not be forgotten" in caplog.text
    with pytest.raises(NotFound):
        await old.delete("a")
    await closed([desk], [client])
