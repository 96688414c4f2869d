"""Find, start and hold the engine process of a data folder.

Every user holds the users' lock shared, from before it looks for an engine until it is done, and the
kernel releases it however the user ends. The engine ends only while it holds that lock exclusively, so a
user that has it can rely on the engine that it finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rag.errors import StoreUnavailable
from rag.store.embedded import ENDPOINT_FILE, GRACE_SECONDS, LOCKED, TITLE, USERS_LOCK

log = logging.getLogger(__name__)

START_SECONDS = 30.0
_POLL_SECONDS = 0.02
_LOG_FILE = "engine.log"
_LOG_BYTES = 1_000_000
# What the engine needs of our environment; API keys and the like are none of its business.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")


LOOPBACK: dict[str, Any] = {
    # Never through the proxy of the environment, and without reading the machine's certificates (45 ms),
    # which plain http has no use for: this context trusts none.
    "trust_env": False,
    "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the engine listens, and the key it asks for."""

    pid: int
    port: int
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class EngineUser:
    """One user of the engine of one data folder; the engine lives at least as long as this is open."""

    def __init__(self, data_dir: Path, *, grace: float = GRACE_SECONDS) -> None:
        self._folder = data_dir / "qdrant"
        self._grace = grace
        self._lock: int | None = None

    async def attach(self, timeout: float = START_SECONDS) -> Endpoint:  # noqa: ASYNC109
        """A live engine, started if there is none; call it again when that engine has died.

        Raises:
            StoreUnavailable: no engine could be had in `timeout` seconds, with the end of its log.
        """
        deadline = time.monotonic() + timeout
        await asyncio.to_thread(self._prepare)
        await self._take_lock(deadline)
        child: subprocess.Popen[bytes] | None = None
        async with httpx.AsyncClient(**LOOPBACK, timeout=5.0) as client:
            while time.monotonic() < deadline:
                endpoint = await self._live(client)
                if endpoint is not None:
                    return endpoint
                if child is None or child.poll() == LOCKED:
                    # Locked: another user started one at the same time, or the last one is still closing.
                    child = await asyncio.to_thread(self._start)
                elif child.poll() is not None:
                    raise self._failed(f"the embedded engine ended with code {child.returncode}")
                await asyncio.sleep(_POLL_SECONDS)
        raise self._failed(f"the embedded engine did not answer within {timeout:.0f} s")

    def close(self) -> None:
        """Let go of the engine; it ends by itself when this was its last user."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # ------------------------------------------------------------ steps

    def _prepare(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
        except OSError as error:
            raise StoreUnavailable(
                f"the data folder {self._folder} cannot be used: {error.strerror}",
                remedy="make it writable, or set RAG_DATA_DIR to a folder that is",
            ) from error

    async def _take_lock(self, deadline: float) -> None:
        try:
            import fcntl
        except ImportError:
            raise StoreUnavailable(
                "the embedded engine needs Linux or macOS", remedy="set RAG_QDRANT_URL to a Qdrant server"
            ) from None
        if self._lock is not None:
            return
        descriptor = os.open(self._folder / USERS_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    break
                if time.monotonic() > deadline:
                    raise self._failed("an engine that is ending did not end in time")
                await asyncio.sleep(_POLL_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor

    async def _live(self, client: httpx.AsyncClient) -> Endpoint | None:
        try:
            endpoint = Endpoint(**json.loads((self._folder / ENDPOINT_FILE).read_bytes()))
            reply = await client.get(endpoint.url, headers={"api-key": endpoint.key})
            # The port of a dead engine may belong to another program by now.
            alive = reply.status_code == 200 and reply.json()["title"] == TITLE
        except (OSError, ValueError, TypeError, LookupError, httpx.HTTPError):
            return None
        return endpoint if alive else None

    def _start(self) -> subprocess.Popen[bytes]:
        log_path = self._folder / _LOG_FILE
        with contextlib.suppress(FileNotFoundError):
            if log_path.stat().st_size > _LOG_BYTES:
                log_path.replace(log_path.with_suffix(".log.1"))
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        package_parent = str(Path(__file__).resolve().parents[3])
        environment["PYTHONPATH"] = os.pathsep.join(
            part for part in (package_parent, environment.get("PYTHONPATH")) if part
        )
        # `-P`: the data folder is the working directory and must not be searched for modules.
        command = [sys.executable, "-P", "-m", "rag.store.embedded"]
        command += ["--data", str(self._folder.resolve()), "--grace", str(self._grace)]
        descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # A session of its own: Ctrl-C in the user's terminal must not end it under the other users.
            child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        # Someone has to wait for it, or it stays a zombie for as long as we live.
        threading.Thread(target=child.wait, name="engine-reaper", daemon=True).start()
        return child

    def _failed(self, what: str) -> StoreUnavailable:
        """The error, which may be shown to anyone; the engine's last words go to our log."""
        log_path = self._folder / _LOG_FILE
        with contextlib.suppress(OSError):
            last = log_path.read_text(errors="replace").splitlines()[-8:]
            log.error("the end of %s:\n%s", log_path, "\n".join(last))
        return StoreUnavailable(
            what, remedy=f"see {_LOG_FILE} in the data folder, or set RAG_QDRANT_URL to a Qdrant server"
        )
