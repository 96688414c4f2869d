"""When Claude is in trouble: a test for each row of the table in docs/answers.md, from the reader's side."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rag.answering import Answerer
from rag.claude import ClaudeClient
from rag.claude.patience import Backoff
from rag.documents import Reader
from rag.draft import NOT_FOUND
from rag.events import Question
from tests.claude_server import (
    Cite,
    ClaudeServer,
    CleanEndWithoutStop,
    ContextExceeded,
    CutConnection,
    ErrorStatus,
    MaxTokens,
    MidStreamError,
    Part,
    Refusal,
    Slow,
    Text,
    rate_limited,
    spend_cap,
)
from tests.rag.conftest import Library
from tests.rag.desks import answerer_of, settings_of

KEYS = "How often do encryption keys rotate?"
HAIKU, SONNET, QUOTES = "claude-haiku-5-5", "claude-sonnet-5-5", "extractive"
DOCS = (Path(__file__).resolve().parents[2] / "docs/answers.md").read_text(encoding="utf-8")


LASTING = 12
"""More times than there are attempts at an answer."""


@dataclass(frozen=True)
class Row:
    """One kind of trouble: what the server does so many times, which models are asked, and who answers."""

    row: str
    trouble: Any
    times: int
    asked: list[str]
    answered_by: str
    notice: str = ""
    text: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    answered: bool = True
    """False where what came before the limit cites nothing, and is withheld."""

    @property
    def tried_again(self) -> bool:
        return len(self.asked) > len(set(self.asked))

    @property
    def taken_over(self) -> bool:
        return len(set(self.asked)) > 1


OVERLOADED = ErrorStatus(529, "overloaded_error")
BOTH, ALL = [HAIKU, SONNET], [HAIKU] * 3 + [SONNET] * 3
QUICK = {"claude_timeout": 0.3}
CITED = MaxTokens(Text(Part("Encryption keys rotate every year.", Cite(0, 0, 1)), " The key officer"))
ROWS = [
    Row("No connection, 500", OVERLOADED, 1, [HAIKU] * 2, HAIKU),
    Row("No connection, 500", OVERLOADED, LASTING, ALL, QUOTES, "overloaded"),
    Row("No connection, 500", ErrorStatus(500), LASTING, ALL, QUOTES, "overloaded"),
    Row("Silence", Slow(Text("late"), before_first=30), 1, BOTH, SONNET, settings=QUICK),
    Row("Silence", Slow(Text("late"), before_first=30), LASTING, BOTH, QUOTES, "silent", settings=QUICK),
    Row("429 with `retry-after`", rate_limited(0), 1, [HAIKU] * 2, HAIKU),
    Row("429 with `retry-after`", rate_limited(0.01), LASTING, ALL, QUOTES, "no more requests"),
    Row("429 with `retry-after`", rate_limited(600), LASTING, BOTH, QUOTES, "no more requests"),
    Row("429 without it", ErrorStatus(429), 2, [HAIKU] * 2 + [SONNET], SONNET),
    Row("429 without it", ErrorStatus(429), LASTING, [HAIKU] * 2 + [SONNET] * 2, QUOTES, "no more requests"),
    Row("A spend cap", spend_cap(), LASTING, [HAIKU], QUOTES, "may spend no more"),
    Row("A spend cap", ErrorStatus(402, "billing_error"), LASTING, [HAIKU], QUOTES, "may spend no more"),
    Row("401, 403", ErrorStatus(401, "authentication_error"), LASTING, [HAIKU], QUOTES, "refused the key"),
    Row("401, 403", ErrorStatus(403, "permission_error"), LASTING, [HAIKU], QUOTES, "refused the key"),
    Row("404", ErrorStatus(404, "not_found_error"), 1, BOTH, SONNET),
    Row("404", ErrorStatus(404, "not_found_error"), LASTING, BOTH, QUOTES, "does not know the model"),
    Row("413, context", ErrorStatus(413, "request_too_large"), LASTING, [HAIKU], QUOTES, "larger"),
    Row("413, context", ContextExceeded(), LASTING, [HAIKU], QUOTES, "larger"),
    Row("`error` event", MidStreamError(""), 1, [HAIKU] * 2, HAIKU),
    Row("`error` event", MidStreamError(""), LASTING, [HAIKU] * 3, QUOTES, "in the middle"),
    Row("`error` event", CutConnection(""), LASTING, [HAIKU] * 3, QUOTES, "broke off"),
    Row("`error` event", CleanEndWithoutStop(""), LASTING, [HAIKU] * 3, QUOTES),
    Row("The same, or silence", MidStreamError("Keys rotate"), LASTING, [HAIKU], QUOTES, "in the middle"),
    Row("The same, or silence", CutConnection("Keys rotate often"), LASTING, [HAIKU], QUOTES),
    Row("The same, or silence", CleanEndWithoutStop("Keys rotate"), LASTING, [HAIKU], QUOTES),
    Row(
        "The same, or silence",
        Slow(Text("Keys rotate often and then again"), delay_per_chunk=30),
        LASTING,
        [HAIKU],
        QUOTES,
        "silent",
        settings=QUICK,
    ),
    Row("Refusal", Refusal("I would rather"), LASTING, [HAIKU], QUOTES, "declined"),
    Row("`max_tokens`", CITED, LASTING, [HAIKU], HAIKU, "stops early", "every year.[1] The key officer"),
    Row("`max_tokens`", MaxTokens("Keys rotate"), LASTING, [HAIKU], HAIKU, "limit", answered=False),
]


def table() -> dict[str, list[str]]:
    """The cells of the table by what happens: tried again, taken over, seen."""
    lines = DOCS.split("| What happens |")[1].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {what: rest for what, *rest in cells}


def cells_of(row: str) -> list[str]:
    (cells,) = (cells for what, cells in table().items() if what.startswith(row))
    return cells


def assert_true(cell: str, happened: Sequence[bool]) -> None:
    """That a cell says what happened in each case of lasting trouble; one with an `if` has both kinds."""
    word = cell.split(",")[0]
    assert word in ("yes", "no"), f"begins with neither yes nor no: {cell}"
    told = {True, False} if " if " in cell else {word == "yes"}
    assert set(happened) == told, f"not so: {cell}"


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
    settings = settings_of(library, url, cache_answers=0, **changes)
    clients.append(ClaudeClient(settings, backoff=Backoff(first=0.01)))
    return answerer_of(library, settings, clients[-1])


@pytest.mark.parametrize("case", ROWS, ids=lambda case: f"{case.row}:{type(case.trouble).__name__}")
async def test_each_trouble_ends_as_the_table_says(
    library: Library, claude: ClaudeServer, clients: list[ClaudeClient], case: Row
) -> None:
    claude.reset()
    claude.enqueue(*[case.trouble] * case.times)
    asking = answerer(library, claude.url, clients, **case.settings)
    answer = await asking.answer(Question(KEYS, Reader()))
    assert [request.body["model"] for request in claude.requests] == case.asked
    assert answer.route.model == case.answered_by
    assert answer.answered is case.answered is bool(answer.citations)
    assert case.notice in (answer.notice or "")
    assert case.text in answer.text
    assert "sk-test-key" not in (answer.notice or "")
    assert "rather" not in answer.text
    for citation in answer.citations:
        stored = await library.files.text(citation.document_id, citation.version)
        assert stored[citation.start : citation.end] == citation.quote
    assert {int(n) for n in re.findall(r"\[(\d+)\]", answer.text)} == {c.marker for c in answer.citations}


async def test_after_five_failures_in_a_row_a_model_is_not_asked(
    library: Library, claude: ClaudeServer, clients: list[ClaudeClient]
) -> None:
    claude.reset()
    asking = answerer(library, claude.url, clients)
    claude.enqueue(*[OVERLOADED] * 3)
    await asking.answer(Question(KEYS, Reader()))
    claude.enqueue(*[OVERLOADED] * 2)
    await asking.answer(Question(KEYS, Reader()))
    assert [one.body["model"] for one in claude.requests] == [HAIKU] * 3 + [SONNET] + [HAIKU] * 2 + [SONNET]
    claude.requests.clear()
    answer = await asking.answer(Question(KEYS, Reader()))
    assert [request.body["model"] for request in claude.requests] == [SONNET]
    again, taken_over, _ = cells_of("Five failures in a row")
    assert_true(again, [False])
    assert_true(taken_over, [answer.route.model == SONNET])


async def test_a_dead_api_costs_the_sixth_reader_nothing(
    library: Library, claude: ClaudeServer, clients: list[ClaudeClient]
) -> None:
    claude.reset()
    asking = answerer(library, claude.url, clients)
    for _ in range(6):
        claude.enqueue(*[OVERLOADED] * 20)
        await asking.answer(Question(KEYS, Reader()))
    before = len(claude.requests)
    answer = await asking.answer(Question(KEYS, Reader()))
    assert answer.route.model == QUOTES
    assert len(claude.requests) == before


@pytest.mark.parametrize("row", dict.fromkeys(case.row for case in ROWS))
def test_each_row_of_the_table_tells_what_happened(row: str) -> None:
    """That it did happen so is asserted for each case above."""
    again, taken_over, seen = cells_of(row)
    cases = [case for case in ROWS if case.row == row]
    lasting = [case for case in cases if case.times == LASTING]
    assert_true(again, [case.tried_again for case in lasting])
    assert_true(taken_over, [case.taken_over for case in lasting])
    if seen.startswith("Quoted sentences"):
        assert {case.answered_by for case in cases} == {QUOTES}
    elif "quoted sentences" in seen:
        assert {case.answered_by for case in cases} > {QUOTES}
    else:
        assert QUOTES not in {case.answered_by for case in cases}


def test_every_row_of_the_table_has_a_test() -> None:
    tested = {case.row for case in ROWS} | {"Five failures in a row"}
    assert [row for row in table() if not any(row.startswith(name) for name in tested)] == []
    assert len(table()) >= 13
