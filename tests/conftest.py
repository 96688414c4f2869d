"""What every test runs under: no network beyond this machine, and settings of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from rag.settings import PREFIX, Settings
from rag.store.embedded.process import Endpoint, EngineUser

KEPT = {"RAG_MODELS_DIR"}
ROOM = 1 << 30
"""Bytes that the engine of the tests may come to take; containers often have less of memory for files."""
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _checked(address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if host is not None and host not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"a test tried to reach {host}; tests talk to this machine only")


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Fail any connection to another machine, whatever library opens it."""

    def connect(self: socket.socket, address: Any) -> None:
        _checked(address)
        _connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _checked(address)
        return _connect_ex(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    patch.setattr(socket.socket, "connect_ex", connect_ex)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def own_environment() -> Iterator[None]:
    """The settings of whoever runs the tests must not reach them."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if (name.startswith(PREFIX) and name not in KEPT) or name.startswith("ANTHROPIC_"):
            patch.delenv(name)
    patch.setenv("HF_HUB_OFFLINE", "1")
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_reaches_commands() -> Iterator[None]:
    """A shell's background job has SIGINT ignored, and whatever it starts inherits that, as in a terminal
    nothing does. With any handler of ours in its place, the commands start with the default."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def engine() -> Iterator[Endpoint]:
    """One embedded engine for all tests that are not about it, in memory: what costs is that it syncs."""
    memory = Path("/dev/shm")
    room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    with tempfile.TemporaryDirectory(dir=memory if room else None) as folder:
        user = EngineUser(Path(folder), grace=0.1)
        endpoint = asyncio.run(user.attach())
        yield endpoint
        os.kill(endpoint.pid, signal.SIGKILL)
        user.close()


@pytest.fixture
def shared_store(settings: Settings, engine: Endpoint) -> Iterator[Settings]:
    """The settings of a test with an index of its own on that engine, dropped after it."""
    index = f"t{uuid.uuid4().hex[:12]}"
    yield settings.model_copy(
        update={"qdrant_url": engine.url, "qdrant_api_key": SecretStr(engine.key), "index": index}
    )
    with httpx.Client(base_url=engine.url, headers={"api-key": engine.key}, trust_env=False) as http:
        for found in http.get("/collections").json()["result"]["collections"]:
            if found["name"].startswith(f"{index}_"):
                http.delete(f"/collections/{found['name']}").raise_for_status()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a data folder of the test's own."""
    return Settings(data_dir=tmp_path / "data")
