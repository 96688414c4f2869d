"""The memory of conversations: nobody else's, nothing lost, nothing kept too long."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path

import pytest

from rag.conversation import Checkpoint, Recorded
from rag.conversation_store import FILE, ConversationStore
from rag.documents import Reader
from rag.errors import NotFound, StoreUnavailable
from rag.events import CarriedPassage

NOON = 1_780_000_000.0
EVERYONE = Reader()
HR = Reader(frozenset({"everyone", "hr"}))


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ConversationStore:
    return ConversationStore(tmp_path / "state" / FILE, 24, clock)


def exchange(name: str) -> list[Recorded]:
    passage = CarriedPassage("d1", "v1", 3)
    return [
        Recorded("user", f"{name}?"),
        Recorded("assistant", f"{name} „so“.\n[1]", (passage,), frozenset({"d1", "d2"})),
    ]


async def test_what_was_said_comes_back_as_it_was_said(store: ConversationStore) -> None:
    made = await store.create("intranet", EVERYONE)
    assert made.turns == ()
    await store.append(made.id, "intranet", EVERYONE, exchange("one"))
    await store.append(made.id, "intranet", EVERYONE, exchange("two"))
    found = await store.get(made.id, "intranet", EVERYONE)
    assert found.turns == (*exchange("one"), *exchange("two"))
    assert (found.id, found.checkpoint) == (made.id, None)


async def test_ids_cannot_be_guessed(store: ConversationStore) -> None:
    ids = {(await store.create("intranet", EVERYONE)).id for _ in range(20)}
    assert len(ids) == 20
    assert min(map(len, ids)) >= 32


async def test_for_another_owner_or_other_groups_there_is_no_such_conversation(
    store: ConversationStore,
) -> None:
    made = await store.create("intranet", HR)
    with pytest.raises(NotFound) as unknown:
        await store.get("no such id", "intranet", HR)
    for owner, reader in [("extranet", HR), ("intranet", EVERYONE), ("intranet", Reader(frozenset({"hr"})))]:
        for attempt in (
            store.get(made.id, owner, reader),
            store.append(made.id, owner, reader, exchange("planted")),
            store.delete(made.id, owner, reader),
            store.keep_checkpoint(made.id, owner, reader, Checkpoint("planted", 0), instead_of=None),
        ):
            with pytest.raises(NotFound) as refused:
                await attempt
            assert str(refused.value) == str(unknown.value)
    found = await store.get(made.id, "intranet", HR)
    assert (found.turns, found.checkpoint) == ((), None)


async def test_a_conversation_ends_hours_after_its_last_turn(store: ConversationStore, clock: Clock) -> None:
    made = await store.create("intranet", EVERYONE)
    clock.now += 23 * 3600
    await store.append(made.id, "intranet", EVERYONE, exchange("one"))
    clock.now += 23 * 3600
    assert (await store.get(made.id, "intranet", EVERYONE)).turns
    clock.now += 2 * 3600
    with pytest.raises(NotFound):
        await store.get(made.id, "intranet", EVERYONE)
    with pytest.raises(NotFound):
        await store.append(made.id, "intranet", EVERYONE, exchange("two"))


async def test_what_is_over_is_swept_from_the_file(
    store: ConversationStore, clock: Clock, tmp_path: Path
) -> None:
    old = await store.create("intranet", EVERYONE)
    await store.append(old.id, "intranet", EVERYONE, exchange("a secret of long ago"))
    clock.now += 20 * 3600
    young = await store.create("intranet", EVERYONE)
    await store.append(young.id, "intranet", EVERYONE, exchange("a word of today"))
    clock.now += 5 * 3600
    assert await store.sweep() == 1
    assert await store.sweep() == 0
    assert (await store.get(young.id, "intranet", EVERYONE)).turns
    written = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert b"a word of today" in written
    assert b"a secret of long ago" not in written


async def test_a_deleted_conversation_is_gone(store: ConversationStore, tmp_path: Path) -> None:
    made = await store.create("intranet", EVERYONE)
    await store.append(made.id, "intranet", EVERYONE, exchange("a secret"))
    await store.delete(made.id, "intranet", EVERYONE)
    with pytest.raises(NotFound):
        await store.get(made.id, "intranet", EVERYONE)
    assert all(b"a secret" not in path.read_bytes() for path in (tmp_path / "state").iterdir())


async def test_answers_at_the_same_time_lose_nothing_and_stay_in_pairs(store: ConversationStore) -> None:
    made = await store.create("intranet", EVERYONE)
    names = [f"question {number}" for number in range(20)]
    await asyncio.gather(*(store.append(made.id, "intranet", EVERYONE, exchange(name)) for name in names))
    turns = (await store.get(made.id, "intranet", EVERYONE)).turns
    pairs = [turns[index : index + 2] for index in range(0, len(turns), 2)]
    assert sorted(pair[0].text for pair in pairs) == sorted(f"{name}?" for name in names)
    assert all(pair == tuple(exchange(pair[0].text.rstrip("?"))) for pair in pairs)


def _say(path: Path, conversation_id: str, who: str) -> None:
    store = ConversationStore(path, 24, lambda: NOON)
    for number in range(10):
        asyncio.run(store.append(conversation_id, "intranet", EVERYONE, exchange(f"{who} {number}")))


async def test_several_processes_share_one_file(store: ConversationStore, tmp_path: Path) -> None:
    made = await store.create("intranet", EVERYONE)
    spawn = multiprocessing.get_context("spawn")
    path = tmp_path / "state" / FILE
    running = [spawn.Process(target=_say, args=(path, made.id, who)) for who in ("left", "right")]
    for process in running:
        process.start()
    for process in running:
        await asyncio.to_thread(process.join)
    assert [process.exitcode for process in running] == [0, 0]
    asked = [turn.text for turn in (await store.get(made.id, "intranet", EVERYONE)).turns[::2]]
    for who in ("left", "right"):
        assert [text for text in asked if text.startswith(who)] == [
            f"{who} {number}?" for number in range(10)
        ]


async def test_of_two_checkpoints_made_from_the_same_one_the_first_is_kept(store: ConversationStore) -> None:
    made = await store.create("intranet", EVERYONE)
    first, second = Checkpoint("first", 2, frozenset({"d1"})), Checkpoint("second", 4)
    assert await store.keep_checkpoint(made.id, "intranet", EVERYONE, first, instead_of=None)
    assert not await store.keep_checkpoint(made.id, "intranet", EVERYONE, second, instead_of=None)
    assert (await store.get(made.id, "intranet", EVERYONE)).checkpoint == first
    assert await store.keep_checkpoint(made.id, "intranet", EVERYONE, second, instead_of=first)
    assert (await store.get(made.id, "intranet", EVERYONE)).checkpoint == second


async def test_the_file_is_for_its_owner_alone(store: ConversationStore, tmp_path: Path) -> None:
    await store.create("intranet", EVERYONE)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "state").iterdir())


def test_a_memory_that_cannot_be_kept_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="RAG_DATA_DIR"):
        ConversationStore(tmp_path / "file" / FILE, 24)
