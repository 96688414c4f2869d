"""Answers: generated against a server of the Claude protocol, quoted without one, honest when empty."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import pytest
from pydantic import SecretStr

from rag.answering import Answerer
from rag.claude import ClaudeClient, prompt
from rag.documents import Answer, Filters, Reader
from rag.draft import NOT_FOUND
from rag.events import Cited, Delta, Done, Question, Sources
from rag.extractive import Quote
from rag.retrieval import Retriever
from rag.short_answer import Found as Words
from rag.short_answer import ShortAnswers
from tests.claude_server import (
    Cite,
    ClaudeServer,
    CleanEndWithoutStop,
    ContextExceeded,
    CutConnection,
    ErrorStatus,
    InvalidCitation,
    MaxTokens,
    MidStreamError,
    Part,
    Refusal,
    Slow,
    Text,
    Thinking,
)
from tests.fakes import OverlapReranker, WordEmbedder
from tests.rag.conftest import Library

KEYS = "How often do encryption keys rotate?"


@pytest.fixture(scope="module")
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(not_found_text=NOT_FOUND) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(claude: ClaudeServer) -> None:
    claude.reset()


Make = Callable[..., Answerer]


@pytest.fixture
async def answerer(library: Library, claude: ClaudeServer) -> AsyncIterator[Make]:
    """Makes answerers over the library; `with_claude=False` makes one that has no key."""
    clients: list[ClaudeClient] = []

    def make(
        *, with_claude: bool = True, reranker: OverlapReranker | None = None, **changes: Any
    ) -> Answerer:
        settings = library.settings.model_copy(update={"claude_timeout": 10.0, **changes})
        if with_claude:
            access = {"anthropic_base_url": claude.url, "anthropic_api_key": SecretStr("sk-test-key")}
            settings = settings.model_copy(update=access)
        clients.append(ClaudeClient(settings))
        embedder, reranker = WordEmbedder(), reranker or OverlapReranker()
        retriever = Retriever(settings, library.store, library.files, embedder, reranker)  # type: ignore[arg-type]
        return Answerer(
            settings,
            library.store,
            library.files,
            retriever,
            embedder,  # type: ignore[arg-type]
            reranker,
            clients[-1],
        )

    yield make
    for client in clients:
        await client.close()


def question(text: str, **fields: Any) -> Question:
    return Question(text, Reader(), **fields)


async def assert_citations_hold(library: Library, answer: Answer) -> None:
    markers = {int(number) for number in re.findall(r"\[(\d+)\]", answer.text)}
    assert markers == {citation.marker for citation in answer.citations}
    for citation in answer.citations:
        stored = await library.files.text(citation.document_id, citation.version)
        assert stored[citation.start : citation.end] == citation.quote


async def test_claude_answers_from_the_passages_and_every_citation_holds(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    answer = await answerer().answer(question(KEYS))
    assert answer.answered
    assert answer.route.model == "claude-haiku-5-5"
    assert "Encryption keys rotate every year." in [citation.quote for citation in answer.citations]
    await assert_citations_hold(library, answer)
    assert answer.receipt.output_tokens > 0
    assert answer.receipt.usd > 0
    assert {"embed", "search", "rerank", "generate"} <= set(answer.receipt.stages_ms)


async def test_the_request_has_one_sentence_a_block_and_the_question_last(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    await answerer().answer(question(KEYS))
    body = claude.requests[-1].body
    assert body["model"] == "claude-haiku-5-5"
    assert body["thinking"] == {"type": "disabled"}
    assert body["stream"] is True
    kept = {"type": "ephemeral"}
    assert body["system"] == [{"type": "text", "text": prompt("answer"), "cache_control": kept}]
    assert not {"temperature", "top_p", "top_k"} & set(body)
    (message,) = body["messages"]
    *results, asked = message["content"]
    assert asked == {"type": "text", "text": KEYS}
    assert results
    for result in results:
        assert result["type"] == "search_result"
        assert result["citations"] == {"enabled": True}
    sentences = [block["text"] for result in results for block in result["content"]]
    assert "Encryption keys rotate every year." in sentences


async def test_a_question_about_a_whole_document_is_read_by_sonnet(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    answer = await answerer().answer(question("Summarise the backup policy: vault, restore, keys"))
    body = claude.requests[-1].body
    assert answer.route.model == body["model"] == "claude-sonnet-5-5"
    assert "thinking" not in body
    sent = " ".join(
        block["text"] for result in body["messages"][0]["content"][:-1] for block in result["content"]
    )
    for sentence in ("After that every copy is erased.", "The key officer keeps them in two safes."):
        assert sentence in sent
    assert "Annual leave" not in sent
    await assert_citations_hold(library, answer)


async def test_a_document_of_another_group_is_not_read_though_it_is_named(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    hidden = library.records["salaries"].id
    for filters in (Filters(), Filters(document_ids=(hidden,))):
        await answerer().answer(question("Summarise the salary bands", filters=filters))
    assert any(request.body["model"] == "claude-sonnet-5-5" for request in claude.requests)
    for request in claude.requests:
        assert "Band seven" not in str(request.body)


async def test_the_stream_brings_sources_then_text_and_citations_then_the_whole(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(Text("Keys rotate ", Part("every year", Cite(0, 0, 1)), ". So it is."))
    async with aclosing(answerer().stream(question(KEYS))) as stream:
        events = [event async for event in stream]
    assert isinstance(events[0], Sources)
    assert isinstance(events[-1], Done)
    answer = events[-1].answer
    assert "".join(event.text for event in events if isinstance(event, Delta)).strip() == answer.text
    assert answer.text == "Keys rotate every year[1]. So it is."
    assert [event.citation for event in events if isinstance(event, Cited)] == list(answer.citations)


async def test_a_pointer_at_nothing_is_dropped_and_the_rest_stands(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(InvalidCitation("Made up."))
    answer = await answerer().answer(question(KEYS))
    assert answer.citations == ()
    assert not answer.answered


async def test_a_reply_that_cites_nothing_is_withheld(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(Text("Keys rotate every Tuesday, trust me."))
    answer = await answerer().answer(question(KEYS))
    assert not answer.answered
    assert answer.text == NOT_FOUND
    assert "withheld" in (answer.notice or "")
    assert answer.nearest


async def test_a_reply_that_nothing_was_found_names_the_nearest_documents(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(Text(NOT_FOUND))
    answer = await answerer().answer(question("What do the keys officer and vault cost?"))
    assert (answer.answered, answer.text, answer.notice) == (False, NOT_FOUND, None)
    assert answer.nearest[0].uri.endswith("backups.md")


@pytest.mark.parametrize(
    "reply",
    [
        ErrorStatus(401, "authentication_error"),
        ErrorStatus(400, "invalid_request_error"),
        Refusal(),
        Refusal("I would rather"),
        ContextExceeded(),
    ],
)
async def test_where_claude_gives_no_answer_sentences_are_quoted_and_it_is_said(
    library: Library, claude: ClaudeServer, answerer: Make, reply: Any
) -> None:
    claude.enqueue(reply)
    answer = await answerer().answer(question(KEYS))
    assert answer.answered
    assert answer.route.model == "extractive"
    assert answer.notice
    assert "sk-test-key" not in answer.notice
    assert "rather" not in answer.text
    await assert_citations_hold(library, answer)


async def test_an_overloaded_claude_is_asked_again_before_quoting(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(ErrorStatus(529, "overloaded_error"), Text(Part("Every year.", Cite(0, 0, 1))))
    answer = await answerer().answer(question(KEYS))
    assert answer.route.model == "claude-haiku-5-5"
    assert len(claude.requests) == 2


@pytest.mark.parametrize(
    "reply", [MidStreamError("Keys rotate"), CutConnection("Keys"), CleanEndWithoutStop("K")]
)
async def test_an_answer_that_breaks_off_is_never_given_as_whole(
    library: Library, claude: ClaudeServer, answerer: Make, reply: Any
) -> None:
    claude.enqueue(reply)
    answer = await answerer().answer(question(KEYS))
    assert answer.route.model == "extractive"
    assert answer.text == "Encryption keys rotate every year.[1]"
    assert answer.notice
    await assert_citations_hold(library, answer)


async def test_an_answer_that_reaches_its_limit_says_so(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(MaxTokens("Keys rotate every"))
    answer = await answerer().answer(question(KEYS))
    assert "limit" in (answer.notice or "")


async def test_where_one_model_is_silent_the_other_takes_over(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(Slow(Text("late"), before_first=30))
    answer = await answerer(claude_timeout=0.3, answer_deadline=20).answer(question(KEYS))
    assert answer.route.model == "claude-sonnet-5-5"
    assert "took over" in answer.route.reason
    await assert_citations_hold(library, answer)


async def test_where_both_models_are_silent_sentences_are_quoted(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(*(Slow(Text("late"), before_first=30) for _ in range(6)))
    answer = await answerer(claude_timeout=0.3, answer_deadline=2).answer(question(KEYS))
    assert answer.route.model == "extractive"
    assert "silent" in (answer.notice or "")


async def test_a_model_that_is_not_known_is_replaced_by_the_other(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    answer = await answerer(fast_model="claude-haiku-of-next-year").answer(question(KEYS))
    assert answer.route.model == "claude-sonnet-5-5"


async def test_a_claude_that_thinks_aloud_is_not_silent(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    thinking = Thinking("step " * 60, Text(Part("Every year.", Cite(0, 0, 1))))
    claude.enqueue(Slow(thinking, delay_per_chunk=0.1))
    answer = await answerer(claude_timeout=0.8).answer(question("Summarise the backup policy"))
    assert answer.route.model == "claude-sonnet-5-5"
    assert answer.receipt.stages_ms["generate"] > 800


async def test_a_model_that_uses_up_its_limit_by_thinking_has_not_answered(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(MaxTokens(""))
    answer = await answerer().answer(question(KEYS))
    assert answer.route.model == "extractive"
    assert "limit" in (answer.notice or "")
    assert answer.receipt.usd > 0


async def test_what_a_refusal_cost_is_on_the_bill(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(Refusal("I would rather"))
    answer = await answerer().answer(question(KEYS))
    assert answer.route.model == "extractive"
    assert answer.receipt.input_tokens > 0
    assert answer.receipt.usd > 0


async def test_leaving_the_stream_ends_the_request_to_claude(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    claude.enqueue(Slow(Text("One two three four five six"), delay_per_chunk=30))
    stream = answerer().stream(question(KEYS))
    async for event in stream:
        if isinstance(event, Delta):
            break
    await stream.aclose()
    assert await asyncio.to_thread(claude.requests[-1].wait)
    assert claude.requests[-1].disconnected


async def test_without_a_key_the_sentence_is_quoted(library: Library, answerer: Make) -> None:
    answer = await answerer(with_claude=False).answer(question(KEYS))
    assert answer.answered
    assert answer.route.model == "extractive"
    assert answer.text == "Encryption keys rotate every year.[1]"
    assert answer.receipt.usd == 0
    await assert_citations_hold(library, answer)


class Noting(OverlapReranker):
    """Notes which threads it works in; what it reads for quotes waits until the gate is open."""

    def __init__(self) -> None:
        self.threads = set[int]()
        self.quoting = threading.Event()
        self.gate = threading.Event()

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        self.threads.add(threading.get_ident())
        if all("\n" not in passage for passage in passages):  # sentences
            self.quoting.set()
            assert self.gate.wait(10)
        return super().score(question, passages)

    def of_quote(self, question: str, quote: Quote) -> Words:
        self.threads.add(threading.get_ident())
        return Words(quote.start, quote.start + 10, 0.9, -0.1)


async def test_all_that_the_cross_encoder_reads_is_read_one_after_the_other_and_holds_up_nobody_else(
    library: Library, answerer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Noting()
    monkeypatch.setattr(ShortAnswers, "of", lambda *_: model)
    asked = answerer(with_claude=False, reranker=model)
    elsewhere = ThreadPoolExecutor(2)
    asyncio.get_running_loop().set_default_executor(elsewhere)
    answers = [asyncio.create_task(asked.answer(question(KEYS))) for _ in range(4)]
    with ThreadPoolExecutor(1) as watching:
        assert await asyncio.get_running_loop().run_in_executor(watching, model.quoting.wait, 10)
    await asyncio.wait_for(asyncio.to_thread(str), 5)
    model.gate.set()
    for answer in await asyncio.gather(*answers):
        assert answer.short_answer is not None
        assert answer.short_answer.text == "Encryption"
        assert answer.receipt.stages_ms.keys() >= {"extract", "short"}
    assert len(model.threads) == 1
    assert model.threads.isdisjoint(thread.ident for thread in elsewhere._threads)


async def test_what_the_documents_do_not_hold_is_not_answered(library: Library, answerer: Make) -> None:
    answer = await answerer(with_claude=False).answer(question("Which airline flies to Osaka on Sundays?"))
    assert not answer.answered
    assert answer.text == NOT_FOUND
    assert answer.citations == ()
    assert 1 <= len(answer.nearest) <= 3


async def test_a_filter_that_fits_nothing_is_answered_honestly(
    library: Library, claude: ClaudeServer, answerer: Make
) -> None:
    answer = await answerer().answer(question(KEYS, filters=Filters(collections=("nowhere",))))
    assert not answer.answered
    assert answer.nearest == ()
    assert claude.requests == []
