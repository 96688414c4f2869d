"""`rag batch` from the file to the answers: the real SDK against the test server, stand-in local models."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rag.bulk.answers import write_answers
from rag.bulk.evidence import Shelf
from rag.bulk.finding import LATE_SECONDS, Pace
from rag.bulk.questions import read_questions
from rag.bulk.requests import split
from rag.bulk.run import CANCELLED, CHANGED, NOT_KEPT, Quote, Run
from rag.bulk.state import Part as KeptPart
from rag.bulk.state import State, load_state, new_state
from rag.claude import ClaudeClient, Prompt
from rag.claude.batches import Batch, BatchClient, BatchRequest
from rag.documents import Answer, Filters, Reader
from rag.draft import NOT_FOUND
from rag.errors import ClaudeRejected, ClaudeUnavailable, InvalidRequest, NotFound, OverBudget
from rag.keys import Caller
from rag.purse import Purse
from rag.retrieval import Retriever
from rag.routing import Mode
from rag.support import SupportChecker
from rag.usage import Ledger
from tests.claude_server import Batch as ServerBatch
from tests.claude_server import Cite, ClaudeServer, ErrorStatus, Expired, InvalidCitation, Part, Refusal, Text
from tests.fakes import OverlapReranker, WordEmbedder, parsed, put
from tests.rag.conftest import BACKUPS, Library

KEYS = "How often do encryption keys rotate?"
LEAVE = "How long is annual leave?"
NOTHING = "Who painted the ceiling?"
KEY = "sk-test-key"


@pytest.fixture(scope="module")
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(not_found_text=NOT_FOUND) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(claude: ClaudeServer) -> None:
    claude.reset()


@dataclass
class Bench:
    """Makes runs over the library; time passes in them only by their waits."""

    library: Library
    url: str
    path: Path
    clients: list[BatchClient] = field(default_factory=list)
    now: float = 1000.0
    waits: int = 0
    on_wait: Callable[[], Awaitable[None] | None] = lambda: None
    max_usd_per_day: float | None = None

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.path.parent / "usage.sqlite")

    def state(self, *questions: Any) -> State:
        file = self.path.with_name("questions.jsonl")
        file.write_text("\n".join(json.dumps(one) for one in questions), encoding="utf-8")
        return new_state(read_questions(file), "auto")

    def shelf(self, **changes: Any) -> Shelf:
        access = {"anthropic_base_url": self.url, "anthropic_api_key": SecretStr(KEY), "claude_timeout": 10.0}
        settings = self.library.settings.model_copy(update={**access, **changes})
        store, files = self.library.store, self.library.files
        retriever = Retriever(settings, store, files, WordEmbedder(), OverlapReranker())  # type: ignore[arg-type]
        return Shelf(settings, store, files, retriever, Reader())

    def run(self, state: State, kind: type[BatchClient] = BatchClient, **changes: Any) -> Run:
        shelf = self.shelf(**changes)
        self.clients.append(kind(shelf.settings))
        return Run(
            state,
            self.path,
            shelf,
            self.clients[-1],
            SupportChecker(None, WordEmbedder()),  # type: ignore[arg-type]
            self.ledger,
            Caller("local", Reader(), self.max_usd_per_day),
            Pace(30.0, self.wait, lambda: self.now),
            lambda words, done, total: None,
        )

    async def wait(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1
        if (more := self.on_wait()) is not None:
            await more

    async def interrupted(self, run: Run) -> None:
        """End a run while it waits for its batches."""
        self.on_wait = _interrupt
        with pytest.raises(KeyboardInterrupt):
            await run.finish()

    def resumed(self, **changes: Any) -> Run:
        """As another process would go on."""
        state = load_state(self.path)
        assert state is not None
        return self.run(state, **changes)


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
async def bench(library: Library, claude: ClaudeServer, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(library, claude.url, tmp_path / "answers.jsonl.state.json")
    yield made
    for client in made.clients:
        await client.close()


async def started(run: Run, mode: Mode = "fast") -> Quote:
    quote = await run.prepare(mode)
    await run.agree(quote)
    return quote


def answers_of(state: State) -> list[Answer]:
    assert all(item.failure is None for item in state.items)
    return [item.answer for item in state.items if item.answer is not None]


def created(claude: ClaudeServer) -> int:
    return sum((one.method, one.path) == ("POST", "/v1/messages/batches") for one in claude.requests)


async def assert_citations_hold(library: Library, answer: Answer) -> None:
    assert answer.citations
    for citation in answer.citations:
        assert f"[{citation.marker}]" in answer.text
        stored = await library.files.text(citation.document_id, citation.version)
        assert stored[citation.start : citation.end] == citation.quote


# ---------------------------------------------------------------- the whole way


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


async def test_half_the_price_is_paid_and_no_more_than_was_shown(bench: Bench, claude: ClaudeServer) -> None:
    run = bench.run(bench.state(KEYS, LEAVE))
    quote = await started(run)
    await run.finish()
    receipts = [answer.receipt for answer in answers_of(run.state)]
    for receipt in receipts:
        assert receipt.cache_read_tokens == receipt.cache_write_tokens == 0
        assert receipt.usd == pytest.approx(
            (receipt.input_tokens * 0.10 + receipt.output_tokens * 0.50) / 2e6, abs=1e-8
        )
    paid = sum(receipt.usd for receipt in receipts)
    assert quote.requests == 2
    assert quote.cost.reading is not None
    assert quote.cost.most is not None
    read = sum(receipt.input_tokens for receipt in receipts) * 0.10 / 2e6
    assert read <= quote.cost.reading <= 2 * read
    assert paid <= quote.cost.most
    (row,) = await bench.ledger.sums(("model",))
    assert (row.answers, row.usd) == (2, pytest.approx(paid))
    assert await bench.ledger.spent_today("local") == pytest.approx(paid), "what was set aside is released"


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


# ---------------------------------------------------------------- what fails


async def test_those_that_failed_are_named_and_only_they_are_asked_again(
    bench: Bench, claude: ClaudeServer, library: Library
) -> None:
    claude.batches.enqueue(ErrorStatus(529), Text(Part("Thirty days.", Cite(0))), Expired(), Refusal())
    run = bench.run(bench.state(KEYS, LEAVE, "Who restores backups?", "What does the doctor note say?"))
    await started(run)
    await run.finish()
    reasons = [item.failure for item in run.state.items]
    assert reasons == [
        "Claude rejected it (overloaded_error)",
        None,
        "Claude did not come to it within 24 hours",
        "the model declined to answer",
    ]
    again = bench.resumed()
    kept = again.state.items[1].answer
    again.state.reopen()
    assert (await started(again)).requests == 3
    await again.finish()
    assert len(claude.batches.kept[1].requests) == 3
    assert answers_of(again.state)[1] == kept
    ids = [one["custom_id"] for batch in claude.batches.kept for one in batch.requests]
    assert len(set(ids)) == 7


async def test_an_answer_from_a_document_that_was_replaced_meanwhile_is_a_failure(
    bench: Bench, claude: ClaudeServer, library: Library
) -> None:
    run = bench.run(bench.state(KEYS, LEAVE))
    await started(run)
    claude.batches.looks = 1
    changed = parsed(BACKUPS.replace("every year", "every month"), title="Backup policy")

    async def replace() -> None:
        await put(library.store, library.files, changed, name="backups.md")

    bench.on_wait = replace
    await run.finish()
    first, second = run.state.items
    assert (first.failure, first.answer) == (CHANGED, None)
    assert first.spent_usd > 0, "it was paid for"
    assert second.answer is not None


async def test_results_that_claude_no_longer_keeps_are_failures(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)

    def archive() -> None:
        (batch,) = claude.batches.kept
        claude.batches.end(batch)
        batch.archived = batch.ended

    bench.on_wait = archive
    await run.finish()
    assert run.state.items[0].failure == NOT_KEPT


async def test_what_is_cancelled_can_be_asked_again(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)
    await bench.interrupted(run)
    bench.on_wait = lambda: None
    again = bench.resumed()
    await again.cancel()
    await again.finish()
    assert again.state.items[0].failure == CANCELLED
    again.state.reopen()
    claude.batches.looks = 0
    await started(again)
    await again.finish()
    assert answers_of(again.state)[0].answered


async def test_a_wrong_key_leaves_no_run_behind(bench: Bench, claude: ClaudeServer) -> None:
    run = bench.run(bench.state(KEYS), anthropic_api_key=SecretStr("bad-key"))
    await started(run)
    with pytest.raises(ClaudeRejected):
        await run.finish()
    assert claude.batches.kept == []
    assert not bench.path.exists()
    assert await bench.ledger.spent_today("local") == 0


async def test_a_batch_of_another_key_is_not_taken_for_a_failure(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)
    await bench.interrupted(run)
    claude.batches.kept.clear()
    with pytest.raises(NotFound, match="key"):
        await bench.resumed().finish()
    assert bench.resumed().state.items[0].open


# ---------------------------------------------------------------- nothing is paid twice


class DiesAfterCreating(BatchClient):
    """The process is killed when the batch exists and its id is not known yet."""

    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        await super().create(requests)
        raise KeyboardInterrupt


class DiesBeforeCreating(BatchClient):
    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        raise KeyboardInterrupt


async def killed(bench: Bench, kind: type[BatchClient]) -> None:
    run = bench.run(bench.state(KEYS), kind)
    await started(run)
    with pytest.raises(KeyboardInterrupt):
        await run.finish()


async def test_a_batch_whose_id_was_lost_is_found_again(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    await killed(bench, DiesAfterCreating)

    def end() -> None:
        claude.batches.end(claude.batches.kept[0])

    bench.on_wait = end
    again = bench.resumed()
    assert (await again.prepare("fast")).requests == 0
    await again.finish()
    assert answers_of(again.state)[0].answered
    assert created(claude) == 1


async def test_batches_of_others_are_not_taken_for_ours(bench: Bench, claude: ClaudeServer) -> None:
    """One of the same size before ours, one after it that still goes on: only the keys tell them apart."""
    other = bench.run(bench.state(LEAVE))
    await started(other)
    await other.finish()
    claude.batches.looks = None
    await killed(bench, DiesAfterCreating)
    strange = claude.batches.create(
        json.dumps({"requests": [{"custom_id": "theirs-0", "params": {}}]}).encode()
    )
    assert len(claude.batches.kept) == 3
    ends: list[ServerBatch] = [claude.batches.find(strange["id"]), claude.batches.kept[1]]
    bench.on_wait = lambda: claude.batches.end(ends.pop(0)) if ends else None
    again = bench.resumed()
    await again.finish()
    assert again.state.parts[0].id == claude.batches.kept[1].id
    assert answers_of(again.state)[0].answered
    assert created(claude) == 2


async def test_a_batch_that_was_never_created_is_created_when_that_is_certain(
    bench: Bench, claude: ClaudeServer
) -> None:
    await killed(bench, DiesBeforeCreating)
    assert claude.batches.kept == []
    before = bench.now
    again = bench.resumed()
    await again.finish()
    assert answers_of(again.state)[0].answered
    assert (created(claude), bench.now - before > LATE_SECONDS) == (1, True)


async def test_an_answer_lost_on_its_way_does_not_make_a_second_batch(
    bench: Bench, claude: ClaudeServer
) -> None:
    claude.batches.lost = 1
    run = bench.run(bench.state(KEYS))
    await started(run)
    with pytest.raises(ClaudeUnavailable):
        await run.finish()
    # Nothing looks at it before it is found, so it would not end by itself.
    claude.batches.end(claude.batches.kept[0])
    again = bench.resumed()
    await again.finish()
    assert answers_of(again.state)[0].answered
    assert created(claude) == 1


async def test_a_run_that_is_over_sends_nothing_more(bench: Bench, claude: ClaudeServer) -> None:
    run = bench.run(bench.state(KEYS))
    await started(run)
    await run.finish()
    claude.requests.clear()
    again = bench.resumed()
    assert (await again.prepare("fast")).requests == 0
    await again.finish()
    assert claude.requests == []
    assert again.state.items == run.state.items


async def test_the_state_holds_neither_the_key_nor_the_documents(bench: Bench, claude: ClaudeServer) -> None:
    claude.batches.looks = None
    run = bench.run(bench.state(KEYS))
    await started(run)
    await bench.interrupted(run)
    kept = bench.path.read_text()
    assert KEY not in kept
    assert "rotate every year" not in kept
    assert bench.path.stat().st_mode & 0o077 == 0


# ---------------------------------------------------------------- what may be spent


async def test_the_budget_of_the_day_holds_for_batches_too(bench: Bench, claude: ClaudeServer) -> None:
    bench.max_usd_per_day = 0.00001
    run = bench.run(bench.state(KEYS))
    with pytest.raises(OverBudget):
        await started(run)
    assert (claude.requests, bench.path.exists()) == ([], False)


async def test_a_question_that_may_cost_more_than_an_answer_may_is_not_asked(
    bench: Bench, claude: ClaudeServer
) -> None:
    run = bench.run(bench.state(KEYS), max_usd_per_request=0.00001)
    assert (await started(run)).requests == 0
    assert "RAG_MAX_USD_PER_REQUEST" in (run.state.items[0].failure or "")


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([1, 1, 1, 1], [[0, 1, 2], [3]]),
        ([6, 5, 5], [[0], [1, 2]]),
        ([11, 1], [[0], [1]]),
    ],
)
def test_batches_keep_to_the_limits_of_number_and_size(sizes: list[int], groups: list[list[int]]) -> None:
    assert split(sizes, most=3, largest=10) == groups


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


# ---------------------------------------------------------------- the file of questions


def test_bad_lines_are_named_and_the_others_asked(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    lines = [
        '"How?"',
        "",
        "How?",
        '{"id": 7, "question": "Who?", "filters": {"collection": "people"}}',
        '{"id": "7", "question": "Why?"}',
        '{"question": "  "}',
        '{"question": "When?", "colour": "red"}',
        '{"id": "x"}',
        "[1]",
        '{"question": "\\ud800"}',
    ]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\n\xff\n")
    found = read_questions(file)
    assert [(line.number, line.id, line.question) for line in found.lines] == [
        (1, "line-1", "How?"),
        (4, "7", "Who?"),
    ]
    assert found.lines[1].filters.collections == ("people",)
    reasons = {bad.line: bad.reason for bad in found.bad}
    assert reasons.keys() == {3, 5, 6, 7, 8, 9, 10, 11}
    assert "line 4" in reasons[5]
    assert "colour" in reasons[7]
    assert reasons[8].startswith("question: ")


def test_a_file_without_a_question_is_an_error_that_shows_one(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text("nothing\n")
    with pytest.raises(InvalidRequest, match=r"line 1.*\{"):
        read_questions(file)
