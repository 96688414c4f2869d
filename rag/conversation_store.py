"""Conversations by their ids, for as long as they are kept: one SQLite file in the data directory.

A conversation belongs to the key that began it and to the access groups it was begun with; for everyone else
there is none. What was said is written here and nowhere else, readable by the file's owner alone, and
overwritten when it is deleted.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rag.conversation import Checkpoint, Conversation, Recorded
from rag.documents import Reader
from rag.errors import NotFound, StoreUnavailable
from rag.events import CarriedPassage
from rag.sqlite_file import make_private, transaction

T = TypeVar("T")

TROUBLE = "conversations cannot be kept"

FILE = "conversations.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, groups TEXT NOT NULL, touched REAL NOT NULL,
    checkpoint TEXT
);
CREATE INDEX IF NOT EXISTS conversations_by_time ON conversations (touched);
CREATE TABLE IF NOT EXISTS turns (
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, number INTEGER NOT NULL,
    role TEXT NOT NULL, text TEXT NOT NULL, cited TEXT NOT NULL, documents TEXT NOT NULL,
    PRIMARY KEY (conversation, number)
) WITHOUT ROWID;
"""


class ConversationStore:
    """The memory of conversations. Safe to use from several threads and processes."""

    def __init__(self, path: Path, hours: float, clock: Callable[[], float] = time.time) -> None:
        """Open or create the file, which only its owner may read.

        Args:
            path: the file, `FILE` in the data directory.
            hours: how long a conversation is kept after its last turn.

        Raises:
            StoreUnavailable: it cannot be created.
        """
        self._path = path
        self._seconds = hours * 3600
        self._clock = clock
        try:
            make_private(path)
        except OSError as error:
            raise StoreUnavailable(f"{TROUBLE}: {error}", remedy="check RAG_DATA_DIR") from None
        self._with(lambda db: [db.execute(one) for one in _SCHEMA.split(";")])

    async def create(self, owner: str, reader: Reader) -> Conversation:
        """A new conversation without turns; its id cannot be guessed. Those whose time is over go.

        Args:
            owner: the name of the key that asks.
            reader: whose groups the conversation is bound to.
        """
        return await asyncio.to_thread(self._with, lambda db: self._create(db, owner, reader))

    async def get(self, conversation_id: str, owner: str, reader: Reader) -> Conversation:
        """The whole conversation.

        Raises:
            NotFound: there is none, its time is over, or it is another owner's or of other groups.
        """

        def read(db: sqlite3.Connection) -> Conversation:
            checkpoint = self._owned(db, conversation_id, owner, reader)
            rows = db.execute(
                "SELECT role, text, cited, documents FROM turns WHERE conversation = ? ORDER BY number",
                (conversation_id,),
            )
            return Conversation(conversation_id, tuple(map(_turn, rows)), _checkpoint(checkpoint))

        return await asyncio.to_thread(self._with, read)

    async def append(
        self, conversation_id: str, owner: str, reader: Reader, turns: Sequence[Recorded]
    ) -> None:
        """Add turns at the end, together: those of another answer come before or after them.

        Raises:
            NotFound: as `get`.
        """

        def write(db: sqlite3.Connection) -> None:
            self._owned(db, conversation_id, owner, reader)
            (count,) = db.execute(
                "SELECT COUNT(*) FROM turns WHERE conversation = ?", (conversation_id,)
            ).fetchone()
            db.executemany(
                "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?)",
                [_row(conversation_id, count + index, turn) for index, turn in enumerate(turns)],
            )
            db.execute("UPDATE conversations SET touched = ? WHERE id = ?", (self._clock(), conversation_id))

        await asyncio.to_thread(self._with, write)

    async def keep_checkpoint(
        self,
        conversation_id: str,
        owner: str,
        reader: Reader,
        checkpoint: Checkpoint,
        *,
        instead_of: Checkpoint | None,
    ) -> bool:
        """Keep a checkpoint in place of the one it was made from; False where that is no longer the one kept.

        `instead_of` is the checkpoint that `get` gave, also where its text could not be used.

        Raises:
            NotFound: as `get`.
        """

        def write(db: sqlite3.Connection) -> bool:
            held = self._owned(db, conversation_id, owner, reader)
            if _checkpoint(held) != instead_of:
                return False
            text = json.dumps([checkpoint.text, checkpoint.covers, sorted(checkpoint.documents)])
            db.execute("UPDATE conversations SET checkpoint = ? WHERE id = ?", (text, conversation_id))
            return True

        return await asyncio.to_thread(self._with, write)

    async def delete(self, conversation_id: str, owner: str, reader: Reader) -> None:
        """Forget a conversation.

        Raises:
            NotFound: as `get`.
        """

        def remove(db: sqlite3.Connection) -> None:
            self._owned(db, conversation_id, owner, reader)
            db.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))

        await asyncio.to_thread(self._with, remove)

    async def sweep(self) -> int:
        """Forget the conversations whose time is over; returns how many."""
        return await asyncio.to_thread(self._with, self._sweep)

    def _create(self, db: sqlite3.Connection, owner: str, reader: Reader) -> Conversation:
        self._sweep(db)
        conversation_id = secrets.token_urlsafe(24)
        db.execute(
            "INSERT INTO conversations VALUES (?, ?, ?, ?, NULL)",
            (conversation_id, owner, _groups(reader), self._clock()),
        )
        return Conversation(conversation_id)

    def _sweep(self, db: sqlite3.Connection) -> int:
        return db.execute("DELETE FROM conversations WHERE touched < ?", (self._oldest(),)).rowcount

    def _owned(self, db: sqlite3.Connection, conversation_id: str, owner: str, reader: Reader) -> str | None:
        """The checkpoint of a conversation, as it is written, once it is clear that it may be used."""
        row = db.execute(
            "SELECT checkpoint FROM conversations WHERE id = ? AND owner = ? AND groups = ? AND touched >= ?",
            (conversation_id, owner, _groups(reader), self._oldest()),
        ).fetchone()
        if row is None:
            raise NotFound("there is no such conversation", remedy="begin one with the id `new`")
        checkpoint: str | None = row[0]
        return checkpoint

    def _oldest(self) -> float:
        return self._clock() - self._seconds

    def _with(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return transaction(self._path, work, TROUBLE, "foreign_keys = ON", "secure_delete = ON")


def _groups(reader: Reader) -> str:
    return json.dumps(sorted(reader.groups))


def _row(conversation_id: str, number: int, turn: Recorded) -> tuple[str, int, str, str, str, str]:
    cited = [[one.document_id, one.version, one.position] for one in turn.cited]
    documents = json.dumps(sorted(turn.documents))
    return conversation_id, number, turn.role, turn.text, json.dumps(cited), documents


def _turn(row: tuple[str, str, str, str]) -> Recorded:
    role, text, cited, documents = row
    passages = tuple(CarriedPassage(*one) for one in json.loads(cited))
    return Recorded(
        "user" if role == "user" else "assistant", text, passages, frozenset(json.loads(documents))
    )


def _checkpoint(held: str | None) -> Checkpoint | None:
    if held is None:
        return None
    text, covers, documents = json.loads(held)
    return Checkpoint(text, covers, frozenset(documents))
