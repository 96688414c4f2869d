"""The installed commands as processes, with nothing of a developer's own settings in their environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live import COMMANDS, INHERITED

SECONDS = 240


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON value and nothing else."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[str]:
        return self.err.splitlines()


@dataclass(frozen=True, slots=True)
class Commands:
    """`ingest` and `rag` on one data directory, from a working directory without a citebox.toml."""

    data_dir: Path
    cwd: Path

    def ingest(self, *arguments: str, **env: str) -> Ran:
        return self.wait(self.start("ingest", *arguments, **env))

    def rag(self, *arguments: str, **env: str) -> Ran:
        return self.wait(self.start("rag", *arguments, **env))

    def start(self, command: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            [COMMANDS / command, *arguments],
            env=self.environment(env),
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait(self, process: subprocess.Popen[str]) -> Ran:
        with process:
            out, err = process.communicate(timeout=SECONDS)
        assert "Traceback" not in err, err
        return Ran(process.returncode, out, err)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**inherited, "RAG_DATA_DIR": str(self.data_dir), **extra}
