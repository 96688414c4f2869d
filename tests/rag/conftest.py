"""A store with a few documents in it, the embedded engine behind it, stand-in models before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from rag.documents import DocumentRecord
from rag.settings import Settings
from rag.store import Store, open_store
from rag.store.files import FileStore
from tests.fakes import DIMENSION, WordEmbedder, parsed, put

BACKUPS = """# Backup policy

## Retention

Backups are kept for ninety days in the vault. After that every copy is erased.

## Restore

A restore is tested once a month by the duty officer. The result is written into the register.

## Keys

Encryption keys rotate every year. The key officer keeps them in two safes.
"""
LEAVE = """# Leave rules

Annual leave is thirty days. Parental leave follows the law of the country.

## Sick leave

A doctor's note is needed from the third day. Send it to the personnel office.
"""
SALARIES = "# Salary bands\n\nThe vault of salary bands is secret. Band seven earns the most.\n"


@dataclass(frozen=True)
class Library:
    settings: Settings
    store: Store
    files: FileStore
    records: dict[str, DocumentRecord]


@pytest.fixture
async def library(shared_store: Settings) -> AsyncIterator[Library]:
    settings = shared_store
    files = FileStore(settings)
    async with open_store(settings, dimension=DIMENSION, model=WordEmbedder.name) as store:
        records = {
            "backups": await put(store, files, parsed(BACKUPS, title="Backup policy"), name="backups.md"),
            "leave": await put(
                store, files, parsed(LEAVE, title="Leave rules"), name="leave.md", collection="people"
            ),
            "salaries": await put(
                store, files, parsed(SALARIES, title="Salary bands"), name="salaries.md", groups=("hr",)
            ),
        }
        yield Library(settings, store, files, records)
