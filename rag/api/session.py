"""GET /v1/session: who the service takes the caller for, so that a page knows before a question."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from rag.api.deps import CallerDep, ServiceDep
from rag.api.problems import responses

router = APIRouter(prefix="/v1", tags=["session"])


class Session(BaseModel):
    """Who asks, what they may read, and what they will find here."""

    name: str = Field(description="The name on the account.")
    groups: list[str] = Field(description="Whose documents can be read.")
    expires: datetime | None = Field(description="When the token does; null without one.")
    answers: Literal["claude", "extractive"]
    downloads: bool = Field(description="Whether originals are given out.")
    feedback: bool = Field(description="Whether feedback on answers is kept.")


@router.get("/session", responses=responses(401, 429, 503))
async def session(service: ServiceDep, caller: CallerDep) -> Session:
    """Who the service takes the caller for. Nothing has to ask for it: every request says who asks."""
    settings = service.settings
    return Session(
        name=caller.name,
        groups=sorted(caller.reader.groups),
        expires=caller.expires,
        answers="claude" if settings.claude_configured else "extractive",
        downloads=settings.downloads,
        feedback=service.questions.on,
    )
