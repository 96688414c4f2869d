"""/v1/admin: how the service is, and the documents of all groups, for whoever runs it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import platform
import shutil
import threading
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from rag.api.deps import DoorDep, MayOperate, RuntimeDep, ServiceDep
from rag.api.problems import responses
from rag.doctor import Check, standing
from rag.documents import DocumentRecord, State, utc_now
from rag.errors import CiteboxError, NotFound
from rag.questions.log import DAY
from rag.service import Service
from rag.settings import Settings

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[MayOperate])

MEASURED_SECONDS = 60.0
"""For which the size of the data folder is not measured again: it may hold millions of files."""
WEEK = 7


class Engine(BaseModel):
    kind: Literal["embedded", "server"] | None = None
    version: str | None = None
    reachable: bool
    detail: str | None = Field(default=None, description="Why it cannot be reached.")


class DocumentCounts(BaseModel):
    ready: int
    failed: int
    chunks: int


class DataFolder(BaseModel):
    path: str
    bytes: int
    free_bytes: int


class Models(BaseModel):
    embedding: str
    reranking: str | None
    fast: str | None
    thorough: str | None


class Week(BaseModel):
    """The last seven days, today included (UTC)."""

    questions: int
    answered: int
    not_found: int
    failed: int
    up: int
    down: int


class Overview(BaseModel):
    """How the service is; `documents` is null where the engine cannot be reached."""

    engine: Engine
    documents: DocumentCounts | None
    data: DataFolder
    versions: dict[str, str]
    started: datetime
    uptime_seconds: int
    models: Models
    answers: Literal["claude", "extractive"]
    question_log_days: float
    week: Week | None = Field(description="Null where no questions are kept.")
    warnings: list[Check]


class OperatorDocument(DocumentRecord):
    """A document as the operator sees it."""

    size: int | None = Field(
        default=None, description="Bytes of the stored original; null when there is none."
    )


class OperatorDocuments(BaseModel):
    """A page of the documents, failed ones first; the counts are of all documents."""

    documents: list[OperatorDocument]
    total: int = Field(description="How many documents the query chooses.")
    ready: int
    failed: int


class ReadAgain(BaseModel):
    """The document as it is now, and what reading it again did."""

    document: DocumentRecord
    status: Literal["new", "changed", "unchanged"]


@router.get("/overview", responses=responses(403, 503))
async def overview(runtime: RuntimeDep, service: ServiceDep) -> Overview:
    """How the service is: engine, documents, disk, versions, models, and what to look after."""
    settings = service.settings
    checks = await asyncio.to_thread(standing, settings)
    counts = None
    try:
        health = await service.store.health()
        records = await service.store.records()
    except CiteboxError as error:
        engine = Engine(reachable=False, detail=error.detail)
        checks.append(Check(name="engine", state="FAIL", detail=error.detail, remedy=error.remedy))
    else:
        engine = Engine(kind=health.kind, version=health.version, reachable=True)
        failed = sum(record.state == "failed" for record in records)
        counts = DocumentCounts(ready=len(records) - failed, failed=failed, chunks=health.chunks)
        if not records:
            remedy = "run `ingest add PATH`, or upload documents"
            checks.append(Check(name="documents", state="WARN", detail="there are none", remedy=remedy))
    started = runtime.started
    return Overview(
        engine=engine,
        documents=counts,
        data=await asyncio.to_thread(_measured, settings.data_dir),
        versions={"citebox": version("citebox"), "python": platform.python_version()},
        started=started,
        uptime_seconds=int((utc_now() - started).total_seconds()),
        models=_models(settings),
        answers="claude" if settings.claude_configured else "extractive",
        question_log_days=settings.question_log_days,
        week=await _week(service),
        warnings=[check for check in checks if check.state != "OK"],
    )


@router.get("/documents", responses=responses(403, 422, 503))
async def list_documents(
    service: ServiceDep,
    state: Annotated[State | None, Query(description="Only those that are `ready` or `failed`.")] = None,
    q: Annotated[str, Query(max_length=200, description="Words of the title, path, group or failure.")] = "",
    limit: Annotated[int, Query(ge=1, le=500, description="Most documents on a page.")] = 50,
    offset: Annotated[int, Query(ge=0, description="How many to pass over.")] = 0,
) -> OperatorDocuments:
    """The documents of all groups, failed ones first, then by URI."""
    records = await service.store.records()
    failed = sum(record.state == "failed" for record in records)
    wanted = [
        record for record in records if (state is None or record.state == state) and _matches(record, q)
    ]
    wanted.sort(key=lambda record: record.state != "failed")  # stable: by URI within
    page = wanted[offset : offset + limit]
    stored = [(record.id, record.version) for record in page if record.version is not None]
    sizes = await service.files.sizes(stored)
    return OperatorDocuments(
        documents=[OperatorDocument(**record.model_dump(), size=sizes.get(record.id)) for record in page],
        total=len(wanted),
        ready=len(records) - failed,
        failed=failed,
    )


@router.post("/documents/{document_id}/reingest", responses=responses(403, 404, 409, 413, 422, 503))
async def reingest(document_id: str, service: ServiceDep, door: DoorDep) -> ReadAgain:
    """Read a document again: from the file it came from, where that is still there, else from what is stored.

    Its collection and groups stay. `unchanged` when the same content is already in as the settings want it.
    """
    document, status = await door.read_again((await _record(service, document_id)).id)
    return ReadAgain.model_validate({"document": document, "status": status})


@router.delete("/documents/{document_id}", status_code=204, responses=responses(403, 404, 503))
async def remove_document(document_id: str, service: ServiceDep, door: DoorDep) -> None:
    """Take a document out, whatever its groups: chunks, stored text and stored original."""
    await door.remove((await _record(service, document_id)).id)


async def _record(service: Service, document_id: str) -> DocumentRecord:
    record = await service.store.record(document_id)
    if record is None:
        raise NotFound(f"there is no document {document_id!r}")
    return record


def _matches(record: DocumentRecord, q: str) -> bool:
    wanted = q.casefold().split()
    held = " ".join(
        (record.title, record.uri, record.collection, *record.groups, record.failure or "")
    ).casefold()
    return all(word in held for word in wanted)


def _models(settings: Settings) -> Models:
    claude = settings.claude_configured
    return Models(
        embedding=settings.embedding_model,
        reranking=settings.reranker_model if settings.rerank else None,
        fast=settings.fast_model if claude else None,
        thorough=settings.thorough_model if claude else None,
    )


async def _week(service: Service) -> Week | None:
    log = service.questions
    if not log.on:
        return None
    asked = await log.since((log.now() // DAY - WEEK + 1) * DAY)
    outcomes = [one.outcome for one in asked]
    ratings = [one.rating for one in asked]
    return Week(
        questions=len(asked),
        answered=outcomes.count("answered"),
        not_found=outcomes.count("not_found"),
        failed=outcomes.count("failed"),
        up=ratings.count("up"),
        down=ratings.count("down"),
    )


_folders: dict[Path, tuple[float, int]] = {}
_measuring = threading.Lock()


def _measured(folder: Path) -> DataFolder:
    """What the data folder takes, measured at most once a minute and by one at a time.

    Whoever comes while it is measured gets what it was before, or 0: they must not all hold a thread each.
    """
    at, size = _folders.get(folder, (-math.inf, 0))
    if time.monotonic() - at > MEASURED_SECONDS and _measuring.acquire(blocking=False):
        try:
            size = _size_of(folder)
            _folders[folder] = (time.monotonic(), size)
        finally:
            _measuring.release()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return DataFolder(path=str(folder), bytes=size, free_bytes=shutil.disk_usage(existing).free)


def _size_of(folder: Path) -> int:
    size = 0
    for current, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # removed meanwhile
                size += os.lstat(os.path.join(current, name)).st_blocks * 512
    return size
