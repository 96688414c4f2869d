"""The review pass marks sentences and changes nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from rag.claude import ClaudeClient, prompt
from rag.documents import Citation, Support
from rag.errors import AnswerError, AnswerRefused, SchemaMismatch
from rag.purse import Purse
from rag.settings import Settings
from rag.synthesis import Reviewed, review
from tests.claude_server import ClaudeServer, ErrorStatus, Refusal

SONNET = "claude-sonnet-5-5"
SENTENCES = ["Keys rotate every year.", "Two officers keep them.", "That is all."]
TEXT = "Keys rotate every year.[1] Two officers keep them.[2] That is all."
CITATIONS = [
    Citation(
        marker=marker,
        document_id="d",
        version="v",
        chunk_id="c",
        uri="file:///library/backups.md",
        title="Backup policy",
        page=None,
        headings=("Keys",),
        quote=quote,
        start=0,
        end=len(quote),
    )
    for marker, quote in ((1, "Encryption keys rotate every year."), (2, "The key officer keeps them."))
]


def support(text: str, marker: int | None, *, supported: bool = True, reason: str | None = None) -> Support:
    start = TEXT.index(text)
    return Support(
        text=text,
        start=start,
        end=start + len(text),
        markers=() if marker is None else (marker,),
        score=0.5,
        supported=supported,
        reason=reason,
    )


LOCAL = [
    support(SENTENCES[0], 1, supported=False, reason="Locally doubted."),
    support(SENTENCES[1], 2),
    support(SENTENCES[2], None, supported=False, reason="Cites nothing."),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ClaudeServer]:
    with ClaudeServer() as running:
        yield running


@pytest.fixture
async def claude(settings: Settings, server: ClaudeServer) -> AsyncIterator[ClaudeClient]:
    server.reset()
    access = {"anthropic_base_url": server.url, "anthropic_api_key": SecretStr("sk-test-key")}
    client = ClaudeClient(settings.model_copy(update=access))
    yield client
    await client.close()


def verdicts(*given: tuple[int, bool, str]) -> str:
    return json.dumps({"verdicts": [{"n": n, "supported": yes, "reason": why} for n, yes, why in given]})


async def reviewed(claude: ClaudeClient, payer: Purse | None = None) -> Reviewed:
    return await review(claude, SONNET, TEXT, LOCAL, CITATIONS, deadline=30.0, payer=payer or Purse())


async def test_a_verdict_marks_its_sentence_and_a_missing_one_leaves_the_local(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    server.enqueue(
        verdicts((2, False, "One officer, not two."), (1, True, ""), (9, False, "No such sentence."))
    )
    purse = Purse()
    done = await reviewed(claude, purse)
    assert [(one.supported, one.reason) for one in done.supports] == [
        (True, None),
        (False, "One officer, not two."),
        (False, "Cites nothing."),
    ]
    unmarked = {"supported", "reason"}
    assert [one.model_dump(exclude=unmarked) for one in done.supports] == [
        one.model_dump(exclude=unmarked) for one in LOCAL
    ]
    assert done.model == SONNET
    (charge,) = purse.charges
    assert (charge.model, charge.output_tokens > 0, (charge.usd or 0) > 0) == (SONNET, True, True)


async def test_an_unsupported_sentence_always_has_a_reason(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    server.enqueue(verdicts((2, False, " ")))
    done = await reviewed(claude)
    assert done.supports[1].reason


async def test_the_reviewer_sees_each_sentence_with_the_quotes_it_cites(
    claude: ClaudeClient, server: ClaudeServer
) -> None:
    server.enqueue(verdicts())
    await reviewed(claude)
    body = server.requests[-1].body
    assert body is not None
    assert body["model"] == SONNET
    assert body["system"][0]["text"] == prompt("review")
    assert "tool_choice" not in body
    assert body["output_config"]["format"]["type"] == "json_schema"
    content = body["messages"][0]["content"]
    shown = json.loads(content if isinstance(content, str) else content[0]["text"])
    assert shown["answer"] == TEXT
    assert [(one["n"], one["sentence"]) for one in shown["sentences"]] == list(enumerate(SENTENCES, 1))
    quotes = [[passage["text"] for passage in one["passages"]] for one in shown["sentences"]]
    assert quotes == [["Encryption keys rotate every year."], ["The key officer keeps them."], []]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ('{"verdicts": [{"n": "first"}]}', SchemaMismatch),
        ("I think it is fine.", SchemaMismatch),
        (Refusal("No"), AnswerRefused),
        (ErrorStatus(400, "invalid_request_error"), AnswerError),
    ],
)
async def test_a_review_without_verdicts_is_an_error_and_is_on_the_bill(
    claude: ClaudeClient, server: ClaudeServer, reply: Any, error: type[AnswerError]
) -> None:
    server.enqueue(reply)
    purse = Purse()
    with pytest.raises(error):
        await reviewed(claude, purse)
    assert bool(purse.charges) is not isinstance(reply, ErrorStatus)
