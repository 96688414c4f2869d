"""Runs of `rag batch` over the library of the tests: the real SDK, stand-in local models."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rag.bulk.evidence import Shelf
from rag.bulk.finding import Pace
from rag.bulk.questions import read_questions
from rag.bulk.run import Quote, Run
from rag.bulk.state import State, load_state, new_state
from rag.claude.batches import BatchClient
from rag.documents import Answer, Reader
from rag.keys import Caller
from rag.retrieval import Retriever
from rag.routing import Mode
from rag.support import SupportChecker
from rag.usage import Ledger
from tests.claude_server import ClaudeServer
from tests.fakes import OverlapReranker, WordEmbedder
from tests.rag.conftest import Library

KEYS = "How often do encryption keys rotate?"
LEAVE = "How long is annual leave?"
NOTHING = "Who painted the ceiling?"
KEY = "sk-test-key"


@dataclass
class Bench:
    """Makes runs over the library; time passes in them only by their waits."""

    library: Library
    url: str
    path: Path
    clients: list[BatchClient] = field(default_factory=list)
    now: float = 1000.0
    waits: int = 0
    on_wait: Callable[[], Awaitable[None] | None] = lambda: None
    max_usd_per_day: float | None = None
    checker: type[SupportChecker] = SupportChecker

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.path.parent / "usage.sqlite", lambda: self.now)

    def state(self, *questions: Any) -> State:
        file = self.path.with_name("questions.jsonl")
        file.write_text("\n".join(json.dumps(one) for one in questions), encoding="utf-8")
        return new_state(read_questions(file), "auto")

    def shelf(self, **changes: Any) -> Shelf:
        access = {"anthropic_base_url": self.url, "anthropic_api_key": SecretStr(KEY), "claude_timeout": 10.0}
        settings = self.library.settings.model_copy(update={**access, **changes})
        store, files = self.library.store, self.library.files
        retriever = Retriever(settings, store, files, WordEmbedder(), OverlapReranker())  # type: ignore[arg-type]
        return Shelf(settings, store, files, retriever, Reader())

    def run(self, state: State, kind: type[BatchClient] = BatchClient, **changes: Any) -> Run:
        shelf = self.shelf(**changes)
        self.clients.append(kind(shelf.settings))
        return Run(
            state,
            self.path,
            shelf,
            self.clients[-1],
            self.checker(None, WordEmbedder()),  # type: ignore[arg-type]
            self.ledger,
            Caller("local", Reader(), self.max_usd_per_day),
            Pace(30.0, self.wait, lambda: self.now),
            lambda words, done, total: None,
        )

    async def wait(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1
        if (more := self.on_wait()) is not None:
            await more

    async def interrupted(self, run: Run) -> None:
        """End a run while it waits for its batches."""
        self.on_wait = _interrupt
        with pytest.raises(KeyboardInterrupt):
            await run.finish()

    def resumed(self, **changes: Any) -> Run:
        """As another process would go on."""
        state = load_state(self.path)
        assert state is not None
        return self.run(state, **changes)


def _interrupt() -> None:
    raise KeyboardInterrupt


@asynccontextmanager
async def bench_of(library: Library, claude: ClaudeServer, path: Path) -> AsyncIterator[Bench]:
    made = Bench(library, claude.url, path / "answers.jsonl.state.json")
    yield made
    for client in made.clients:
        await client.close()


async def started(run: Run, mode: Mode = "fast") -> Quote:
    quote = await run.prepare(mode)
    await run.agree(quote)
    return quote


def answers_of(state: State) -> list[Answer]:
    assert all(item.failure is None for item in state.items)
    return [item.answer for item in state.items if item.answer is not None]


def created(claude: ClaudeServer) -> int:
    return sum((one.method, one.path) == ("POST", "/v1/messages/batches") for one in claude.requests)


async def assert_citations_hold(library: Library, answer: Answer) -> None:
    assert answer.citations
    for citation in answer.citations:
        assert f"[{citation.marker}]" in answer.text
        stored = await library.files.text(citation.document_id, citation.version)
        assert stored[citation.start : citation.end] == citation.quote
