"""The API's one error shape. https://platform.claude.com/docs/en/api/errors"""

from __future__ import annotations

from typing import Any

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Rejected(Exception):
    """The API answers this request with an error; `type` follows from `status` unless it is given."""

    def __init__(self, message: str, *, status: int = 400, type: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type or TYPES[status]


def body(
    type: str, message: str, *, request_id: str | None, details: dict[str, Any] | None = None
) -> dict[str, Any]:
    error: dict[str, Any] = {"type": type, "message": message}
    if details is not None:
        error["details"] = details
    return {"type": "error", "error": error, "request_id": request_id}
