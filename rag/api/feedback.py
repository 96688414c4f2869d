"""POST /v1/feedback: what the one who asked thinks of an answer."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from rag.api.deps import CallerDep, ServiceDep
from rag.api.problems import responses
from rag.errors import FeedbackOff
from rag.questions import Rating, Reason

router = APIRouter(prefix="/v1", tags=["questions"])

LONGEST_COMMENT = 1000


class FeedbackRequest(BaseModel):
    """A thumb up or down, and perhaps why."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    answer_id: str = Field(min_length=1, max_length=64, description="The `id` of the answer.")
    rating: Rating
    reasons: tuple[Reason, ...] = Field(default=(), max_length=6)
    comment: str | None = Field(default=None, max_length=LONGEST_COMMENT)

    @field_validator("comment")
    @classmethod
    def _is_text(cls, value: str | None) -> str | None:
        try:
            (value or "").encode()
        except UnicodeEncodeError:
            raise ValueError("the text holds half a character (a lone surrogate)") from None
        return value or None


@router.post("/feedback", status_code=204, responses=responses(401, 404, 409, 422, 503))
async def feedback(given: FeedbackRequest, service: ServiceDep, caller: CallerDep) -> None:
    """Keep what the caller thinks of an answer that they were given; again with the same id replaces it."""
    if not service.questions.on:
        raise FeedbackOff(
            "this service keeps no questions and no feedback",
            remedy="set RAG_QUESTION_LOG_DAYS on the service",
        )
    await service.questions.rate(given.answer_id, caller.name, given.rating, given.reasons, given.comment)
