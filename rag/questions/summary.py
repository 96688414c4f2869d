"""The log in numbers: what readers thought, and how busy and how quick the service was, by day (UTC)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from rag.questions.logged import LoggedQuestion, QuestionOutcome, Rating, Reason


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class FeedbackDay(_Row):
    day: date
    up: int = 0
    down: int = 0


class FeedbackReason(_Row):
    reason: Reason
    count: int


class FeedbackDocument(_Row):
    """What was thought of the answers that cite a document."""

    document_id: str
    up: int
    down: int


class Feedback(_Row):
    """What readers thought of answers; days are those on which they said so."""

    days: tuple[FeedbackDay, ...]
    up: int
    down: int
    answers: int = Field(description="Answers that could have been rated.")
    reasons: tuple[FeedbackReason, ...]
    documents: tuple[FeedbackDocument, ...] = Field(description="Those with the most thumbs down first.")


class ActivityDay(_Row):
    """The questions of one day."""

    day: date
    questions: int = 0
    outcomes: dict[QuestionOutcome, int] = Field(default_factory=dict)
    cached: int = 0
    p50_ms: float | None = Field(default=None, description="Half of the answers were there by then.")
    p95_ms: float | None = None


def feedback_of(rated: Sequence[LoggedQuestion], answers: int, since: date, until: date) -> Feedback:
    """The summary of rated questions; every day from `since` to `until` has a row."""
    told: Counter[tuple[date, Rating]] = Counter()
    reasons: Counter[Reason] = Counter()
    cited: Counter[tuple[str, Rating]] = Counter()
    total: Counter[Rating] = Counter()
    for one in rated:
        if one.rating is None:
            continue
        total[one.rating] += 1
        told[(one.rated or one.at).date(), one.rating] += 1
        reasons.update(one.reasons)
        cited.update((document, one.rating) for document in one.documents)
    documents = [
        FeedbackDocument(document_id=each, up=cited[each, "up"], down=cited[each, "down"])
        for each in dict.fromkeys(document for document, _ in cited)
    ]
    return Feedback(
        days=tuple(
            FeedbackDay(day=day, up=told[day, "up"], down=told[day, "down"]) for day in _days(since, until)
        ),
        up=total["up"],
        down=total["down"],
        answers=answers,
        reasons=tuple(FeedbackReason(reason=reason, count=n) for reason, n in reasons.most_common()),
        documents=tuple(sorted(documents, key=lambda one: (-one.down, -one.up))),
    )


def activity_of(asked: Sequence[LoggedQuestion], since: date, until: date) -> list[ActivityDay]:
    """Every day from `since` to `until`; the times are of whole answers that a model or quotes made anew."""
    by_day: dict[date, list[LoggedQuestion]] = {day: [] for day in _days(since, until)}
    for one in asked:
        if (day := one.at.date()) in by_day:
            by_day[day].append(one)
    return [_activity(day, ones) for day, ones in by_day.items()]


def _activity(day: date, asked: Sequence[LoggedQuestion]) -> ActivityDay:
    times = sorted(
        one.ms
        for one in asked
        if one.outcome in ("answered", "not_found", "clarification") and not one.cached
    )
    return ActivityDay(
        day=day,
        questions=len(asked),
        outcomes=dict(Counter(one.outcome for one in asked)),
        cached=sum(one.cached for one in asked),
        p50_ms=_percentile(times, 0.5),
        p95_ms=_percentile(times, 0.95),
    )


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """By the nearest rank: a time that was measured, not one between two."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None


def _days(since: date, until: date) -> list[date]:
    return [since + timedelta(days=number) for number in range((until - since).days + 1)]


def last_days(now: float, days: int) -> tuple[date, date]:
    """The first and the last of the last days, today included (UTC)."""
    today = datetime.fromtimestamp(now, UTC).date()
    return today - timedelta(days=days - 1), today
