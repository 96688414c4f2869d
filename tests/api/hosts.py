"""What a host does: signs tokens for its users. And the application with settings of a test's own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rag.api.app import create_app
from rag.documents import Reader
from rag.keys import KeyRing, digest, new_key
from rag.settings import Settings

SECRET = "the secret of the tests, which has more than 32 bytes"
ORIGIN = "https://docs.example.com"
OTHER = "https://evil.example"
HERE = {"Sec-Fetch-Site": "same-origin"}
THERE = {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}
ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Origin": OTHER}


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token, with changes; None takes one out."""
    good = {"sub": "anna", "aud": "citebox", "exp": int(time.time()) + 600, "groups": ["everyone"]}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm)


def bearing(given: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {given}"}


@dataclass(frozen=True)
class Pair:
    """A key pair of a host, and the algorithm that it signs by."""

    private: Any
    algorithm: str

    @property
    def pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return str(self.private.public_key().public_bytes(serialization.Encoding.PEM, form), "ascii")


def pair(algorithm: str) -> Pair:
    match algorithm:
        case "RS256":
            return Pair(rsa.generate_private_key(65537, 2048), algorithm)
        case "ES256":
            return Pair(ec.generate_private_key(ec.SECP256R1()), algorithm)
    return Pair(ed25519.Ed25519PrivateKey.generate(), algorithm)


def keys_file(folder: Path, *, revoked: tuple[str, ...] = ()) -> tuple[Path, str]:
    """A file with one key `intranet` for `hr`, and the key."""
    key = new_key()
    path = folder / "keys.toml"
    path.write_text(
        f'revoked = {list(revoked)}\n[keys.intranet]\nsha256 = "{digest(key)}"\ngroups = ["hr", "everyone"]\n'
    )
    return path, key


@asynccontextmanager
async def door(tmp_path: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The application without models and store: enough to be told who one is, by GET /v1/session."""
    known = Settings(data_dir=tmp_path, **settings)
    app = create_app(known)
    app.state.runtime.service = SimpleNamespace(
        settings=known,
        keys=KeyRing(known),
        reader=Reader(frozenset(known.reader_groups)),
        questions=SimpleNamespace(on=True),
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        yield http
