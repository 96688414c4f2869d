"""What went wrong with Claude: the error a caller sees, and whether another attempt may do better.

https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

import json
import math
import re
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING

from rag.errors import (
    AnswerCutOff,
    AnswerError,
    ClaudeRejected,
    ClaudeUnavailable,
    ContextExceeded,
    KeyRejected,
    ModelUnknown,
    RateLimited,
    SpendCapReached,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anthropic import APIStatusError

_PASSING = frozenset({"overloaded_error", "api_error", "timeout_error", "rate_limit_error"})
"""Types of an error in the middle of a stream that may be over when the request is sent again."""

# Where the API gives no code of its own: a miss only makes the message less exact.
_TOO_LONG = re.compile(r"prompt is too long|context (?:window|limit|length)", re.IGNORECASE)
_SPENT = re.compile(r"usage limit|spend|credit balance|billing", re.IGNORECASE)


class Failed(Exception):
    """An attempt that failed, and what follows from it.

    `retry`: another attempt may do better. `unavailable`: it speaks against the API's health, and not
    against the request. `retry_after`: the seconds Claude wants to be left alone; None when it did not say.
    """

    def __init__(
        self,
        error: AnswerError,
        *,
        retry: bool = False,
        unavailable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry = retry
        self.unavailable = unavailable
        self.retry_after = retry_after


def failure_of(error: Exception) -> Exception:
    """An error of the SDK as ours; one that is not Claude's doing comes back as it is."""
    failed = judged(error)
    return error if failed is None else failed.error


def judged(error: Exception) -> Failed | None:
    """What an error of the SDK means; None for one that is not Claude's doing.

    The SDK's messages may quote the request, so only status and type are passed on.
    """
    import anthropic

    if isinstance(error, Failed):
        return error
    if isinstance(error, anthropic.APIStatusError):
        return _in_the_stream(error) if error.status_code == 200 else _refused(error)
    if isinstance(error, anthropic.APIConnectionError):
        return _unreachable(type(error).__name__)
    # httpx2, on which the SDK is built, lets a dropped connection through as its own type.
    if isinstance(error, OSError) or type(error).__module__.startswith(("httpx2", "httpcore2")):
        cut = AnswerCutOff("the connection to Claude broke off in the middle of the answer")
        return Failed(cut, retry=True, unavailable=True)
    if isinstance(error, (json.JSONDecodeError, anthropic.APIError)):
        cut = AnswerCutOff("what Claude sent could not be read to its end")
        return Failed(cut, retry=True, unavailable=True)
    return None


def _in_the_stream(error: APIStatusError) -> Failed:
    """An error event after the API had said that all is well."""
    kind = error.type or "error"
    cut = AnswerCutOff(f"Claude stopped in the middle of the answer ({kind})")
    passing = kind in _PASSING
    return Failed(cut, retry=passing, unavailable=passing and kind != "rate_limit_error")


def _refused(error: APIStatusError) -> Failed:
    status, kind = error.status_code, error.type or "error"
    said = f"{status} {kind}"
    message = error.api_message or ""
    after = retry_after(error.response.headers)
    if status == 402 or kind == "billing_error" or (error.error_code or "").endswith("_spend_limit_reached"):
        return _spend_cap(said)
    if status == 429:
        if after is None and _SPENT.search(message):
            return _spend_cap(said)
        limited = RateLimited(
            f"Claude takes no more requests for now ({kind})",
            remedy="try again shortly" if after is None else f"try again in {math.ceil(after)} s",
            retry_after=after,
        )
        return Failed(limited, retry=True, retry_after=after)
    if status in (408, 409) or status >= 500:
        return _unreachable(said, unavailable=status >= 500, after=after)
    if status in (401, 403):
        return Failed(KeyRejected(f"Claude refused the key ({said})", remedy="check ANTHROPIC_API_KEY"))
    if status == 404:
        return Failed(
            ModelUnknown(
                f"Claude does not know the model ({said})",
                remedy="check RAG_FAST_MODEL and RAG_THOROUGH_MODEL",
            )
        )
    if status == 413 or _TOO_LONG.search(message):
        return Failed(ContextExceeded(f"the documents are larger than the model can read at once ({said})"))
    return Failed(ClaudeRejected(f"Claude did not accept the request ({said})"))


def _spend_cap(said: str) -> Failed:
    return Failed(
        SpendCapReached(
            f"the account at Claude may spend no more ({said})",
            remedy="raise the spend limit or add credit in the account's settings",
        )
    )


def _unreachable(said: str, *, unavailable: bool = True, after: float | None = None) -> Failed:
    error = ClaudeUnavailable(
        f"Claude cannot be reached or is overloaded ({said})", remedy="try again shortly", retry_after=after
    )
    return Failed(error, retry=True, unavailable=unavailable, retry_after=after)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks to wait, given as such or as a date; None when it does not say."""
    said = headers.get("retry-after", "")
    try:
        # The finer one is not in any standard, but the SDK knows it.
        finer = headers.get("retry-after-ms")
        seconds = float(finer) / 1000 if finer else float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time()
        except ValueError:
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
