"""When Claude is in trouble: a test for each row of the table in docs/answers.md, from the reader's side."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rag.answering import Answerer
from rag.claude import ClaudeClient
from rag.documents import Reader
from rag.draft import NOT_FOUND
from rag.events import Question
from rag.retrieval import Retriever
from tests.claude_server import (
    ClaudeServer,
    CleanEndWithoutStop,
    ContextExceeded,
    CutConnection,
    ErrorStatus,
    MaxTokens,
    MidStreamError,
    Refusal,
    Slow,
    Text,
    rate_limited,
    spend_cap,
)
from tests.fakes import OverlapReranker, WordEmbedder
from tests.rag.conftest import Library

KEYS = "How often do encryption keys rotate?"
HAIKU, SONNET, QUOTES = "claude-haiku-5-5", "claude-sonnet-5-5", "extractive"
TABLE = (Path(__file__).resolve().parents[2] / "docs/answers.md").read_text(encoding="utf-8")


def overloaded(times: int) -> list[Any]:
    return [ErrorStatus(529, "overloaded_error")] * times


@dataclass(frozen=True)
class Row:
    """One kind of trouble: what the server does, and who answers then; `asked` are the models asked."""

    row: str
    replies: list[Any]
    answered_by: str
    asked: list[str]
    notice: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    answered: bool = True
    """False where what came before the limit cites nothing, and is withheld."""


QUICK = {"claude_timeout": 0.3}
ROWS = [
    Row("No connection, 500", overloaded(1), HAIKU, [HAIKU, HAIKU]),
    Row("No connection, 500", [ErrorStatus(500, "api_error")], HAIKU, [HAIKU, HAIKU]),
    Row("Silence", [Slow(Text("late"), before_first=30)] * 1, SONNET, [HAIKU, SONNET], settings=QUICK),
    Row("429 with `retry-after`", [rate_limited(0)], HAIKU, [HAIKU, HAIKU]),
    Row("429 with `retry-after`", [rate_limited(600)], SONNET, [HAIKU, SONNET]),
    Row("429 without it", [spend_cap()] * 3, QUOTES, [], "spend"),
    Row("429 without it", [ErrorStatus(402, "billing_error")], QUOTES, [HAIKU]),
    Row("401, 403", [ErrorStatus(401, "authentication_error")], QUOTES, [HAIKU], "key"),
    Row("401, 403", [ErrorStatus(403, "permission_error")], QUOTES, [HAIKU]),
    Row("404", [ErrorStatus(404, "not_found_error")], SONNET, [HAIKU, SONNET]),
    Row("413, context", [ErrorStatus(413, "request_too_large")], QUOTES, [HAIKU]),
    Row("413, context", [ContextExceeded()], QUOTES, [HAIKU]),
    Row("`error` event", [MidStreamError("")], HAIKU, [HAIKU, HAIKU]),
    Row("`error` event", [CutConnection("")], HAIKU, [HAIKU, HAIKU]),
    Row("`error` event", [CleanEndWithoutStop("")], HAIKU, [HAIKU, HAIKU]),
    Row("The same in the middle", [MidStreamError("Keys rotate")], QUOTES, [HAIKU]),
    Row("The same in the middle", [CutConnection("Keys rotate often")], QUOTES, [HAIKU]),
    Row("The same in the middle", [CleanEndWithoutStop("Keys rotate")], QUOTES, [HAIKU]),
    Row("Refusal", [Refusal("I would rather")], QUOTES, [HAIKU], "declined"),
    Row("`max_tokens`", [MaxTokens("Keys rotate every")], HAIKU, [HAIKU], "limit", answered=False),
]


@pytest.fixture(scope="module")
def claude() -> Iterator[ClaudeServer]:
    with ClaudeServer(not_found_text=NOT_FOUND) as server:
        yield server


@pytest.fixture
async def clients() -> AsyncIterator[list[ClaudeClient]]:
    made: list[ClaudeClient] = []
    yield made
    for client in made:
        await client.close()


def answerer(library: Library, url: str, clients: list[ClaudeClient], **changes: Any) -> Answerer:
    access = {"anthropic_base_url": url, "anthropic_api_key": SecretStr("sk-test-key")}
    settings = library.settings.model_copy(update={"claude_timeout": 10.0, **access, **changes})
    clients.append(ClaudeClient(settings))
    embedder, reranker = WordEmbedder(), OverlapReranker()
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


@pytest.mark.parametrize("trouble", ROWS, ids=lambda row: f"{row.row}:{type(row.replies[0]).__name__}")
async def test_each_trouble_ends_as_the_table_says(
    library: Library, claude: ClaudeServer, clients: list[ClaudeClient], trouble: Row
) -> None:
    claude.reset()
    claude.enqueue(*trouble.replies)
    asking = answerer(library, claude.url, clients, **trouble.settings)
    answer = await asking.answer(Question(KEYS, Reader()))
    assert answer.route.model == trouble.answered_by
    assert answer.answered is trouble.answered
    if trouble.asked:
        assert [request.body["model"] for request in claude.requests] == trouble.asked
    assert trouble.notice in (answer.notice or "")
    assert "sk-test-key" not in (answer.notice or "")
    assert "rather" not in answer.text
    for citation in answer.citations:
        stored = await library.files.text(citation.document_id, citation.version)
        assert stored[citation.start : citation.end] == citation.quote
    assert {int(n) for n in re.findall(r"\[(\d+)\]", answer.text)} == {c.marker for c in answer.citations}


async def test_a_dead_api_costs_the_sixth_reader_nothing(
    library: Library, claude: ClaudeServer, clients: list[ClaudeClient]
) -> None:
    claude.reset()
    asking = answerer(library, claude.url, clients, answer_deadline=1.0, cache_answers=0)
    for _ in range(6):
        claude.enqueue(*overloaded(20))
        await asking.answer(Question(KEYS, Reader()))
    before = len(claude.requests)
    answer = await asking.answer(Question(KEYS, Reader()))
    assert answer.route.model == QUOTES
    assert len(claude.requests) == before


def test_every_row_of_the_table_has_a_test() -> None:
    rows = [
        line.split("|")[1].strip()
        for line in TABLE.split("| What happens |")[1].splitlines()
        if line.startswith("|") and not line.startswith("|---") and line.count("|") == 5
    ]
    tested = {row.row for row in ROWS} | {"Five failures in a row"}
    assert [row for row in rows if not any(row.startswith(name) for name in tested)] == []
    assert len(rows) >= 12
