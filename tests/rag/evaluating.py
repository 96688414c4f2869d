"""A service over the library of the tests, and runs of it to be kept, compared and shown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.claude import ClaudeClient
from rag.evaluation.kept import About, Answered, Passage, Result, Run, Searched
from rag.evaluation.places import Posed, pose
from rag.evaluation.questions import read_rows
from rag.evaluation.run import circumstances, measure
from rag.keys import KeyRing
from rag.questions import QuestionLog
from rag.questions.gaps import GapFinder
from rag.questions.log import FILE as QUESTIONS
from rag.retrieval import Retriever
from rag.service import Service
from rag.usage import Ledger
from tests.fakes import OverlapReranker, WordEmbedder
from tests.rag.conftest import Library
from tests.rag.desks import answerer_of, desk_of, settings_of


@asynccontextmanager
async def service_of(
    library: Library, path: Path, url: str | None = None, **changes: Any
) -> AsyncIterator[Service]:
    """The service with stand-in models; `url` is that of Claude, if there is one."""
    settings = settings_of(library, url, cache_answers=0, **changes)
    embedder, ledger, client = WordEmbedder(), Ledger(path / "usage.sqlite"), ClaudeClient(settings)
    desk = desk_of(library, settings, client, ledger, path)
    questions = QuestionLog(path / QUESTIONS, settings.question_log_days)
    retriever = Retriever(settings, library.store, library.files, embedder, OverlapReranker())  # type: ignore[arg-type]
    try:
        yield Service(
            settings,
            library.store,
            library.files,
            embedder,  # type: ignore[arg-type]
            retriever,
            answerer_of(library, settings, client),
            desk,
            ledger,
            KeyRing(settings),
            questions,
            GapFinder(questions, embedder),  # type: ignore[arg-type]
            client,
        )
    finally:
        await desk.close()
        await client.close()


async def measured(
    service: Service, path: Path, *lines: Any, configurations: Sequence[str] = ("dense", "fused", "reranked")
) -> tuple[Run, list[Posed]]:
    """The search measured on these lines of a file of questions."""
    file = path / "questions.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    rows = read_rows(file)
    posed, bad = await pose(rows.rows, service.store, service.files, service.reader)
    about = await circumstances(service, file, configurations, [*rows.bad, *bad])
    return await measure(service, posed, configurations, about, quiet), posed


def quiet(words: str, done: int, total: int) -> None: ...


def run_of(
    figures: Mapping[str, Mapping[str, float | None]],
    *,
    configuration: str = "fused",
    answers: Mapping[str, Mapping[str, float | None]] | None = None,
    title: str = "A title",
    text: str = "A passage.",
) -> Run:
    """A run with these figures by the ids of its questions."""
    passage = Passage(document_id="d", title=title, page=3, start=0, end=9, text=text, right=True)
    results = []
    for id, values in figures.items():
        result = Result(
            id=id,
            line=1,
            question=f"Question {id}?",
            searched_for=f"Question {id}?",
            answerable=True,
            accepted=("yes",),
            places=(),
        )
        stages = {"embed": 1.0, "search": 2.0}
        result.searched[configuration] = Searched(figures=dict(values), stages_ms=stages, found=[passage])
        if answers is not None:
            given = dict(answers[id])
            result.answered = Answered(
                figures=given,
                stages_ms=stages,
                text="yes",
                answered=True,
                model="extractive",
                cited=[passage],
            )
        results.append(result)
    about = About(
        date=datetime(2026, 11, 26, tzinfo=UTC),
        version="0",
        machine="a machine",
        questions="questions.jsonl",
        questions_sha256="0" * 64,
        bad_lines=[],
        documents=1,
        chunks=1,
        configurations=[configuration],
        settings={},
        seconds=1.0,
        mode=None if answers is None else "auto",
    )
    return Run(about=about, results=results)
