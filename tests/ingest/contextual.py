"""Claude as it writes contexts, by the words of a passage; and `ingest add` without its command line."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ingest.chunking import Chunker
from ingest.contexts.planning import Quote
from ingest.contexts.report import ContextReport
from ingest.contexts.run import Contextualizer, Terms
from ingest.contexts.wanted import Choice, WantedContexts
from ingest.pipeline import Pipeline, Placement
from ingest.sources import Source, discover
from ingest.workers import ParserProcess
from rag.documents import Chunk, DocumentRecord, Filters, Reader, document_id_of
from rag.parsed import ParsedDocument
from rag.settings import Settings
from rag.sparse import encode_query
from rag.store import Store
from tests.claude_server import ClaudeServer, RecordedRequest, Reply
from tests.claude_server.batches import Batches
from tests.claude_server.errors import Rejected
from tests.claude_server.replies import Asked, as_reply
from tests.claude_server.wire import Plan
from tests.fakes import WordEmbedder

DEFAULT = "It is a passage of the rules."
HOURS = "It opens at nine and closes at noon."
BIRDS = "Penguins are birds of the south."
CONTEXT = "Opening times of the aquarium."
PARAGRAPHS = [
    f"Rule {n}. " + f"The keeper of house {n} counts the animals every morning. " * 12 for n in range(6)
]
HAIKU = "claude-haiku-5-5"
SONNET = "claude-sonnet-5-5"
TRIES = 3
"""Of the SDK, at each look at a batch."""


def chunked(document: ParsedDocument, tokens: int) -> list[Chunk]:
    return Chunker(WordEmbedder().count_tokens, tokens).chunk(document, document_id_of("file:///a.md"), "v")


@dataclass
class Contextual:
    """The default reply of a test server: that of the first of `said` whose words the passage holds."""

    said: Mapping[str, str | Reply] = field(default_factory=dict)

    def plan(self, asked: Asked) -> Plan:
        passage = passage_of(asked.body)
        for words, reply in self.said.items():
            if words in passage:
                return as_reply(reply).plan(asked)
        return as_reply(DEFAULT).plan(asked)


@contextmanager
def away(batches: Batches, heard: int = 0) -> Iterator[list[str]]:
    """After `heard` looks at batches Claude is out of reach for them; yields what was looked at."""
    looks: list[str] = []
    there = batches.get

    def get(id: str, base: str) -> dict[str, Any]:
        looks.append(id)
        if len(looks) > heard:
            raise Rejected("Overloaded", status=529)
        return there(id, base)

    before, batches.looks = batches.looks, None
    with patch.object(batches, "get", get):
        yield looks
    batches.looks = before


def passage_of(body: Mapping[str, Any]) -> str:
    """The passage that a request asks about."""
    return str(json.loads(body["messages"][-1]["content"][-1]["text"])["passage"])


def bodies(requests: Sequence[RecordedRequest]) -> list[dict[str, Any]]:
    """What was asked for contexts, alone and in batches."""
    found: list[dict[str, Any]] = []
    for request in requests:
        if request.method == "POST" and request.body is not None:
            batch = request.body.get("requests")
            found.extend([one["params"] for one in batch] if batch else [request.body])
    return found


@dataclass
class Bench:
    settings: Settings
    store: Store
    parser: ParserProcess
    folder: Path
    claude: ClaudeServer
    quotes: list[Quote]

    def write(self, name: str, *paragraphs: str) -> None:
        (self.folder / name).write_text("# Rules\n\n" + "\n\n".join(paragraphs) + "\n", encoding="utf-8")

    async def add(
        self,
        choice: Choice | None = "now",
        *,
        max_usd: float | None = None,
        agreed: bool = True,
        placement: Placement | None = None,
        settings: Settings | None = None,
    ) -> tuple[dict[str, str], ContextReport]:
        """`ingest add` of the folder: what became of each file, and what is told of contexts."""
        settings, placement = settings or self.settings, placement or Placement()
        report = ContextReport(str(choice), settings.fast_model)
        wanted = WantedContexts(settings, choice)
        pipeline = Pipeline(settings, self.store, WordEmbedder, self.parser, wanted)  # type: ignore[arg-type]
        sources = [one for one in discover([str(self.folder)], max_bytes=10**7) if isinstance(one, Source)]
        if choice in ("now", "batch"):
            terms = Terms(choice, max_usd, 0.01, self._agree(agreed), lambda: nullcontext(lambda *_: None))
            writer = Contextualizer(settings, terms)
            if not await writer.write(pipeline, self.store, sources, placement, wanted, report):
                return {}, report
        outcomes = [await pipeline.ingest(source, placement) for source in sources]
        return {Path(one.path).name: one.status for one in outcomes}, report

    def _agree(self, agreed: bool) -> Callable[[Quote], bool]:
        def agree(quote: Quote) -> bool:
            self.quotes.append(quote)
            return agreed

        return agree

    async def record(self, name: str = "hours.md") -> DocumentRecord:
        (source,) = discover([str(self.folder / name)], max_bytes=10**7)
        assert isinstance(source, Source)
        record = await self.store.record(document_id_of(source.uri))
        assert record is not None
        return record

    async def found(self, words: str) -> list[str]:
        hits = await self.store.search(
            reader=Reader(),
            filters=Filters(),
            dense=None,
            sparse=encode_query(words),
            limit=10,
            candidates=10,
        )
        return [hit.text for hit in hits]

    def spent(self) -> float:
        with sqlite3.connect(self.settings.data_dir / "usage.sqlite") as db:
            (usd,) = db.execute("SELECT TOTAL(usd) FROM usage WHERE key = 'ingest'").fetchone()
            (held,) = db.execute("SELECT COUNT(*) FROM holds").fetchone()
        assert held == 0
        return float(usd)
