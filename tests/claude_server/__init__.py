"""Claude's Messages protocol for tests: the official SDK talks to it as it would to the API.

It rejects what the API rejects, streams what the API streams, fails as the API fails, and is never
reached over the network. What it knows is the API as it was read on 2026-11-24.
"""

from .batches import Batch, Expired
from .delivery import RecordedRequest
from .grounded import NOT_FOUND, Grounded
from .replies import (
    CleanEndWithoutStop,
    ContextExceeded,
    CutConnection,
    ErrorStatus,
    InvalidCitation,
    MaxTokens,
    MidStreamError,
    Part,
    Refusal,
    Reply,
    Slow,
    Text,
    Thinking,
    rate_limited,
    spend_cap,
)
from .server import ClaudeServer
from .sources import Cite

__all__ = [
    "NOT_FOUND",
    "Batch",
    "Cite",
    "ClaudeServer",
    "CleanEndWithoutStop",
    "ContextExceeded",
    "CutConnection",
    "ErrorStatus",
    "Expired",
    "Grounded",
    "InvalidCitation",
    "MaxTokens",
    "MidStreamError",
    "Part",
    "RecordedRequest",
    "Refusal",
    "Reply",
    "Slow",
    "Text",
    "Thinking",
    "rate_limited",
    "spend_cap",
]
