"""Retrieval and extractive answers on the sample library: every stage against dense search alone.

    .venv/bin/python -m bench.retrieval

Dense search alone, by the same embedder over the same chunks, is what a plain vector index does, and so
the peer. A passage counts when it holds at least half of a quote that proves the answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ingest.pipeline import Placement
from ingest.report import Outcome, Report
from ingest.run import add
from rag.documents import Filters, Hit
from rag.events import Question
from rag.service import Service, open_service
from rag.settings import Settings, load_settings
from rag.terminal import err, quiet_libraries

DATA = Path(__file__).resolve().parent.parent / "data"
DEPTH = 10
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "dense alone (peer)": {"sparse": False, "rerank": False},
    "BM25 alone": {"dense": False, "rerank": False},
    "fused": {"rerank": False},
    "fused and reranked": {},
}


@dataclass(frozen=True)
class Place:
    """Where a proof lies: a range of the stored text of a document."""

    document_id: str
    start: int
    end: int

    def held_by(self, hit: Hit) -> bool:
        shared = min(self.end, hit.end) - max(self.start, hit.start)
        return hit.document_id == self.document_id and shared * 2 >= self.end - self.start


class Quiet:
    """A run without bars."""

    def found(self, files: int) -> None: ...
    def started(self, path: str) -> None: ...
    def scanned(self, path: str, done: int, total: int) -> None: ...
    def embedded(self, path: str, done: int, total: int) -> None: ...
    def finished(self, outcome: Outcome) -> None: ...


async def main() -> None:
    quiet_libraries()
    questions = [json.loads(line) for line in (DATA / "questions.jsonl").read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as folder:
        settings = load_settings().model_copy(update={"data_dir": Path(folder), "anthropic_api_key": None})
        report = Report()
        await add(settings, [str(DATA / "library")], Placement(), Quiet(), report)
        sums = report.as_json()
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(f"{date.today()}, {machine}.")
        print(f"{sums['documents']} documents, {sums['chunks']} chunks, ingested in {sums['seconds']} s.\n")
        print("| retrieval | recall@1 | recall@3 | recall@5 | MRR@10 | median ms | p95 ms |")
        print("|---|---|---|---|---|---|---|")
        for name, switches in CONFIGURATIONS.items():
            await _measure(name, settings.model_copy(update=switches), questions)
        await _answers(settings, questions)


async def _measure(name: str, settings: Settings, questions: Sequence[dict[str, Any]]) -> None:
    async with open_service(settings) as service:
        places = await _places(service, questions)
        await service.retriever.search("warm up", service.reader, Filters(), DEPTH)
        ranks: list[int | None] = []
        spent: list[float] = []
        for question in questions:
            if not question["answerable"]:
                continue
            found = await service.retriever.search(question["question"], service.reader, Filters(), DEPTH)
            spent.append(sum(found.stages_ms.values()))
            proofs = places[question["id"]]
            ranks.append(
                next((i for i, hit in enumerate(found.hits) if any(p.held_by(hit) for p in proofs)), None)
            )
    recalls = [sum(rank is not None and rank < k for rank in ranks) / len(ranks) for k in (1, 3, 5)]
    mrr = sum(1 / (rank + 1) for rank in ranks if rank is not None) / len(ranks)
    spent.sort()
    p95 = spent[int(len(spent) * 0.95)]
    cells = [*(f"{value:.3f}" for value in (*recalls, mrr)), f"{statistics.median(spent):.0f}", f"{p95:.0f}"]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


async def _answers(settings: Settings, questions: Sequence[dict[str, Any]]) -> None:
    async with open_service(settings) as service:
        places = await _places(service, questions)
        answered = proved = refused = wrongly = 0
        for question in questions:
            answer = await service.answerer.answer(Question(question["question"], service.reader))
            if not question["answerable"]:
                refused += not answer.answered
                wrongly += answer.answered
                continue
            answered += answer.answered
            proved += any(
                cited.document_id == place.document_id and cited.start < place.end and place.start < cited.end
                for cited in answer.citations
                for place in places[question["id"]]
            )
    total = sum(question["answerable"] for question in questions)
    print(f"\nExtractive answers: {answered} of {total} answerable questions answered, ", end="")
    print(f"{proved} with a citation that touches the proof; ", end="")
    print(f"{refused} of {refused + wrongly} unanswerable ones refused.")


async def _places(service: Service, questions: Sequence[dict[str, Any]]) -> dict[str, list[Place]]:
    records = {record.name: record for record in await service.store.records()}
    places: dict[str, list[Place]] = {}
    for question in questions:
        found = []
        for proof in question["relevant"]:
            record = records[proof["document"]]
            text = await service.files.text(record.id, record.version or "")
            found.append(Place(record.id, *_find(text, proof["quote"])))
        places[question["id"]] = found
    return places


def _find(text: str, quote: str) -> tuple[int, int]:
    """The range of `quote` in `text`, whatever white space stands between its words."""
    words, begins = [], []
    position = 0
    for word in text.split():
        position = text.index(word, position)
        words.append(word)
        begins.append(position)
        position += len(word)
    squeezed = " ".join(words)
    at = squeezed.index(" ".join(quote.split()))
    first = squeezed.count(" ", 0, at)
    last = first + len(quote.split()) - 1
    return begins[first], begins[last] + len(words[last])


if __name__ == "__main__":
    with err.status("Measuring"):
        asyncio.run(main())
