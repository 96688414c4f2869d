"""The contexts that were paid for, and the batches under way: one SQLite file in the data folder.

A context is on the disk as soon as it has come, so that whatever ends a run, none is paid for twice. Copies
of a document share theirs, so each context is kept with all the documents that use it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rag.errors import StoreUnavailable

if TYPE_CHECKING:
    from rag.bulk.state import Part as Batch

T = TypeVar("T")

FILE = "contexts.sqlite"
BUSY_SECONDS = 10.0
TRIES = 5
AT_ONCE = 500
"""Keys of one query."""
FRESH_SECONDS = 86_400.0
"""A context stays for so long though no document uses it: the one that it was paid for may be on its way."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS contexts (
    key TEXT PRIMARY KEY, document TEXT NOT NULL, context TEXT NOT NULL, failure TEXT, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS uses (
    key TEXT NOT NULL, document TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (key, document)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    key TEXT PRIMARY KEY, part TEXT NOT NULL, model TEXT NOT NULL, wanted TEXT NOT NULL
);
"""
_STRAYS = """
CREATE TEMP TABLE strays AS SELECT key FROM contexts
WHERE at < :before AND document NOT IN there AND NOT EXISTS (
    SELECT 1 FROM uses WHERE uses.key = contexts.key AND (uses.at >= :before OR uses.document IN there)
)
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a request: a context, or why asking again would be of no use."""

    key: str
    document_id: str
    context: str = ""
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch under way, and the requests in it: (key, document), in the order of its members."""

    batch: Batch
    model: str
    wanted: tuple[tuple[str, str], ...]


class ContextStore:
    """The file, made when it is first written to. Safe to use from several threads and processes."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = data_dir / FILE
        self._clock = clock
        self._making = threading.Lock()
        self._made = False

    def get(self, keys: Collection[str]) -> dict[str, Kept]:
        """What is kept of these."""
        wanted = list(keys)
        if not wanted or not self.path.exists():
            return {}

        def read(db: sqlite3.Connection) -> dict[str, Kept]:
            found: dict[str, Kept] = {}
            for first in range(0, len(wanted), AT_ONCE):
                part = wanted[first : first + AT_ONCE]
                marks = ",".join("?" * len(part))
                # Only question marks are put together; every value is bound.
                query = f"SELECT key, document, context, failure FROM contexts WHERE key IN ({marks})"  # noqa: S608
                found.update((row[0], Kept(*row)) for row in db.execute(query, part))
            return found

        return self._with(read)

    def put(self, kept: Iterable[Kept]) -> None:
        self._with(lambda db: self._put(db, kept))

    def use(self, document_id: str, keys: Collection[str]) -> None:
        """Note that a document uses what is kept of these, whoever it was written for."""
        if not keys or not self.path.exists():
            return
        now = self._clock()
        rows = [(document_id, now, key) for key in keys]
        # Of what is not kept there is nothing to be used.
        query = "INSERT OR REPLACE INTO uses SELECT key, ?, ? FROM contexts WHERE key = ?"
        self._with(lambda db: db.executemany(query, rows))

    def sent(self) -> list[Sent]:
        """The batches whose results are not here yet.

        Raises:
            StoreUnavailable: one of them cannot be read.
        """
        if not self.path.exists():
            return []
        from rag.bulk.state import Part as Batch

        rows = self._with(lambda db: db.execute("SELECT part, model, wanted FROM batches").fetchall())
        try:
            return [
                Sent(Batch.model_validate_json(part), model, _unpacked(wanted))
                for part, model, wanted in rows
            ]
        except ValueError as error:
            raise StoreUnavailable(
                f"{self.path} is damaged", remedy="remove it; what it holds would be paid again"
            ) from error

    def send(self, sent: Sent) -> None:
        """Keep a batch as it is now."""
        row = (sent.batch.key, sent.batch.model_dump_json(), sent.model, _packed(sent.wanted))
        self._with(lambda db: db.execute("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", row))

    def collected(self, batch: Batch, kept: Iterable[Kept] = ()) -> None:
        """Keep what a batch has brought, and forget the batch, in one step."""

        def write(db: sqlite3.Connection) -> None:
            self._put(db, kept)
            db.execute("DELETE FROM batches WHERE key = ?", (batch.key,))

        self._with(write)

    def strays(self, documents: Collection[str], *, remove: bool = False) -> int:
        """How many contexts none of these documents uses, but for fresh ones; `remove` deletes them."""
        if not self.path.exists():
            return 0

        def work(db: sqlite3.Connection) -> int:
            db.execute("CREATE TEMP TABLE there (document TEXT PRIMARY KEY)")
            db.executemany("INSERT INTO there VALUES (?)", [(one,) for one in set(documents)])
            bound = {"before": self._clock() - FRESH_SECONDS}
            db.execute(_STRAYS, bound)
            (number,) = db.execute("SELECT COUNT(*) FROM strays").fetchone()
            if remove:
                db.execute("DELETE FROM contexts WHERE key IN strays")
                db.execute("DELETE FROM uses WHERE at < :before AND document NOT IN there", bound)
            return int(number)

        return self._with(work)

    def _put(self, db: sqlite3.Connection, kept: Iterable[Kept]) -> None:
        now = self._clock()
        for one in kept:
            row = (one.key, one.document_id, one.context, one.failure, now)
            db.execute("INSERT OR REPLACE INTO contexts VALUES (?, ?, ?, ?, ?)", row)
            db.execute("INSERT OR REPLACE INTO uses VALUES (?, ?, ?)", (one.key, one.document_id, now))

    def _with(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction on the file, which only its owner may read."""
        try:
            self._make()
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as db, db:
                return work(db)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(
                f"the contexts that were written cannot be kept: {error}", remedy=f"check {self.path}"
            ) from error

    def _make(self) -> None:
        """Make the file, one thread at a time: changing the journal of a new file waits for nobody."""
        with self._making:
            if self._made and self.path.exists():
                return
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            for left in reversed(range(TRIES)):  # another process may be making it
                try:
                    with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as db:
                        db.execute("PRAGMA journal_mode = WAL")
                        db.executescript(_SCHEMA)
                    break
                except sqlite3.OperationalError:
                    if not left:
                        raise
                    time.sleep(0.1)
            self._made = True


def _packed(wanted: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"{key} {document}" for key, document in wanted)


def _unpacked(wanted: str) -> tuple[tuple[str, str], ...]:
    pairs = (line.split(" ") for line in wanted.splitlines())
    return tuple((key, document) for key, document in pairs)
