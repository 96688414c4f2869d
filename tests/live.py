"""The real service as a process, for tests over HTTP and in a browser."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

COMMANDS = Path(sys.executable).parent
START_SECONDS = 120
STOP_SECONDS = 15
INGEST_SECONDS = 240

# What a child process inherits. Nothing else, so that a developer's own settings and keys stay out of tests.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "RAG_MODELS_DIR")


class LiveService:
    """`rag serve` on a free port with a data directory of its own.

    The directory may be filled by `ingest` before or while the service runs. Whatever the service prints
    goes to `log`, which an error of this class quotes.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.log = data_dir / "service.log"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def ingest(self, paths: Sequence[Path], *options: str) -> None:
        """Run `ingest add` on the paths and wait for it; fails when any of them fails."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [COMMANDS / "ingest", "add", *(str(path.absolute()) for path in paths), *options],
            env=self._environment({}),
            cwd=self.data_dir,  # no citebox.toml there
            capture_output=True,
            text=True,
            timeout=INGEST_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"ingest ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")

    def start(self, env: Mapping[str, str] | None = None, *, wait: bool = True) -> Self:
        """Start the process; with `wait`, return when /readyz says that questions can be answered."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [COMMANDS / "rag", "serve"],
                env=self._environment({"RAG_PORT": str(port), **(env or {})}),
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Return when /readyz answers 200.

        Raises:
            RuntimeError: the process ended, or the time is up; with what it printed.
        """
        deadline = time.monotonic() + seconds
        with httpx.Client(base_url=self.url, trust_env=False, timeout=5) as client:
            while time.monotonic() < deadline:
                if self._process is None or self._process.poll() is not None:
                    raise RuntimeError(f"the service ended while it started:\n{self.printed()}")
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/readyz").status_code == 200:
                        return
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"the service was not ready after {seconds:.0f} s:\n{self.printed()}")

    def stop(self) -> int:
        """End the process as a process manager would; returns its exit code, 0 when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(
                f"the service did not end within {STOP_SECONDS} s:\n{self.printed()}"
            ) from None

    @property
    def pid(self) -> int:
        """The number of its process, 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def printed(self) -> str:
        """What the service has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**inherited, "RAG_DATA_DIR": str(self.data_dir), **extra}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
