"""What was spent, by whom, on which day, at which model; and the daily budget that it counts against.

One SQLite file in the data directory. Money is held before a request is sent and settled after it, so that
requests at the same time cannot together spend more than the day allows. No question is written here.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rag.documents import Charge
from rag.errors import OverBudget, StoreUnavailable
from rag.sqlite_file import make_private, transaction

T = TypeVar("T")

TROUBLE = "the account of what is spent cannot be kept"

By = Literal["key", "day", "model"]
GROUPS: tuple[By, ...] = ("key", "day", "model")

HOLD_SECONDS = 3600.0
"""A hold that has lasted for longer belongs to a process that died, unless it was made for longer."""
NO_ANSWER = ""
"""In place of the answer, for what was spent where none came of it."""
TOLERANCE = 1e-9
"""Dollars that sums of floats may be off by."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    answer TEXT NOT NULL, day TEXT NOT NULL, at REAL NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL,
    requests INTEGER NOT NULL, input INTEGER NOT NULL, cache_write INTEGER NOT NULL,
    cache_read INTEGER NOT NULL, output INTEGER NOT NULL, usd REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS usage_by_day ON usage (day, key);
CREATE INDEX IF NOT EXISTS usage_by_answer ON usage (answer);
CREATE TABLE IF NOT EXISTS holds (
    answer TEXT PRIMARY KEY, key TEXT NOT NULL, usd REAL NOT NULL, until REAL NOT NULL
);
"""


class UsageRow(BaseModel):
    """Sums over one group; a field that was not grouped by is null."""

    model_config = ConfigDict(frozen=True)

    key: str | None = None
    day: date | None = None
    model: str | None = None
    answers: int = Field(description="Answers that this model had a part in.")
    requests: int
    input_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    output_tokens: int
    usd: float


class Ledger:
    """The account of a data directory. Safe to use from several threads and processes."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Open or create the file, which only its owner may read.

        Raises:
            StoreUnavailable: it cannot be created.
        """
        self._path = path
        self._clock = clock
        try:
            make_private(path)
        except OSError as error:
            raise StoreUnavailable(f"{TROUBLE}: {error}", remedy="check RAG_DATA_DIR") from None
        self._with(lambda db: db.executescript(_SCHEMA))

    async def hold(
        self, answer: str, key: str, usd: float, limit: float | None, seconds: float = HOLD_SECONDS
    ) -> None:
        """Set `usd` aside for an answer, in place of what was set aside for it before, for so many seconds.

        Raises:
            OverBudget: the key would have spent more than `limit` dollars today (UTC).
        """
        await asyncio.to_thread(self._with, lambda db: self._hold(db, answer, key, usd, limit, seconds))

    async def settle(
        self, answer: str, key: str, charges: Sequence[Charge], *, answered: bool = True
    ) -> None:
        """Book what an answer has cost, and release what was set aside for it.

        What is on the account of an answer at a model stays as it is: who was interrupted may settle again.
        What was spent where no answer came of it is booked too, but counts as none, and each time anew.
        """
        counted = answer if answered else NO_ANSWER
        await asyncio.to_thread(self._with, lambda db: self._settle(db, answer, counted, key, charges))

    async def spent_today(self, key: str) -> float:
        """Dollars that a key has spent or set aside today (UTC)."""
        return await asyncio.to_thread(self._with, lambda db: self._spent(db, key, ""))

    async def sums(
        self,
        by: Sequence[By],
        *,
        key: str | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> list[UsageRow]:
        """Sums by any of key, day and model, in that order; `until` is inclusive."""
        return await asyncio.to_thread(self._with, lambda db: _sums(db, by, key, since, until))

    def _hold(
        self,
        db: sqlite3.Connection,
        answer: str,
        key: str,
        usd: float,
        limit: float | None,
        seconds: float,
    ) -> None:
        now = self._clock()
        db.execute("DELETE FROM holds WHERE until < ?", (now,))
        if limit is not None:
            left = limit - self._spent(db, key, answer)
            if usd > left + TOLERANCE:
                of_the_day = f"of the day's {dollars(limit)}, {dollars(max(left, 0))} are left"
                raise OverBudget(
                    f"it may cost {dollars(usd)}; {of_the_day}",
                    remedy="ask again tomorrow (UTC), ask with mode fast, or have the budget raised",
                )
        db.execute("INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?)", (answer, key, usd, now + seconds))

    def _spent(self, db: sqlite3.Connection, key: str, without: str) -> float:
        now = self._clock()
        (spent,) = db.execute(
            "SELECT COALESCE(SUM(usd), 0) FROM usage WHERE day = ? AND key = ?", (_day(now), key)
        ).fetchone()
        (held,) = db.execute(
            # Of any day: what was set aside before midnight is booked after it.
            "SELECT COALESCE(SUM(usd), 0) FROM holds WHERE key = ? AND answer != ? AND until >= ?",
            (key, without, now),
        ).fetchone()
        return float(spent) + float(held)

    def _settle(
        self, db: sqlite3.Connection, answer: str, counted: str, key: str, charges: Sequence[Charge]
    ) -> None:
        now = self._clock()
        db.execute("DELETE FROM holds WHERE answer = ?", (answer,))
        booked = {
            model
            for (model,) in db.execute(
                "SELECT model FROM usage WHERE answer = ? AND answer != ?", (counted, NO_ANSWER)
            )
        }
        db.executemany(
            "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    counted,
                    _day(now),
                    now,
                    key,
                    charge.model,
                    charge.requests,
                    charge.input_tokens,
                    charge.cache_write_tokens,
                    charge.cache_read_tokens,
                    charge.output_tokens,
                    charge.usd or 0.0,
                )
                for charge in charges
                if charge.model not in booked
            ],
        )

    def _with(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return transaction(self._path, work, TROUBLE)


def dollars(usd: float) -> str:
    """An amount as it is told: four places, more where that would round it away."""
    return f"${usd:.4f}" if usd == 0 or usd >= 0.0001 else f"${usd:.8f}".rstrip("0")


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _sums(
    db: sqlite3.Connection, by: Sequence[By], key: str | None, since: date | None, until: date | None
) -> list[UsageRow]:
    columns = [name for name in GROUPS if name in by]
    selected = "".join(f"{name}, " for name in columns)
    grouped = f" GROUP BY {', '.join(columns)} ORDER BY {', '.join(columns)}" if columns else ""
    rows = db.execute(
        # Only names of our own stand in the statement; every value is bound.
        f"SELECT {selected}COUNT(DISTINCT NULLIF(answer, '{NO_ANSWER}')), TOTAL(requests), "  # noqa: S608
        "TOTAL(input), TOTAL(cache_write), TOTAL(cache_read), TOTAL(output), TOTAL(usd) FROM usage "
        f"WHERE day BETWEEN ? AND ? AND (? IS NULL OR key = ?){grouped}",
        ((since or date.min).isoformat(), (until or date.max).isoformat(), key, key),
    ).fetchall()
    names = (
        *columns,
        "answers",
        "requests",
        "input_tokens",
        "cache_write_tokens",
        "cache_read_tokens",
        "output_tokens",
    )
    return [UsageRow(**dict(zip(names, row, strict=False)), usd=round(row[-1], 8)) for row in rows]
