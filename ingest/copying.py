"""A copy of each file to work on: what is parsed, hashed and kept are the same bytes, whoever writes it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ingest.sources import cannot_be_read
from rag.errors import SourceUnreadable, StoreUnavailable


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for the copy of a document while it is read."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="citebox-")
    except OSError as error:
        raise _no_room(error) from error
    with folder as name:
        yield Path(name)


def _no_room(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"the folder for temporary files cannot be used: {error.strerror}", remedy="make room, or set TMPDIR"
    )


def copied(path: Path, copy: Path) -> str:
    """Copy a file; returns the sha256 of the copy.

    Raises:
        SourceUnreadable: it cannot be read.
        StoreUnavailable: there is no room for the copy.
    """
    digest = hashlib.sha256()
    try:
        source = path.open("rb")
    except OSError as error:
        raise SourceUnreadable(cannot_be_read(error)) from error
    with source:
        try:
            sink = copy.open("wb")
        except OSError as error:
            raise _no_room(error) from error
        with sink:
            while block := _read(source):
                digest.update(block)
                try:
                    sink.write(block)
                except OSError as error:
                    raise _no_room(error) from error
    return digest.hexdigest()


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(1 << 20)
    except OSError as error:
        raise SourceUnreadable(cannot_be_read(error)) from error
