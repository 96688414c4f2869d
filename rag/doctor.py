"""Each thing that can be wrong: OK, WARN or FAIL, and the remedy."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from rag.errors import CiteboxError, SettingsError
from rag.keys import KeyRing
from rag.models import catalogue, is_built_in, model_dimension, verify
from rag.settings import Settings
from rag.store import open_store
from rag.terminal import FAILED, out, plain, print_json

LITTLE_SPACE = 1 << 30
ADMIN_KEY_LENGTH = 16
"""Characters; `openssl rand -hex 32` gives 64."""
CALLERS = "who may ask"
COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red"}


class Check(BaseModel):
    """The state of one thing; `remedy` says what to do unless it is OK."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: Literal["OK", "WARN", "FAIL"]
    detail: str
    remedy: str | None = None


async def examine(settings: Settings) -> list[Check]:
    """All checks, none of which changes anything or spends money."""
    checks = [_python(), _data_dir(settings), *[check async for check in _models(settings)]]
    checks += [await _store(settings), _claude(settings), _port(settings), _exposure(settings)]
    checks.append(_callers(settings))
    return checks


def standing(settings: Settings) -> list[Check]:
    """The checks that a running service can make of itself at any time; they load and open nothing."""
    return [_data_dir(settings), _claude(settings), _exposure(settings), _callers(settings)]


def unusable(error: SettingsError) -> Check:
    """Without settings nothing else can be looked at."""
    return Check(name="settings", state="FAIL", detail=error.detail, remedy=error.remedy)


def print_checks(checks: list[Check], *, as_json: bool) -> int:
    """Show the checks; returns the exit code, 1 when one failed."""
    if as_json:
        print_json([check.model_dump(exclude_none=True) for check in checks])
    else:
        for check in checks:
            out.print(f"[{COLOURS[check.state]}]{check.state:4}[/] {check.name:16} {plain(check.detail)}")
            if check.remedy and check.state != "OK":
                out.print(f"     {'':16} -> {plain(check.remedy)}")
    return FAILED if any(check.state == "FAIL" for check in checks) else 0


def _python() -> Check:
    versions = f"Python {sys.version.split()[0]}, Citebox {importlib.metadata.version('citebox')}"
    return Check(name="versions", state="OK", detail=versions)


def _data_dir(settings: Settings) -> Check:
    folder = settings.data_dir
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return Check(
            name="data folder",
            state="FAIL",
            detail=f"{folder} cannot be written",
            remedy="set RAG_DATA_DIR to a folder that you may write",
        )
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {free / 1e9:.0f} GB free"
    if free < LITTLE_SPACE:
        return Check(name="data folder", state="WARN", detail=detail, remedy="make room, or set RAG_DATA_DIR")
    return Check(name="data folder", state="OK", detail=detail)


async def _models(settings: Settings) -> AsyncIterator[Check]:
    wanted = {"embedding": settings.embedding_model}
    if settings.rerank:
        wanted["reranking"] = settings.reranker_model
    for role, name in wanted.items():
        if not is_built_in(name):
            yield Check(name=role, state="OK", detail=f"{name}, not built in, loaded on first use")
            continue
        model = catalogue()[name]
        wrong = await asyncio.to_thread(verify, model, settings.models_dir / name)
        if wrong:
            yield Check(
                name=role,
                state="FAIL",
                detail=f"{name} is not whole in {settings.models_dir}: {', '.join(wrong[:3])}",
                remedy="run `rag models fetch`",
            )
        else:
            yield Check(name=role, state="OK", detail=f"{name}, {model.licence}, every checksum right")


