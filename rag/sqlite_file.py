"""Small SQLite files of the data folder: made for their owner alone, written one transaction at a time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from rag.errors import StoreUnavailable

T = TypeVar("T")

BUSY_SECONDS = 10.0
"""For which a transaction waits for another one's end."""


def make_private(path: Path) -> None:
    """Make the file where it is missing; nobody but its owner may read it.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def transaction(path: Path, work: Callable[[sqlite3.Connection], T], trouble: str, *pragmas: str) -> T:
    """Run `work` in one transaction, which nobody else writes in between.

    Args:
        trouble: what cannot be done when the file cannot be used, such as `conversations cannot be kept`.
        pragmas: to set before it begins, such as `secure_delete = ON`.

    Raises:
        StoreUnavailable: the file cannot be used.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            for pragma in ("journal_mode = WAL", *pragmas):
                db.execute(f"PRAGMA {pragma}")
            db.execute("BEGIN IMMEDIATE")
            try:
                done = work(db)
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            if db.in_transaction:
                db.execute("COMMIT")
            return done
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{trouble}: {error}", remedy=f"check {path}") from error
