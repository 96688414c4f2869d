"""The questions of the last days: one SQLite file in the data directory, readable by its owner alone.

A question is written beside its answer, never before it: a log that fails costs no reader an answer, and a
slow one no time, since it has a thread of its own. What is deleted is overwritten.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from rag.errors import CiteboxError, NotFound, StoreUnavailable
from rag.questions.logged import COLUMNS, LoggedQuestion, QuestionOutcome, Rating, Reason, from_row, row_of
from rag.sqlite_file import make_private, transaction

log = logging.getLogger(__name__)

T = TypeVar("T")

TROUBLE = "the log of questions cannot be used"

FILE = "questions.sqlite"
DAY = 86_400.0
MOST_WAITING = 1000
"""Questions to be written; a log that is further behind than that keeps no more of them."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS questions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, caller TEXT NOT NULL,
    question TEXT NOT NULL, standalone TEXT, outcome TEXT NOT NULL, route TEXT, model TEXT, ms REAL NOT NULL,
    usd REAL, cached INTEGER NOT NULL, documents TEXT NOT NULL, nearest TEXT NOT NULL,
    rating TEXT, reasons TEXT NOT NULL, comment TEXT, rated REAL
);
CREATE INDEX IF NOT EXISTS questions_by_time ON questions (at);
CREATE INDEX IF NOT EXISTS questions_by_caller ON questions (caller)
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which questions are wanted; what is None narrows nothing. `until` is a whole day, inclusive (UTC)."""

    outcome: QuestionOutcome | None = None
    rating: Rating | None = None
    caller: str | None = None
    since: date | None = None
    until: date | None = None
    q: str | None = None


class QuestionLog:
    """The log of a data directory. Safe to use from several threads and processes; notes from one event loop.

    Args:
        path: the file, `FILE` in the data directory; made when the first question is written.
        days: how long a question is kept; at 0 none is written.
    """

    def __init__(self, path: Path, days: float, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._seconds = days * DAY
        self._clock = clock
        self._writing: set[asyncio.Task[None]] = set()
        # The threads that all share are for answers: a locked file would hold every one of them up.
        self._thread = ThreadPoolExecutor(1, "questions")

    @property
    def on(self) -> bool:
        """Whether questions are written at all."""
        return self._seconds > 0

    def now(self) -> float:
        return self._clock()

    # ------------------------------------------------------------ writing

    def note(self, entry: LoggedQuestion) -> None:
        """Write a question, soon; whoever reads through this object finds it."""
        if not self.on:
            return
        if len(self._writing) >= MOST_WAITING:
            log.warning("a question could not be logged: %d are waiting to be", MOST_WAITING)
            return
        task = asyncio.create_task(self._note(entry))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _note(self, entry: LoggedQuestion) -> None:
        marks = ", ".join("?" * len(COLUMNS.split(", ")))
        # Only names of our own stand in the statements; every value is bound.
        statement = f"INSERT OR REPLACE INTO questions ({COLUMNS}) VALUES ({marks})"  # noqa: S608
        try:
            await self._do(lambda db: db.execute(statement, row_of(entry)))
        except CiteboxError as error:
            log.warning("a question could not be logged: %s", error)

    async def written(self, seconds: float | None = None) -> bool:
        """Return when all that was noted until now is written; False when it is not after so many seconds."""
        if not self._writing:
            return True
        _, waiting = await asyncio.wait(set(self._writing), timeout=seconds)
        return not waiting

    async def rate(
        self, answer_id: str, caller: str, rating: Rating, reasons: Sequence[Reason], comment: str | None
    ) -> None:
        """Keep what the one who asked thinks of an answer, in place of what they thought before.

        Raises:
            NotFound: no such answer was given to this caller, or its time is over.
        """
        await self.written()
        values = (rating, _array(reasons), comment, self._clock(), answer_id, caller, self._oldest())
        statement = (
            "UPDATE questions SET rating = ?, reasons = ?, comment = ?, rated = ? "
            "WHERE id = ? AND caller = ? AND at >= ?"
        )
        if not await self._do(lambda db: db.execute(statement, values).rowcount):
            raise NotFound("no such answer was given to you")

    async def delete(self, answer_id: str) -> None:
        """Forget one question.

        Raises:
            NotFound: there is none of this id.
        """
        await self.written()
        statement = "DELETE FROM questions WHERE id = ?"
        if not await self._do(lambda db: db.execute(statement, (answer_id,)).rowcount):
            raise NotFound("no question with this id is kept")

    async def delete_of(self, caller: str) -> int:
        """Forget all that one caller has asked; returns how many questions that were."""
        await self.written()
        statement = "DELETE FROM questions WHERE caller = ?"
        return await self._do(lambda db: db.execute(statement, (caller,)).rowcount)

    async def sweep(self) -> int:
        """Forget the questions whose time is over; returns how many."""
        if not self._path.exists():
            return 0
        statement = "DELETE FROM questions WHERE at < ?"
        return await self._do(lambda db: db.execute(statement, (self._oldest(),)).rowcount)

    # ------------------------------------------------------------ reading

    async def find(
        self, chosen: Chosen, limit: int, before: int | None = None
    ) -> tuple[list[LoggedQuestion], int | None]:
        """The newest questions first, and where to go on (`before`); None when that was all."""
        await self.written()
        where, values = self._where(chosen)
        if before is not None:
            where, values = f"{where} AND number < ?", [*values, before]
        statement = (
            f"SELECT number, {COLUMNS} FROM questions WHERE {where} "  # noqa: S608
            "ORDER BY number DESC LIMIT ?"
        )
        rows = await self._do(lambda db: db.execute(statement, [*values, limit + 1]).fetchall())
        found = [from_row(row[1:]) for row in rows[:limit]]
        return found, rows[limit - 1][0] if len(rows) > limit else None

    async def _entries(self, statement: str, values: Sequence[Any]) -> list[LoggedQuestion]:
        """The rows that a statement selects; they may be very many, so the event loop reads none of them."""

        def read() -> list[LoggedQuestion]:
            rows = self._with(lambda db: db.execute(statement, values).fetchall())
            return [from_row(row) for row in rows]

        return await self._in_thread(read)

    async def count(self, chosen: Chosen) -> int:
        await self.written()
        where, values = self._where(chosen)
        statement = f"SELECT COUNT(*) FROM questions WHERE {where}"  # noqa: S608
        return int((await self._do(lambda db: db.execute(statement, values).fetchone()))[0])

    async def unanswered(self, since: float, limit: int, *, disliked: bool) -> list[LoggedQuestion]:
        """Questions that the documents did not answer, and with `disliked` those rated down; newest first."""
        await self.written()
        also = " OR rating = 'down'" if disliked else ""
        statement = (
            f"SELECT {COLUMNS} FROM questions WHERE at >= ? AND (outcome = 'not_found'{also}) "  # noqa: S608
            "ORDER BY number DESC LIMIT ?"
        )
        return await self._entries(statement, (max(since, self._oldest()), limit))

    async def since(self, at: float, *, rated: bool = False) -> list[LoggedQuestion]:
        """All questions since then, oldest first; with `rated` those with a rating alone."""
        await self.written()
        also = " AND rating IS NOT NULL" if rated else ""
        statement = f"SELECT {COLUMNS} FROM questions WHERE at >= ?{also} ORDER BY number"  # noqa: S608
        return await self._entries(statement, (max(at, self._oldest()),))

    # ------------------------------------------------------------ the file

    def _oldest(self) -> float:
        return self._clock() - self._seconds if self.on else float("inf")

    def _where(self, chosen: Chosen) -> tuple[str, list[Any]]:
        parts, values = ["at >= ?"], list[Any]([self._oldest()])
        for name in ("outcome", "rating", "caller"):
            if (wanted := getattr(chosen, name)) is not None:
                parts.append(f"{name} = ?")
                values.append(wanted)
        if chosen.since is not None:
            parts.append("date(at, 'unixepoch') >= ?")
            values.append(chosen.since.isoformat())
        if chosen.until is not None:
            parts.append("date(at, 'unixepoch') <= ?")
            values.append(chosen.until.isoformat())
        if chosen.q:
            parts.append("(instr(lower(question), ?) OR instr(lower(coalesce(standalone, '')), ?))")
            values += [chosen.q.lower()] * 2
        return " AND ".join(parts), values

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._in_thread(lambda: self._with(work))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _with(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction on the file, which is made where it is missing."""

        def prepared(db: sqlite3.Connection) -> T:
            db.create_function("lower", 1, lambda text: text.lower(), deterministic=True)
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            return work(db)

        try:
            make_private(self._path)
        except OSError as error:
            raise StoreUnavailable(f"{TROUBLE}: {error}", remedy=f"check {self._path}") from error
        return transaction(self._path, prepared, TROUBLE, "secure_delete = ON")


def _array(values: Sequence[str]) -> str:
    return json.dumps(list(dict.fromkeys(values)))
