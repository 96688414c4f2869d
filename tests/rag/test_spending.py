"""What one answer spends, all its requests and retries together: never more than it may, all of it booked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rag.claude import ClaudeClient, Form, Prompt, SearchResult, Turn, prompt
from rag.claude.patience import Backoff
from rag.deadline import Deadline
from rag.documents import Reader
from rag.draft import NOT_FOUND
from rag.errors import AnswerCutOff, ClaudeUnavailable, OverBudget, SchemaMismatch
from rag.keys import Caller
from rag.purse import Purse
from rag.rewriting import rewrite
from rag.settings import Settings
from rag.structured import extract
from rag.synthesis import PartCache, cut_into_parts, map_parts
from rag.usage import Ledger
from tests.claude_server import (
    ClaudeServer,
    ErrorStatus,
    MidStreamError,
    Slow,
    Text,
    rate_limited,
)
from tests.rag.long_text import citables_of, handbook

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
KEYS = "How often do encryption keys rotate?"
SUMMARY = "Summarise the backup policy"
ANNA = Caller("anna", Reader())
ASKED = Prompt("You answer.", [SearchResult("c1", "Keys", ["Keys rotate every year."])], KEYS)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"years": {"type": "integer", "minimum": 1}},
    "required": ["years"],
}
EARLIER = (Turn("user", "Who keeps the encryption keys?"), Turn("assistant", "The key officer."))
HANGING = Slow(Text("One two three four five six seven"), delay_per_chunk=60)
GIVEN = citables_of(handbook(3, 2, 3))
PARTS = cut_into_parts(GIVEN, 220)


@dataclass(slots=True)
class Watched(Purse):
    """Notes what is planned, what each attempt may cost, and what it has cost."""

    planned: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)

    async def hold(self, usd: float | None) -> None:
        self.planned.append(usd or 0.0)
        await Purse.hold(self, usd)

    async def begin(self, worst: float | None) -> None:
        await Purse.begin(self, worst)
        self.begun.append(worst or 0.0)

    def ended(self, worst: float | None, *spent: Any) -> None:
        Purse.ended(self, worst, *spent)
        self.cost.append(spent[-1])


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


async def at_once(seconds: float) -> None:
    """In place of the pause before a retry."""


@pytest.fixture
async def client(settings: Settings, claude: ClaudeServer) -> AsyncIterator[ClaudeClient]:
    access = {"anthropic_base_url": claude.url, "anthropic_api_key": SecretStr("sk-test-key")}
    made = ClaudeClient(settings.model_copy(update=access), backoff=Backoff(sleep=at_once))
    yield made
    await made.close()


async def ask(client: ClaudeClient, payer: Purse) -> None:
    await drained(client.stream(HAIKU, ASKED, max_tokens=200, deadline=30, payer=payer))


async def drained(events: AsyncGenerator[Any]) -> None:
    async with aclosing(events) as stream:
        async for _ in stream:
            pass


def begun(claude: ClaudeServer, requests: int) -> None:
    """Waits until so many replies have begun."""
    while len(claude.requests) < requests:
        time.sleep(0.02)
    time.sleep(0.5)


# ---------------------------------------------------------------- attempts


@pytest.mark.parametrize("trouble", [ErrorStatus(529), ErrorStatus(429), rate_limited(1)], ids=repr)
async def test_an_attempt_that_cost_nothing_is_made_again_under_a_budget_for_one(
    claude: ClaudeServer, client: ClaudeClient, trouble: ErrorStatus
) -> None:
    claude.enqueue(trouble, "Every year.")
    await ask(client, Purse(most=await client.worst(HAIKU, ASKED, 200)))
    assert len(claude.requests) == 2


async def test_an_attempt_that_cost_something_is_not_made_again_under_a_budget_for_one(
    claude: ClaudeServer, client: ClaudeClient
) -> None:
    claude.enqueue(MidStreamError(""), "Every year.")
    purse = Purse(most=await client.worst(HAIKU, ASKED, 200))
    with pytest.raises(AnswerCutOff, match="in the middle"):
        await ask(client, purse)
    assert len(claude.requests) == 1
    assert [charge.requests for charge in purse.charges] == [1]


async def test_an_attempt_that_cannot_be_paid_is_not_made(claude: ClaudeServer, client: ClaudeClient) -> None:
    worst = await client.worst(HAIKU, ASKED, 200)
    with pytest.raises(OverBudget):
        await ask(client, Purse(most=(worst or 0.0) * 0.99))
    assert claude.requests == []


async def test_without_time_nothing_is_asked_and_nothing_held(
    claude: ClaudeServer, client: ClaudeClient, ledger: Ledger
) -> None:
    purse = Purse("anna", ledger=ledger)
    with pytest.raises(ClaudeUnavailable, match="no time"):
        await drained(client.stream(HAIKU, ASKED, max_tokens=200, deadline=0.0, payer=purse))
    assert claude.requests == []
    assert await ledger.spent_today("anna") == 0


async def test_a_form_costs_its_schema_and_its_prompt_too(client: ClaudeClient) -> None:
    bare = await client.worst(HAIKU, Form("", "Rent?", {}), 200) or 0.0
    for form in (Form("word " * 500, "Rent?", {}), Form("", "Rent?", {"description": "word " * 500})):
        assert (await client.worst(HAIKU, form, 200) or 0.0) - bare > 500 * 0.1 / 1e6


async def test_a_second_extraction_that_cannot_be_paid_is_not_asked_for(
    claude: ClaudeServer, client: ClaudeClient
) -> None:
    claude.enqueue(json.dumps({"found": True, "data": {"years": 0}, "sources": []}))
    first = Watched()
    with pytest.raises(SchemaMismatch):
        await extract(client, HAIKU, KEYS, SCHEMA, GIVEN, max_tokens=200, deadline=30, payer=first)
    assert len(first.begun) == 2
    claude.reset()
    claude.enqueue(json.dumps({"found": True, "data": {"years": 0}, "sources": []}))
    purse = Purse(most=first.begun[0])
    with pytest.raises(SchemaMismatch, match="minimum"):
        await extract(client, HAIKU, KEYS, SCHEMA, GIVEN, max_tokens=200, deadline=30, payer=purse)
    assert len(claude.requests) == 1


def reading(client: ClaudeClient, payer: Purse, parallel: int = 1) -> Any:
    more: dict[str, Any] = {
        "max_tokens": 1000,
        "ends": Deadline(60.0),
        "finished": PartCache(),
        "payer": payer,
    }
    return map_parts(client, KEYS, PARTS, model=HAIKU, parallel=parallel, **more)


async def test_a_part_is_not_read_twice_where_that_cannot_be_paid(
    claude: ClaudeServer, client: ClaudeClient
) -> None:
    claude.enqueue(MidStreamError("Valve 1-1-1 is"))
    most = await client.worst(HAIKU, Prompt(prompt("map"), (), KEYS), 1000, more=PARTS[0].tokens)
    with pytest.raises(AnswerCutOff):
        await drained(reading(client, Purse(most=most)))
    assert len(claude.requests) == 1


async def test_parts_in_parallel_never_pass_what_may_be_spent(
    claude: ClaudeServer, client: ClaudeClient
) -> None:
    one = await client.worst(HAIKU, Prompt(prompt("map"), (), KEYS), 1000, more=PARTS[0].tokens) or 0.0
    with pytest.raises(OverBudget):
        await drained(reading(client, Purse(most=2.5 * one), parallel=3))
    assert len(claude.requests) == 2


# ---------------------------------------------------------------- what is left on the way


async def test_parts_that_are_left_unread_are_on_the_bill(claude: ClaudeServer, client: ClaudeClient) -> None:
    claude.enqueue(HANGING, HANGING, HANGING)
    purse = Purse()
    stream = reading(client, purse, parallel=3)
    await anext(stream)  # nothing is read yet
    waiting = asyncio.create_task(anext(stream))
    await asyncio.to_thread(begun, claude, 3)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await stream.aclose()
    assert [(charge.requests, (charge.usd or 0) > 0) for charge in purse.charges] == [(3, True)]


async def test_a_rewrite_that_is_left_is_on_the_bill(claude: ClaudeServer, client: ClaudeClient) -> None:
    claude.enqueue(HANGING)
    purse = Purse()
    rewriting = asyncio.create_task(
        rewrite(client, HAIKU, "And how often do they rotate?", EARLIER, deadline=30, payer=purse)
    )
    await asyncio.to_thread(begun, claude, 1)
    rewriting.cancel()
    await asyncio.gather(rewriting, return_exceptions=True)
    assert [charge.requests for charge in purse.charges] == [1]
