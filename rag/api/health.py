"""/healthz: the process lives. /readyz: it can answer."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from rag.api.deps import RuntimeDep
from rag.errors import CiteboxError

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str


class Readiness(BaseModel):
    status: str
    detail: str | None = None
    documents: int | None = None
    chunks: int | None = None
    answers: str | None = None


@router.get("/healthz")
async def healthz() -> Health:
    """Whether the process is alive; says nothing of what it depends on."""
    return Health(status="ok")


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def readyz(runtime: RuntimeDep) -> JSONResponse:
    """Whether questions can be answered now: models loaded, store in reach."""
    if runtime.failure is not None:
        return _reply(Readiness(status="failed", detail=str(runtime.failure)), 503)
    if runtime.service is None:
        return _reply(Readiness(status="starting", detail="the models are being loaded"), 503)
    try:
        health = await runtime.service.store.health()
    except CiteboxError as error:
        return _reply(Readiness(status="failed", detail=str(error)), 503)
    answers = "claude" if runtime.settings.claude_configured else "extractive"
    ready = Readiness(status="ready", documents=health.documents, chunks=health.chunks, answers=answers)
    return _reply(ready, 200)


def _reply(readiness: Readiness, status: int) -> JSONResponse:
    return JSONResponse(
        readiness.model_dump(exclude_none=True), status, headers={"Cache-Control": "no-store"}
    )
