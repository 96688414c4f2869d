"""What the commands show of long work."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rag import terminal


@pytest.mark.parametrize(("seconds", "lines"), [(0, ["Searching: 0 of 2", "Searching: 1 of 2"]), (3600, [])])
def test_a_log_is_told_now_and_then_how_far_the_work_is(
    monkeypatch: pytest.MonkeyPatch, seconds: int, lines: list[str]
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=log, highlight=False))
    monkeypatch.setattr(terminal, "EVERY_SECONDS", seconds)
    with terminal.bar() as progress:
        for done in range(2):
            progress("Searching", done, 2)
    assert log.getvalue().splitlines() == lines
