"""The search measured, one configuration after the other, over the documents as they are ingested."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag.claude import Turn
from rag.documents import Filters, Hit, utc_now
from rag.evaluation.kept import About, Passage, Result, Run, Searched
from rag.evaluation.metrics import DEPTH, TIME, Stretch, finding, ranked, shared, span_figures
from rag.evaluation.places import Place, Posed
from rag.followups import standalone_by_rule
from rag.jsonl import BadLine
from rag.retrieval import Retriever
from rag.service import Service
from rag.settings import Settings
from rag.terminal import Progress

CONFIGURATIONS: Mapping[str, Mapping[str, bool]] = {
    "dense": {"dense": True, "sparse": False, "rerank": False},
    "sparse": {"dense": False, "sparse": True, "rerank": False},
    "fused": {"dense": True, "sparse": True, "rerank": False},
    "reranked": {"dense": True, "sparse": True, "rerank": True},
}
SHOWN = 300
"""Characters of a passage that are kept to be shown."""


async def measure(
    service: Service, posed: Sequence[Posed], configurations: Sequence[str], about: About, progress: Progress
) -> Run:
    """Search for every question whose places are known, by each configuration.

    What the reader of the service may not read is not found here either. A follow-up is searched for as the
    rule makes it stand alone: no model is asked.
    """
    started = time.monotonic()
    results = [await asyncio.to_thread(_result, one) for one in posed]
    known = [one for one in results if one.places]
    for name in configurations if known else ():
        retriever = await asyncio.to_thread(_retriever, service, name)
        await retriever.search("warm up", service.reader, Filters(), DEPTH)
        found: dict[str, tuple[int, list[tuple[int, ...]]]] = {}
        for done, one in enumerate(known):
            progress(f"Searching: {name}", done, len(known))
            searched = await retriever.search(one.searched_for, service.reader, Filters(), DEPTH)
            one.searched[name] = _searched(one.places, searched.hits, searched.stages_ms)
            found[str(done)] = (len(one.places), finding(one.places, searched.hits))
        for one, figures in zip(known, ranked(found).values(), strict=True):
            one.searched[name].figures.update(figures)
    about.seconds = round(time.monotonic() - started, 1)
    return Run(about=about, results=results)


async def circumstances(
    service: Service, questions: Path, configurations: Sequence[str], bad: Sequence[BadLine]
) -> About:
    """When, where and with which settings something is measured."""
    records = await service.store.visible_records(service.reader)
    raw = await asyncio.to_thread(questions.read_bytes)
    return About(
        date=utc_now(),
        version=_version(),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        questions=questions.name,
        questions_sha256=hashlib.sha256(raw).hexdigest(),
        bad_lines=sorted(bad, key=lambda one: one.line),
        documents=sum(record.version is not None for record in records),
        chunks=sum(record.chunks for record in records),
        configurations=list(configurations),
        settings=_harmless(service.settings),
        seconds=0.0,
    )


def turns_of(posed: Posed) -> tuple[Turn, ...]:
    """What was said before a question."""
    return tuple(Turn(said.role, said.text) for said in posed.row.history)


def passage_of(stretch: Stretch, title: str, page: int | None, text: str, places: Sequence[Place]) -> Passage:
    return Passage(
        document_id=stretch.document_id,
        title=title,
        page=page,
        start=stretch.start,
        end=stretch.end,
        text=text[:SHOWN],
        right=any(shared(stretch, place) for place in places),
    )


def _result(posed: Posed) -> Result:
    row = posed.row
    return Result(
        id=row.id,
        line=row.number,
        question=row.question,
        searched_for=standalone_by_rule(row.question, turns_of(posed)),
        answerable=row.answerable,
        accepted=row.answers,
        places=posed.places,
    )


def _retriever(service: Service, name: str) -> Retriever:
    """The service's own where it has all the stages; else one with the stages of the configuration."""
    settings = service.settings
    switches = CONFIGURATIONS[name]
    if all(getattr(settings, stage) == on for stage, on in switches.items()):
        return service.retriever
    reranker = None
    if switches["rerank"]:
        from rag.reranking import load_reranker

        reranker = load_reranker(settings)
    changed = settings.model_copy(update=dict(switches))
    return Retriever(changed, service.store, service.files, service.embedder, reranker)


def _searched(places: Sequence[Place], hits: Sequence[Hit], stages_ms: Mapping[str, float]) -> Searched:
    return Searched(
        figures={**span_figures(places, hits), TIME: round(sum(stages_ms.values()), 1)},
        stages_ms=dict(stages_ms),
        found=[passage_of(hit, hit.title, hit.page, hit.text, places) for hit in hits],
    )


def _version() -> str:
    try:
        return version("citebox")
    except PackageNotFoundError:
        return "not installed"


def _harmless(settings: Settings) -> dict[str, Any]:
    """The settings without keys and without the passwords that a URL may hold."""
    hidden = {name for name in Settings.model_fields if "key" in name or "secret" in name}
    kept = settings.model_dump(mode="json", exclude=hidden)
    for name, value in kept.items():
        if name.endswith("url") and isinstance(value, str) and "@" in value:
            parts = urlsplit(value)
            kept[name] = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return kept
