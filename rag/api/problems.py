"""One error shape on every path: `application/problem+json` (RFC 9457), with `code` and `request_id`."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from rag.errors import CiteboxError, ClaudeUnavailable, Overloaded, TooLarge

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
CODES = {TooLarge.status: TooLarge.code}
"""Statuses whose phrase differs between versions of Python."""


class Problem(BaseModel):
    """RFC 9457, with a stable `code`, the `remedy` where there is one, and the request's id for the logs."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    remedy: str | None = None
    request_id: str
    errors: list[dict[str, Any]] | None = Field(default=None, description="What is wrong with which field.")


def problem_of(error: CiteboxError, request_id: str) -> Problem:
    return Problem(
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        remedy=error.remedy,
        request_id=request_id,
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of the problems that a route may answer with."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answer every error, ours and the framework's, in the one shape."""

    @app.exception_handler(CiteboxError)
    async def ours(request: Request, error: CiteboxError) -> JSONResponse:
        if error.status >= 500:
            log.warning("%s: %s", error.code, error, extra={"request": f" [{request_id(request)}]"})
        after = error.retry_after if isinstance(error, ClaudeUnavailable | Overloaded) else None
        headers = None if after is None else {"Retry-After": str(max(1, math.ceil(after)))}
        return _reply(problem_of(error, request_id(request)), headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [{"field": _field(one), "message": _plain_words(one)} for one in error.errors()]
        first = errors[0] if errors else {"field": "", "message": "the request is not valid"}
        return _reply(
            Problem(
                title="The request is not valid",
                status=422,
                detail=f"{first['field']}: {first['message']}" if first["field"] else first["message"],
                code="invalid_request",
                request_id=request_id(request),
                errors=errors,
            )
        )

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        problem = Problem(
            title=phrase,
            status=error.status_code,
            detail=str(error.detail),
            code=CODES.get(error.status_code) or phrase.lower().replace(" ", "_"),
            request_id=request_id(request),
        )
        return _reply(problem, headers=dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def not_ours(request: Request, error: Exception) -> JSONResponse:
        ident = request_id(request)
        log.exception("unforeseen error", extra={"request": f" [{ident}]"})
        # Starlette answers these outside of all middleware, so the guard's headers are not on them.
        headers = {"X-Request-Id": ident, "X-Content-Type-Options": "nosniff"}
        headers |= request.scope.get("state", {}).get("cors", {})
        return _reply(unforeseen(ident), headers=headers)


def _field(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":  # its place is a position in the text
        return ""
    return ".".join(str(part) for part in error["loc"][1:])


def _plain_words(error: dict[str, Any]) -> str:
    """The validator's words where they help, ours where they speak of its insides."""
    match error["type"]:
        case "json_invalid":
            return f"the body is not valid JSON (at character {error['loc'][-1]})"
        case "model_attributes_type" | "dict_type" if len(error["loc"]) == 1:
            return "the body must be a JSON object, sent with `Content-Type: application/json`"
        case "missing" if len(error["loc"]) == 1:
            return "the request has no body"
    return str(error["msg"]).removeprefix("Value error, ")


def unforeseen(ident: str) -> Problem:
    """A fault of our own: what it was is for the log alone."""
    return Problem(
        title="Something went wrong",
        status=500,
        detail="The service met an error of its own; its log has the details.",
        code="internal_error",
        request_id=ident,
    )


def request_id(request: Request) -> str:
    """The id that the logs know this request by."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def _reply(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    headers = headers or {}
    if problem.status == 503:
        headers.setdefault("Retry-After", "2")
    return JSONResponse(
        problem.model_dump(exclude_none=True), problem.status, media_type=MEDIA_TYPE, headers=headers
    )
