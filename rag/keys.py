"""The API keys: who asks, which access groups they bring, and what they may spend in a day.

The file holds hashes, never keys. A key has 256 random bits, so a plain SHA-256 is enough: there is nothing
to guess, which is what slow password hashes are for.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.documents import EVERYONE, Reader
from rag.errors import InvalidRequest, SettingsError, Unauthorised
from rag.settings import Settings

PREFIX = "cbx_"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
ANONYMOUS = "anonymous"
"""Whoever asks without a key, where that is allowed."""
LOCAL = "local"
"""Whoever asks at the command line."""
ADMIN = "admin"
"""Whoever brings RAG_ADMIN_KEY."""
INGEST = "ingest"
"""On whose account the contexts of chunks are written while documents go in."""
RESERVED = frozenset({ANONYMOUS, LOCAL, ADMIN, INGEST})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name on the account, what they may read, and the dollars they may spend in a day."""

    name: str
    reader: Reader
    max_usd_per_day: float | None = None


class Key(BaseModel):
    """One table `[keys.NAME]` of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    groups: tuple[str, ...] = (EVERYONE,)
    max_usd_per_day: float | None = Field(default=None, ge=0)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: dict[str, Key] = {}


class KeyRing:
    """Tells who asks. The file is read once; restart the service to change keys."""

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            SettingsError: the file is missing or malformed.
        """
        self._everyone = Reader(frozenset(settings.reader_groups))
        self._required = settings.require_key
        self._day = settings.max_usd_per_day
        self._by_hash = {key.sha256: (name, key) for name, key in _read(settings.keys_file).items()}

    def caller(self, given: str) -> Caller:
        """The caller who brings this key; an empty one is `anonymous`.

        Raises:
            Unauthorised: the key is not known, or none came and one is needed.
        """
        if not given:
            if self._required:
                raise Unauthorised("this service needs an API key", remedy="send `Authorization: Bearer …`")
            return Caller(ANONYMOUS, self._everyone, self._day)
        found = self._by_hash.get(digest(given))
        if found is None:
            raise Unauthorised("the API key is not known", remedy="ask whoever runs this service for a key")
        name, key = found
        limit = self._day if key.max_usd_per_day is None else key.max_usd_per_day
        return Caller(name, Reader(frozenset(key.groups)), limit)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def table(name: str, key: str, groups: list[str] | None, max_usd_per_day: float | None) -> str:
    """The table of a key for the file, without the key.

    Raises:
        InvalidRequest: the name cannot be that of a table, or a group has no name.
    """
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise InvalidRequest(f"{name!r} cannot be the name of a key", remedy="use letters, digits, - and _")
    if any(not group.strip() for group in groups or ()):
        raise InvalidRequest("an access group needs a name", remedy="leave --group out for everyone")
    lines = [f"[keys.{name}]", f'sha256 = "{digest(key)}"']
    if groups:
        lines.append(f"groups = {json.dumps(groups)}")
    if max_usd_per_day is not None:
        lines.append(f"max_usd_per_day = {max_usd_per_day}")
    return "\n".join(lines)


def _read(path: Path | None) -> dict[str, Key]:
    if path is None:
        return {}
    try:
        found = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).keys
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(
            f"RAG_KEYS_FILE cannot be used: {error}", remedy="`rag key NAME` prints a table for it"
        ) from None
    if len({key.sha256 for key in found.values()}) < len(found):
        raise SettingsError("RAG_KEYS_FILE names the same key twice")
    if taken := sorted(RESERVED & set(found)):
        raise SettingsError(f"RAG_KEYS_FILE: {taken[0]} cannot be the name of a key")
    return found
