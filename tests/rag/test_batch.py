"""`rag batch` from the file to the answers: the real SDK against the test server, stand-in local models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from rag.bulk.answers import write_answers
from rag.bulk.state import Part as KeptPart
from rag.claude import ClaudeClient, Prompt
from rag.documents import Answer, Filters
from rag.draft import NOT_FOUND
from rag.purse import Purse
from tests.claude_server import Cite, ClaudeServer, InvalidCitation, Part, Text
from tests.rag.batches import (
    KEYS,
    LEAVE,
    NOTHING,
    Bench,
    answers_of,
    assert_citations_hold,
    bench_of,
    started,
)
from tests.rag.conftest import Library


@pytest.fixture(scope="module")
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(not_found_text=NOT_FOUND) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(claude: ClaudeServer) -> None:
    claude.reset()


@pytest.fixture
async def bench(library: Library, claude: ClaudeServer, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_of(library, claude, tmp_path) as made:
        yield made


async def test_answers_come_in_the_order_of_the_questions_with_citations_that_hold(
    bench: Bench, claude: ClaudeServer, library: Library, tmp_path: Path
) -> None:
    claude.batches.looks = 2
    run = bench.run(bench.state({"id": "k", "question": KEYS}, LEAVE))
    await started(run)
    await run.finish()
    (batch,) = claude.batches.kept
    assert [one["custom_id"] for one in batch.results] == [one["custom_id"] for one in batch.requests][::-1]
    write_answers(tmp_path / "answers.jsonl", run.state.items)
    lines = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    found = [Answer.model_validate_json(line) for line in lines]
    assert [(one.id, one.question) for one in found] == [("k", KEYS), ("line-2", LEAVE)]
    assert "Encryption keys rotate every year." in [citation.quote for citation in found[0].citations]
    assert "Annual leave is thirty days." in [citation.quote for citation in found[1].citations]
    for answer in found:
        await assert_citations_hold(library, answer)
        assert answer.receipt.chunks_sent > 0
    assert bench.waits == 2


async def test_a_request_is_that_of_a_question_asked_alone(bench: Bench, claude: ClaudeServer) -> None:
    run = bench.run(bench.state(KEYS))
    await started(run)
    await run.finish()
    (sent,) = claude.batches.kept[0].requests
    shelf = bench.shelf(prompt_cache="off")
    alone = ClaudeClient(shelf.settings)
    async with aclosing(shelf.ways(KEYS, Filters(), "fast")) as ways:
        _, given = await anext(ways)
    asked = Prompt(sent["params"]["system"][0]["text"], [one.as_result() for one in given], KEYS)
    async for _ in alone.stream("claude-haiku-5-5", asked, max_tokens=1024, deadline=30, payer=Purse()):
        pass
    await alone.close()
    body = claude.requests[-1].body
    assert body is not None
    assert body.pop("stream") is True
    assert sent["params"] == body


async def test_a_summary_is_written_by_the_thorough_model_from_the_whole_document(
    bench: Bench, claude: ClaudeServer, library: Library
) -> None:
    claude.batches.enqueue(Text(Part("Backups are kept for ninety days.", Cite(0))))
    run = bench.run(bench.state("Summarise the backup policy."))
    await started(run, "auto")
    await run.finish()
    (answer,) = answers_of(run.state)
    assert (answer.route.model, answer.receipt.route) == ("claude-sonnet-5-5", "synthesis")
    await assert_citations_hold(library, answer)


async def test_a_summary_that_would_pass_the_budget_is_answered_the_cheaper_way(
    bench: Bench, claude: ClaudeServer
) -> None:
    run = bench.run(bench.state("Summarise the backup policy."), max_usd_per_request=0.01)
    quote = await started(run, "auto")
    await run.finish()
    (sent,) = claude.batches.kept[0].requests
    assert sent["params"]["model"] == "claude-haiku-5-5"
    assert quote.cost.most is not None
    assert quote.cost.most <= 0.01
    assert "Over budget" in (answers_of(run.state)[0].notice or "")


async def test_what_is_not_clear_is_asked_back_without_a_request(bench: Bench, claude: ClaudeServer) -> None:
    run = bench.run(bench.state("How long are they kept?"))
    assert (await started(run, "auto")).requests == 0
    (answer,) = answers_of(run.state)
    assert (answer.outcome, answer.answered, claude.requests) == ("clarification", False, [])


async def test_what_no_document_speaks_of_is_not_found_without_a_request(
    bench: Bench, claude: ClaudeServer
) -> None:
    nowhere = {"question": KEYS, "filters": {"collection": "nowhere"}}
    run = bench.run(bench.state(nowhere))
    quote = await started(run)
    await run.finish()
    (answer,) = answers_of(run.state)
    assert (quote.requests, answer.outcome, answer.text) == (0, "not_found", NOT_FOUND)
    assert claude.requests == []


async def test_a_reply_without_a_citation_that_holds_is_withheld(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.enqueue("Every Tuesday.", InvalidCitation("Every Monday."))
    run = bench.run(bench.state(KEYS, LEAVE))
    await started(run)
    await run.finish()
    for answer in answers_of(run.state):
        assert (answer.text, answer.citations, answer.answered) == (NOT_FOUND, (), False)
        assert "withheld" in (answer.notice or "")


@pytest.mark.parametrize("strict", [False, True])
async def test_a_sentence_that_its_citation_does_not_support_is_marked_and_left_out_where_asked(
    bench: Bench, claude: ClaudeServer, strict: bool
) -> None:
    right, wrong = "Annual leave is thirty days.", "Annual leave is ninety days."
    run = bench.run(bench.state({"question": LEAVE, "filters": {"collection": "people"}}), strict=strict)
    await started(run)
    (item,) = run.state.items
    assert item.prepared is not None
    (passage,) = item.prepared.passages
    stored = await bench.library.files.text(passage.document_id, passage.version)
    at = [stored[start:end] for start, end in passage.sentences].index(right)
    cites = Cite(0, at, at + 1)
    claude.batches.enqueue(Text(Part(right, cites), " ", Part(wrong, cites)))
    await run.finish()
    (answer,) = answers_of(run.state)
    assert answer.grounding is not None
    if strict:
        assert [one.supported for one in answer.grounding.sentences] == [True]
        assert wrong not in answer.text
    else:
        assert [one.supported for one in answer.grounding.sentences] == [True, False]


async def test_more_than_one_batch_is_sent_and_collected(bench: Bench, claude: ClaudeServer) -> None:
    state = bench.state(KEYS, LEAVE, NOTHING)
    run = bench.run(state)
    quote = await run.prepare("fast")
    (whole,) = state.parts
    state.parts = [KeptPart(members=whole.members[:2]), KeptPart(members=whole.members[2:])]
    await run.agree(quote)
    await run.finish()
    assert [len(batch.requests) for batch in claude.batches.kept] == [2, 1]
    assert len(answers_of(state)) == 3
