"""GET /v1/usage: what was spent, by key, day and model."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from rag.api.deps import CallerDep, RuntimeDep, ServiceDep, check_write
from rag.api.problems import responses
from rag.keys import ADMIN, ANONYMOUS
from rag.usage import GROUPS, By, UsageRow

router = APIRouter(prefix="/v1", tags=["usage"])


class Usage(BaseModel):
    """Sums of what was spent; days are UTC."""

    usage: list[UsageRow]


@router.get("/usage", responses=responses(401, 403, 422, 503))
async def usage(
    request: Request,
    runtime: RuntimeDep,
    service: ServiceDep,
    caller: CallerDep,
    by: Annotated[list[By] | None, Query(description="What to sum by; all three when left out.")] = None,
    since: Annotated[date | None, Query(description="First day, UTC.")] = None,
    until: Annotated[date | None, Query(description="Last day, UTC.")] = None,
) -> Usage:
    """What was spent. The admin key sees every key's account; any other key sees its own alone."""
    only: str | None = caller.name
    if caller.name == ANONYMOUS:
        check_write(runtime.settings, request.headers)
    if caller.name in (ANONYMOUS, ADMIN):
        only = None
    rows = await service.ledger.sums(GROUPS if by is None else by, key=only, since=since, until=until)
    return Usage(usage=rows)