async def _store(settings: Settings) -> Check:
    try:
        dimension = model_dimension(settings)
        async with open_store(settings, dimension=dimension, model=settings.embedding_model) as store:
            health = await store.health()
            records = await store.records()
    except CiteboxError as error:
        return Check(name="store", state="FAIL", detail=error.detail, remedy=error.remedy)
    detail = f"{health.kind} Qdrant {health.version}, {health.documents} documents, {health.chunks} chunks"
    failed = sum(record.state == "failed" for record in records)
    if failed:
        return Check(
            name="store", state="WARN", detail=f"{detail}, {failed} failed", remedy="`ingest list` says why"
        )
    if not records:
        return Check(name="store", state="WARN", detail=detail, remedy="add documents: ingest add PATH…")
    return Check(name="store", state="OK", detail=detail)


def _claude(settings: Settings) -> Check:
    if not settings.claude_configured:
        return Check(
            name="claude",
            state="WARN",
            detail="no key, so answers are quoted sentences",
            remedy="set ANTHROPIC_API_KEY for generated answers",
        )
    where = settings.anthropic_base_url or "the Claude API"
    return Check(
        name="claude",
        state="OK",
        detail=f"{settings.fast_model} and {settings.thorough_model} at {where}, not tried",
    )


def _port(settings: Settings) -> Check:
    address = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return Check(
                name="address",
                state="WARN",
                detail=f"{address}: {error.strerror}",
                remedy="is the service running already? Otherwise set RAG_PORT or RAG_HOST",
            )
    return Check(name="address", state="OK", detail=f"{address} is free")


def _exposure(settings: Settings) -> Check:
    from rag.api.deps import LOOPBACK

    if settings.host in LOOPBACK:
        return Check(name="exposure", state="OK", detail="only this machine can reach the service")
    if settings.admin_key is None:
        return Check(
            name="exposure",
            state="WARN",
            detail=f"anyone who reaches {settings.host} can read what may be read by "
            f"{', '.join(settings.reader_groups)}",
            remedy="put it behind your sign-on; set RAG_ADMIN_KEY to allow changes over HTTP",
        )
    if len(settings.admin_key.get_secret_value()) < ADMIN_KEY_LENGTH:
        return Check(
            name="exposure",
            state="WARN",
            detail=f"RAG_ADMIN_KEY has fewer than {ADMIN_KEY_LENGTH} characters, and guessing is not slowed",
            remedy="make one with `openssl rand -hex 32`",
        )
    return Check(name="exposure", state="OK", detail="changes over HTTP need the admin key")


def _callers(settings: Settings) -> Check:
    """Who may ask: whether keys and tokens can be used, and whether anybody gets by without."""
    from rag.api.deps import LOOPBACK

    try:
        KeyRing(settings)
    except SettingsError as error:
        return Check(name=CALLERS, state="FAIL", detail=error.detail, remedy=error.remedy)
    ways = {
        "API keys": settings.keys_file is not None,
        "signed tokens": settings.takes_tokens,
        f"the pages of {', '.join(settings.allowed_origins)}": bool(settings.allowed_origins),
    }
    told = ", ".join(words for words, there in ways.items() if there) or "neither keys nor tokens"
    if settings.require_key and not (settings.keys_file or settings.takes_tokens):
        return Check(
            name=CALLERS,
            state="WARN",
            detail="a key or token is required, and there is none",
            remedy="set RAG_KEYS_FILE, RAG_TOKEN_SECRET or RAG_TOKEN_PUBLIC_KEY",
        )
    for origin in settings.allowed_origins:
        parts = urlsplit(origin)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            return Check(
                name=CALLERS,
                state="WARN",
                detail=f"what the pages of {origin} ask, and their tokens, can be read on the way",
                remedy="serve them by https and change RAG_ALLOWED_ORIGINS",
            )
    if settings.host not in LOOPBACK and not settings.require_key:
        return Check(
            name=CALLERS,
            state="WARN",
            detail=f"{told}, and anyone else who reaches {settings.host}",
            remedy="set RAG_REQUIRE_KEY, or put it behind your sign-on",
        )
    return Check(name=CALLERS, state="OK", detail=told)
