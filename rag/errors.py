"""Every error Citebox raises on purpose.

CiteboxError
|-- SettingsError            a setting is missing, unknown or malformed
|-- ModelUnavailable         an embedding or rerank model cannot be loaded
|-- StoreError               the vector store misbehaved
|   |-- StoreUnavailable     it cannot be reached
|   `-- IndexMismatch        it holds vectors of another embedding model
|-- SourceError              one file cannot be ingested; the others go on
|   |-- UnsupportedFormat
|   |-- EmptySource
|   |-- SourceTooLarge
|   |-- SourceUnreadable
|   |-- SourceEncrypted
|   |-- SourceDamaged
|   `-- NoTextFound
|-- InvalidRequest           the caller asked for something malformed
|-- TooLarge                 the request's body is longer than any may be
|-- NotFound                 no such document, version or chunk for this reader
|-- Forbidden                the caller may not do this
|   `-- DownloadsOff         originals are not given out
|-- FeedbackOff              the service keeps no log of questions to which it could belong
|-- NoOriginal               nothing is there from which a document could be read again
|-- PictureFailed            a page cannot be drawn
|-- NotReady                 the service is still loading its models
|-- OriginNotAllowed         the request comes from a page of an origin that may not send it
|-- Unauthorised             the API key is missing, not known or revoked
|   |-- TokenExpired         the signed token was good, and its time is over
|   `-- TokenInvalid         the signed token is not one of this service's
|-- Overloaded               more questions at once than the machine can work on
|   `-- TooFast              more questions in a minute than this origin may ask
|-- OverBudget               the answer would cost more than may be spent
|-- ClientGone               nobody is left to answer
`-- AnswerError              no whole answer could be generated
    |-- ClaudeUnavailable    Claude could not be reached or is overloaded
    |   |-- RateLimited      it takes no more requests for now
    |   `-- CircuitOpen      it failed so often that it is not asked for a while
    |-- ClaudeRejected       Claude refused the request
    |   |-- KeyRejected      the key is wrong or may not do this
    |   |-- SpendCapReached  the account may spend no more
    |   |-- ModelUnknown     it has no such model
    |   `-- ContextExceeded  the request is larger than the model can read
    |-- AnswerRefused        Claude declined to answer
    |-- AnswerCutOff         the answer stopped before its end
    `-- SchemaMismatch       the answer does not fit the schema that was asked for
"""

from __future__ import annotations

from typing import ClassVar


class CiteboxError(Exception):
    """An error a person can act on: what happened, and the remedy where there is one.

    `code` is stable and machine-readable; `status` is the HTTP status it maps to (RFC 9457).
    """

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500

    def __init__(self, detail: str, *, remedy: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.detail} ({self.remedy})" if self.remedy else self.detail


class SettingsError(CiteboxError):
    code = "bad_settings"
    title = "The settings are not usable"


class ModelUnavailable(CiteboxError):
    code = "model_unavailable"
    title = "A local model cannot be loaded"
    status = 503


class StoreError(CiteboxError):
    code = "store_error"
    title = "The vector store failed"
    status = 503


class StoreUnavailable(StoreError):
    code = "store_unavailable"
    title = "The vector store cannot be reached"


class IndexMismatch(StoreError):
    code = "index_mismatch"
    title = "The index was built by another embedding model"
    status = 409


class SourceError(CiteboxError):
    code = "source_error"
    title = "The file cannot be ingested"
    status = 422


class UnsupportedFormat(SourceError):
    code = "unsupported_format"


class EmptySource(SourceError):
    code = "empty_source"


class SourceTooLarge(SourceError):
    code = "source_too_large"
    status = 413


class SourceUnreadable(SourceError):
    code = "source_unreadable"


class SourceEncrypted(SourceError):
    code = "source_encrypted"


class SourceDamaged(SourceError):
    code = "source_damaged"


class NoTextFound(SourceError):
    code = "no_text_found"


class InvalidRequest(CiteboxError):
    code = "invalid_request"
    title = "The request is not valid"
    status = 422


class TooLarge(CiteboxError):
    code = "too_large"
    title = "The request is too large"
    status = 413


class NotFound(CiteboxError):
    code = "not_found"
    title = "Not found"
    status = 404


class Forbidden(CiteboxError):
    code = "forbidden"
    title = "Not allowed"
    status = 403


class FeedbackOff(CiteboxError):
    code = "feedback_off"
    title = "No feedback is kept"
    status = 409


class NoOriginal(CiteboxError):
    code = "no_original"
    title = "There is nothing to read again"
    status = 409


class DownloadsOff(Forbidden):
    code = "downloads_off"
    title = "Originals cannot be downloaded"


class PictureFailed(CiteboxError):
    code = "picture_failed"
    title = "The page cannot be drawn"
    status = 422


class NotReady(CiteboxError):
    code = "starting"
    title = "The service is starting"
    status = 503


class OriginNotAllowed(CiteboxError):
    code = "origin_not_allowed"
    title = "Pages of this origin may not do this"
    status = 403


class Unauthorised(CiteboxError):
    code = "unauthorised"
    title = "An API key or a token is needed"
    status = 401


class TokenExpired(Unauthorised):
    code = "token_expired"
    title = "The token has expired"


class TokenInvalid(Unauthorised):
    code = "token_invalid"
    title = "The token is not valid"


class Overloaded(CiteboxError):
    """`retry_after`: the seconds after which to ask again."""

    code = "overloaded"
    title = "Too many questions at once"
    status = 429

    def __init__(self, detail: str, *, remedy: str | None = None, retry_after: float) -> None:
        super().__init__(detail, remedy=remedy)
        self.retry_after = retry_after


class TooFast(Overloaded):
    code = "rate_limited"
    title = "Too many questions in a short time"


class OverBudget(CiteboxError):
    code = "over_budget"
    title = "The budget does not allow this answer"
    status = 402


class ClientGone(CiteboxError):
    """Nobody is left to answer; 499 is what servers log for it."""

    code = "client_closed_request"
    title = "The client closed the request"
    status = 499


class AnswerError(CiteboxError):
    code = "answer_failed"
    title = "No whole answer could be generated"
    status = 502


class ClaudeUnavailable(AnswerError):
    """`retry_after`: the seconds after which to ask again; None when that is not known."""

    code = "claude_unavailable"
    title = "Claude cannot be reached"
    status = 503

    def __init__(self, detail: str, *, remedy: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(detail, remedy=remedy)
        self.retry_after = retry_after


class RateLimited(ClaudeUnavailable):
    code = "claude_rate_limited"
    title = "Claude takes no more requests for now"


class CircuitOpen(ClaudeUnavailable):
    code = "claude_circuit_open"
    title = "Claude is not asked for a while"


class ClaudeRejected(AnswerError):
    code = "claude_rejected"
    title = "Claude did not accept the request"


class KeyRejected(ClaudeRejected):
    code = "claude_key_rejected"


class SpendCapReached(ClaudeRejected):
    code = "claude_spend_cap"


class ModelUnknown(ClaudeRejected):
    code = "claude_model_unknown"


class ContextExceeded(ClaudeRejected):
    code = "claude_context_exceeded"


class AnswerRefused(AnswerError):
    code = "answer_refused"
    title = "Claude declined to answer"


class AnswerCutOff(AnswerError):
    code = "answer_cut_off"
    title = "The answer stopped before its end"


class SchemaMismatch(AnswerError):
    code = "schema_mismatch"
    title = "The answer does not fit the schema"
