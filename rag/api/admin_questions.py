"""/v1/admin: what was asked, what the documents lack, what readers thought, and what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from rag.api.deps import MayOperate, ServiceDep
from rag.api.problems import responses
from rag.api.sheets import csv_reply
from rag.questions.gaps import Gaps
from rag.questions.log import DAY, Chosen, QuestionLog
from rag.questions.logged import LoggedQuestion, QuestionOutcome, Rating
from rag.questions.summary import ActivityDay, Feedback, activity_of, feedback_of, last_days
from rag.usage import UsageRow

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[MayOperate])

LAST_NUMBER = 2**63 - 1
"""The last that SQLite can count to."""
SHEET_PAGE = 500
SHEET = (
    *("at", "caller", "question", "standalone", "outcome", "route", "model", "ms", "usd", "cached"),
    *("documents", "rating", "reasons", "comment", "id"),
)

Days = Annotated[int, Query(ge=1, le=366, description="How many days back, today included (UTC).")]
Format = Annotated[Literal["json", "csv"], Query(description="`csv` for a spreadsheet.")]


class Titled(BaseModel):
    """Titles are read when they are shown: the log knows none, so none of a document that was removed."""

    titles: dict[str, str] = Field(description="Of the documents that are named here and still there, by id.")


class Questions(Titled):
    """A page of questions, the newest first."""

    questions: list[LoggedQuestion]
    total: int = Field(description="How many questions are chosen.")
    next: int | None = Field(description="What `before` is for the next page; null on the last.")


class Deleted(BaseModel):
    deleted: int


class GapList(Gaps, Titled):
    pass


class FeedbackSummary(Feedback, Titled):
    pass


class Activity(BaseModel):
    """How busy, quick and dear the service was; every day has a row, `usage` only what was spent."""

    days: list[ActivityDay]
    usage: list[UsageRow] = Field(description="By day and model, as `GET /v1/usage` has it.")


@router.get("/questions", response_model=Questions, responses=responses(403, 422, 503))
async def list_questions(
    service: ServiceDep,
    outcome: Annotated[QuestionOutcome | None, Query(description="What came of it.")] = None,
    rating: Annotated[Rating | None, Query(description="What the reader thought.")] = None,
    caller: Annotated[str | None, Query(max_length=300, description="The name on the account.")] = None,
    since: Annotated[date | None, Query(description="First day, UTC.")] = None,
    until: Annotated[date | None, Query(description="Last day, UTC.")] = None,
    q: Annotated[str | None, Query(max_length=200, description="Part of the question.")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Most questions on a page; CSV has all.")] = 50,
    before: Annotated[
        int | None, Query(ge=0, le=LAST_NUMBER, description="`next` of the page before.")
    ] = None,
    format: Format = "json",
) -> Questions | Response:
    """What was asked, the newest first, as far back as questions are kept."""
    chosen = Chosen(outcome, rating, caller, since, until, q)
    if format == "csv":
        return _sheet(service.questions, chosen)
    found, after = await service.questions.find(chosen, limit, before)
    named = {each for one in found for each in (*one.documents, *one.nearest)}
    return Questions(
        questions=found,
        total=await service.questions.count(chosen),
        next=after,
        titles=await service.store.titles(named),
    )


@router.delete("/questions/{question_id}", status_code=204, responses=responses(403, 404, 503))
async def delete_question(question_id: str, service: ServiceDep) -> None:
    """Forget one question, with what its reader thought of the answer."""
    await service.questions.delete(question_id)


@router.delete("/questions", responses=responses(403, 422, 503))
async def delete_questions(
    service: ServiceDep,
    caller: Annotated[str, Query(min_length=1, max_length=300, description="The name on the account.")],
) -> Deleted:
    """Forget all that one caller has asked."""
    return Deleted(deleted=await service.questions.delete_of(caller))


@router.get("/gaps", response_model=GapList, responses=responses(403, 422, 503))
async def gaps(
    service: ServiceDep,
    days: Days = 30,
    disliked: Annotated[bool, Query(description="Count answers that were rated down too.")] = False,
    format: Format = "json",
) -> GapList | Response:
    """What readers asked and the documents did not answer, questions of one meaning together."""
    found = await service.gaps.find(days, disliked=disliked)
    titles = await service.store.titles({each for gap in found.gaps for each in gap.nearest})
    if format == "csv":
        head = ("question", "count", "disliked", "callers", "last", "examples", "nearest")
        rows = (
            (
                gap.question,
                gap.count,
                gap.disliked,
                gap.callers,
                gap.last.isoformat(timespec="seconds"),
                " | ".join(gap.examples),
                " | ".join(titles[each] for each in gap.nearest if each in titles),
            )
            for gap in found.gaps
        )
        return csv_reply("citebox-gaps.csv", head, _each(rows))
    return GapList(**dict(found), titles=titles)


@router.get("/feedback", responses=responses(403, 422, 503))
async def feedback_summary(service: ServiceDep, days: Days = 30) -> FeedbackSummary:
    """What readers thought: by day, by reason, by the documents that their answers cite."""
    log = service.questions
    since, until = last_days(log.now(), days)
    rated = [one for one in await log.since(0.0, rated=True) if one.rated and one.rated.date() >= since]
    answers = await log.count(Chosen(outcome="answered", since=since, until=until))
    summary = feedback_of(rated, answers, since, until)
    titles = await service.store.titles({one.document_id for one in summary.documents})
    return FeedbackSummary(**dict(summary), titles=titles)


@router.get("/activity", responses=responses(403, 422, 503))
async def activity(service: ServiceDep, days: Days = 30) -> Activity:
    """Questions, times and dollars of each day."""
    log = service.questions
    since, until = last_days(log.now(), days)
    asked = await log.since((log.now() // DAY - days + 1) * DAY)
    usage = await service.ledger.sums(("day", "model"), since=since, until=until)
    days_asked = await asyncio.to_thread(activity_of, asked, since, until)  # they may be very many
    return Activity(days=days_asked, usage=usage)


def _sheet(log: QuestionLog, chosen: Chosen) -> StreamingResponse:
    async def rows() -> AsyncIterator[Iterable[object]]:
        before: int | None = None
        while True:
            found, before = await log.find(chosen, SHEET_PAGE, before)
            for one in found:
                yield _row(one)
            if before is None:
                return

    return csv_reply("citebox-questions.csv", SHEET, rows())


def _row(one: LoggedQuestion) -> tuple[object, ...]:
    return (
        one.at.isoformat(timespec="seconds"),
        one.caller,
        one.question,
        one.standalone,
        one.outcome,
        one.route,
        one.model,
        one.ms,
        one.usd,
        one.cached,
        " ".join(one.documents),
        one.rating,
        " ".join(one.reasons),
        one.comment,
        one.id,
    )


async def _each(rows: Iterable[Iterable[object]]) -> AsyncIterator[Iterable[object]]:
    for row in rows:
        yield row
