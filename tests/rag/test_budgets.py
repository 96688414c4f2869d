"""Whole answers under a budget: planned before, kept to on the way, booked whatever becomes of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rag.asking import Asked, Desk
from rag.claude import ClaudeClient, Turn
from rag.claude.patience import Backoff
from rag.documents import Reader
from rag.draft import NOT_FOUND
from rag.errors import InvalidRequest, OverBudget
from rag.events import Done, Question, Sources
from rag.keys import Caller
from rag.purse import Purse
from rag.usage import Ledger
from tests.claude_server import (
    Cite,
    ClaudeServer,
    MidStreamError,
    Part,
    Slow,
    Text,
)
from tests.fakes import put
from tests.rag.conftest import Library
from tests.rag.desks import answerer_of, closed, desk_of, settings_of
from tests.rag.long_text import handbook

HAIKU = "claude-haiku-5-5"
KEYS = "How often do encryption keys rotate?"
SUMMARY = "Summarise the backup policy"
ANNA = Caller("anna", Reader())
LONG = Asked(f"{KEYS} {'They rotate, these keys. ' * 50}", mode="fast", conversation_id="new")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"years": {"type": "integer"}}}
EARLIER = (Turn("user", "Who keeps the encryption keys?"), Turn("assistant", "The key officer."))
HANGING = Slow(Text("One two three four five six seven"), delay_per_chunk=60)


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
async def clients() -> AsyncIterator[list[ClaudeClient]]:
    made: list[ClaudeClient] = []
    yield made
    for client in made:
        await client.close()


MakeDesk = Callable[..., Desk]
MakeClient = Callable[..., ClaudeClient]


@pytest.fixture
def client(library: Library, claude: ClaudeServer, clients: list[ClaudeClient]) -> ClaudeClient:
    clients.append(ClaudeClient(settings_of(library, claude.url), backoff=Backoff(sleep=at_once)))
    return clients[-1]


@pytest.fixture
async def desk(
    library: Library, claude: ClaudeServer, ledger: Ledger, tmp_path: Path, clients: list[ClaudeClient]
) -> AsyncIterator[MakeDesk]:
    desks: list[Desk] = []

    def make(**changes: Any) -> Desk:
        settings = settings_of(library, claude.url, **changes)
        clients.append(ClaudeClient(settings, backoff=Backoff(sleep=at_once)))
        desks.append(desk_of(library, settings, clients[-1], ledger, tmp_path))
        return desks[-1]

    yield make
    await closed(desks, ())


def begun(claude: ClaudeServer, requests: int) -> None:
    """Waits until so many replies have begun."""
    while len(claude.requests) < requests:
        time.sleep(0.02)
    time.sleep(0.5)


async def reply_to(client: ClaudeClient, asked: Question, library: Library, **changes: Any) -> Any:
    settings = settings_of(library, str(client._settings.anthropic_base_url), **changes)
    return await answerer_of(library, settings, client).answer(asked)


async def test_who_leaves_before_the_answer_pays_for_what_was_read_and_has_had_none(
    desk: MakeDesk, claude: ClaudeServer, ledger: Ledger
) -> None:
    claude.enqueue(HANGING)
    asked = Asked("And how often do they rotate?", messages=EARLIER)
    asking = asyncio.create_task(desk().answer(asked, ANNA))
    await asyncio.to_thread(begun, claude, 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    (row,) = await ledger.sums(["key"])
    assert (row.answers, row.requests, row.usd > 0) == (0, 1, True)


@pytest.mark.parametrize(
    ("asked", "changes", "error"),
    [
        (Asked(KEYS, schema={"type": "array"}), {}, InvalidRequest),
        (Asked(SUMMARY, max_usd=0.05), {"over_budget": "refuse"}, OverBudget),
        (Asked(KEYS, schema=SCHEMA, max_usd=0.0), {}, OverBudget),
    ],
    ids=["invalid", "refused", "no cheaper way"],
)
async def test_what_is_refused_is_no_answer_on_the_account(
    desk: MakeDesk, ledger: Ledger, asked: Asked, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await desk(**changes).answer(asked, ANNA)
    assert await ledger.sums(["key"]) == []
    assert await ledger.spent_today("anna") == 0


async def test_who_leaves_before_anything_was_written_has_had_no_answer(
    desk: MakeDesk, ledger: Ledger
) -> None:
    async with aclosing(desk().stream(Asked(KEYS), ANNA)) as events:
        async for event in events:
            assert isinstance(event, Sources)
            break
    assert await ledger.sums(["key"]) == []
    assert await ledger.spent_today("anna") == 0


# ---------------------------------------------------------------- whole answers


@pytest.mark.parametrize(
    ("text", "more", "changes"),
    [
        (KEYS, {}, {}),
        (KEYS, {"history": (Turn("user", "Who keeps them? " * 50),)}, {}),
        (KEYS, {"schema": SCHEMA}, {}),
        (SUMMARY, {}, {}),
        (SUMMARY, {"schema": SCHEMA}, {}),
        ("Summarise the handbook", {}, {"map_part_tokens": 2000, "synthesis_input_tokens": 2000}),
        (
            "Summarise the handbook",
            {"schema": SCHEMA},
            {"map_part_tokens": 2000, "synthesis_input_tokens": 2000},
        ),
    ],
    ids=["lookup", "history", "values", "synthesis", "values of a whole", "parts", "values of parts"],
)
async def test_the_plan_covers_every_request_and_each_request_its_cost(
    library: Library, client: ClaudeClient, text: str, more: dict[str, Any], changes: dict[str, Any]
) -> None:
    await put(library.store, library.files, handbook(4, 3, 5), name="handbook.md")
    purse = Watched()
    asked = Question(text, Reader(), purse=purse, **more)
    await asyncio.gather(reply_to(client, asked, library, **changes), return_exceptions=True)
    assert len(purse.planned) == 1
    assert len(purse.begun) == len(purse.cost) > 0
    assert all(0 < cost <= worst for worst, cost in zip(purse.begun, purse.cost, strict=True))
    assert sum(purse.begun) <= purse.planned[0] + 1e-9


async def test_another_model_does_not_take_over_where_the_budget_is_for_the_first(
    desk: MakeDesk, claude: ClaudeServer
) -> None:
    claude.enqueue(Slow(Text("late"), before_first=30))
    answer = await desk(claude_timeout=0.3).answer(Asked(KEYS, max_usd=0.002), ANNA)
    assert [request.body["model"] for request in claude.requests] == [HAIKU]
    assert answer.route.model == "extractive"
    assert "silent" in (answer.notice or "")


async def test_a_review_that_cannot_be_paid_is_left_out_and_it_is_said(
    desk: MakeDesk, claude: ClaudeServer
) -> None:
    answer = await desk().answer(Asked(KEYS, review=True, max_usd=0.002), ANNA)
    assert [request.body["model"] for request in claude.requests] == [HAIKU]
    assert answer.answered
    assert "not reviewed" in (answer.notice or "")


@dataclass(slots=True)
class Shrinking(Purse):
    """Has nothing left once an answer is under way."""

    async def hold(self, usd: float | None) -> None:
        await Purse.hold(self, usd)
        self.most = 0.0


async def test_where_the_budget_ends_on_the_way_sentences_are_quoted_and_it_is_said(
    library: Library, client: ClaudeClient, claude: ClaudeServer
) -> None:
    answer = await reply_to(client, Question(KEYS, Reader(), purse=Shrinking()), library)
    assert claude.requests == []
    assert (answer.route.model, answer.answered) == ("extractive", True)
    assert "budget" in answer.route.reason
    assert (answer.notice or "").startswith("Over budget: ")


@pytest.mark.parametrize(
    ("more", "changes"), [({}, {"over_budget": "refuse"}), ({"schema": SCHEMA}, {})], ids=["refuse", "schema"]
)
async def test_where_the_budget_ends_on_the_way_it_is_refused_if_that_is_set_or_values_are_wanted(
    library: Library, client: ClaudeClient, more: dict[str, Any], changes: dict[str, Any]
) -> None:
    with pytest.raises(OverBudget):
        await reply_to(client, Question(KEYS, Reader(), purse=Shrinking(), **more), library, **changes)


async def test_a_model_of_unknown_price_is_named_once_in_the_answer(
    library: Library, claude: ClaudeServer, clients: list[ClaudeClient], tmp_path: Path
) -> None:
    (tmp_path / "prices.toml").write_text('read = "2027-01-01"\n[models]\n', encoding="utf-8")
    settings = settings_of(library, claude.url, prices_file=tmp_path / "prices.toml")
    clients.append(ClaudeClient(settings))
    claude.enqueue(MidStreamError(""), Text(Part("Every year.", Cite(0, 0, 1))))
    answer = await answerer_of(library, settings, clients[-1]).answer(Question(KEYS, Reader()))
    assert [(charge.requests, charge.usd) for charge in answer.receipt.charges] == [(2, None)]
    assert (answer.notice or "").count(f"The price of {HAIKU} is not known") == 1


# ---------------------------------------------------------------- checkpoints


async def test_a_reader_does_not_wait_for_the_checkpoint_and_it_is_booked_beside_the_answer(
    desk: MakeDesk, claude: ClaudeServer, ledger: Ledger
) -> None:
    asking = desk(conversation_tokens=200)
    written = Slow(Text(json.dumps({"notes": "Keys were spoken of."})), before_first=3.0)
    claude.enqueue(Text(Part("Encryption keys rotate every year.", Cite(0, 8, 9))), written)
    async with asyncio.timeout(2.5), aclosing(asking.stream(LONG, ANNA)) as events:
        (done,) = [event async for event in events if isinstance(event, Done)]
    kept = await asking._conversations.get(done.answer.conversation_id or "", "anna", ANNA.reader)
    assert [turn.role for turn in kept.turns] == ["user", "assistant"]
    assert kept.checkpoint is None
    await asking.close()
    kept = await asking._conversations.get(done.answer.conversation_id or "", "anna", ANNA.reader)
    assert kept.checkpoint is not None
    assert kept.checkpoint.text == "Keys were spoken of."
    (row,) = await ledger.sums(["key"])
    assert (row.answers, row.requests) == (1, 2)


async def test_a_checkpoint_that_the_end_of_the_process_cuts_off_is_booked(
    desk: MakeDesk, claude: ClaudeServer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.asking.CLOSING_SECONDS", 0.5)
    asking = desk(conversation_tokens=200)
    claude.enqueue(Text(Part("Encryption keys rotate every year.", Cite(0, 8, 9))), HANGING)
    await asking.answer(LONG, ANNA)
    await asking.close()
    (row,) = await ledger.sums(["key"])
    assert (row.answers, row.requests) == (1, 2)
    assert len(asking._folding) == 0
