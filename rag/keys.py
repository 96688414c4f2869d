"""Who asks, by an API key or a signed token: the groups they bring, and what they may spend in a day.

The file holds hashes, never keys. A key has 256 random bits, so a plain SHA-256 is enough: there is nothing
to guess, which is what slow password hashes are for.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.documents import EVERYONE, Reader
from rag.errors import InvalidRequest, SettingsError, Unauthorised
from rag.settings import Settings
from rag.tokens import Tokens

log = logging.getLogger(__name__)

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
USER = "user:"
"""Before the `sub` of a token; no key's name has a colon, so none can be taken for another."""
ORIGIN = "origin:"
"""Before the origin whose readers ask without a key or token."""
LOOK_SECONDS = 1.0
"""How often the file is looked at, at most."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name on the account, what they may read, and the dollars they may spend in a day."""

    name: str
    reader: Reader
    max_usd_per_day: float | None = None
    expires: datetime | None = None


class Key(BaseModel):
    """One table `[keys.NAME]` of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    groups: tuple[str, ...] = (EVERYONE,)
    max_usd_per_day: float | None = Field(default=None, ge=0)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    revoked: frozenset[str] = frozenset()
    """Of tokens: each `sub` that is refused though its token is good."""
    keys: dict[str, Key] = {}


class KeyRing:
    """Tells who asks. A file that changes is read again within a second or so, without a restart."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Raises:
            SettingsError: the file is missing or malformed, or the public key of tokens cannot be used.
        """
        self._everyone = Reader(frozenset(settings.reader_groups))
        self._required = settings.require_key
        self._day = settings.max_usd_per_day
        self._tokens = Tokens(settings)
        self._path = settings.keys_file
        self._clock = clock
        self._looked = clock()
        self._mark = _mark(self._path)  # before the file is read: what changes meanwhile is seen later
        self._use(_read(self._path))

    def caller(self, given: str) -> Caller:
        """The caller who brings this key or token; an empty one is `anonymous`.

        Raises:
            Unauthorised: the key is not known, or none came and one is needed.
            TokenExpired, TokenInvalid: as `user`.
        """
        if not given:
            return self.visitor("")
        if given.count(".") == 2 and not given.startswith(PREFIX):
            return self.user(given)
        self._look()
        found = self._by_hash.get(digest(given))
        if found is None:
            raise Unauthorised("the API key is not known", remedy="ask whoever runs this service for a key")
        name, key = found
        limit = self._day if key.max_usd_per_day is None else key.max_usd_per_day
        return Caller(name, Reader(frozenset(key.groups)), limit)

    def user(self, given: str) -> Caller:
        """The caller whose name and groups the host has signed; without groups, what everyone may read.

        Raises:
            TokenExpired, TokenInvalid: the token is not good, or not any more.
            Unauthorised: it is good, but was revoked.
        """
        token = self._tokens.read(given)
        self._look()
        if token.sub in self._revoked:
            raise Unauthorised(f"the access of {token.sub!r} was withdrawn")
        reader = self._everyone if token.groups is None else Reader(token.groups)
        # The service's own limit binds the host too: its token can lower it alone.
        limits = [each for each in (self._day, token.max_usd_per_day) if each is not None]
        return Caller(USER + token.sub, reader, min(limits, default=None), token.expires)

    def visitor(self, origin: str) -> Caller:
        """Whoever brings neither key nor token: the public of an allowed origin, else `anonymous`.

        Raises:
            Unauthorised: a key or token is needed.
        """
        if self._required:
            raise Unauthorised(
                "this service needs an API key or a token", remedy="send `Authorization: Bearer …`"
            )
        return Caller(ORIGIN + origin if origin else ANONYMOUS, self._everyone, self._day)

    def _look(self) -> None:
        """Read the file again where it has changed; one that cannot be used changes nothing."""
        now = self._clock()
        if self._path is None or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        mark = _mark(self._path)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._use(_read(self._path))
        except SettingsError as error:
            log.warning("the keys stay as they were: %s", error)

    def _use(self, held: _File) -> None:
        self._by_hash = {key.sha256: (name, key) for name, key in held.keys.items()}
        self._revoked = held.revoked


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def table(name: str, key: str, groups: list[str] | None, max_usd_per_day: float | None) -> str:
    """The table of a key for the file, without the key.

    Raises:
        InvalidRequest: the name cannot be that of a table, or a group has no name.
    """
    if not _may_name(name):
        raise InvalidRequest(f"{name!r} cannot be the name of a key", remedy="use letters, digits, - and _")
    if any(not group.strip() for group in groups or ()):
        raise InvalidRequest("an access group needs a name", remedy="leave --group out for everyone")
    lines = [f"[keys.{name}]", f'sha256 = "{digest(key)}"']
    if groups:
        lines.append(f"groups = {json.dumps(groups)}")
    if max_usd_per_day is not None:
        lines.append(f"max_usd_per_day = {max_usd_per_day}")
    return "\n".join(lines)


def _may_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in RESERVED


def _mark(path: Path | None) -> tuple[int, ...] | None:
    """What differs when the file was written, replaced or made readable; None when it is not there."""
    try:
        stat = path.stat() if path else None
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino) if stat else None


def _read(path: Path | None) -> _File:
    if path is None:
        return _File()
    try:
        found = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(
            f"RAG_KEYS_FILE cannot be used: {_told(error)}", remedy="`rag key NAME` prints a table for it"
        ) from None
    if len({key.sha256 for key in found.keys.values()}) < len(found.keys):
        raise SettingsError("RAG_KEYS_FILE names the same key twice")
    if wrong := sorted(name for name in found.keys if not _may_name(name)):
        raise SettingsError(
            f"RAG_KEYS_FILE: {wrong[0]!r} cannot be the name of a key", remedy="use letters, digits, - and _"
        )
    return found


def _told(error: Exception) -> str:
    """What is wrong, without what stands there: it may be a key, in place of its hash."""
    if isinstance(error, ValidationError):
        problems = error.errors(include_input=False, include_url=False)
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problems)
    return str(error)
