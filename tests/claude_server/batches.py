"""The Message Batches endpoints. A batch ends after so many looks at it, or when the test says so.

https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .content import require, type_of
from .errors import Rejected, body
from .replies import ErrorStatus, Reply

PATH = "/v1/messages/batches"
LARGEST_BODY = 256_000_000
MOST_REQUESTS = 100_000
MOST_LISTED = 1000

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_EPOCH = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Expired:
    """The request is not reached within the batch's 24 hours."""


BatchReply = str | Reply | ErrorStatus | Expired
Answering = Callable[[dict[str, Any], "str | Reply | None"], dict[str, Any]]
"""The message that answers the `params` of one request, with this reply or the default one."""


@dataclass(slots=True)
class Batch:
    """One batch as the server keeps it; `results` are there once it has ended, last request first."""

    id: str
    requests: list[dict[str, Any]]
    replies: list[BatchReply | None]
    created: datetime
    looks: int = 0
    canceled: datetime | None = None
    ended: datetime | None = None
    archived: datetime | None = None
    results: list[dict[str, Any]] = field(default_factory=list)


class Batches:
    """All batches of a server. `looks` is how many GETs of a batch find it in progress before it ends.

    With `looks` None a batch ends only by `end`. So many creations as `lost` says go well, but are answered
    with a 500, as when the answer is lost on its way.
    """

    def __init__(self, answering: Answering) -> None:
        self.kept: list[Batch] = []
        self.looks: int | None = 0
        self.lost = 0
        self.queue: deque[BatchReply] = deque()
        self.looked_at = threading.Event()
        """Set once a batch was looked at."""
        self._answering = answering
        self._ticks = 0

    def reset(self) -> None:
        self.kept.clear()
        self.queue.clear()
        self.looks = self.lost = 0
        self.looked_at.clear()

    def enqueue(self, *replies: BatchReply) -> None:
        """The next requests of batches get these, in their order; the others the default reply."""
        self.queue.extend(replies)

    def end(self, batch: Batch) -> None:
        """Process what has not been cancelled, and end the batch."""
        batch.ended = self._now()
        pairs = zip(batch.requests, batch.replies, strict=True)
        batch.results = [
            {"custom_id": one["custom_id"], "result": self._result(batch, one["params"], reply)}
            for one, reply in pairs
        ][::-1]

    def create(self, raw: bytes) -> dict[str, Any]:
        requests = _checked(raw)
        replies = [self.queue.popleft() if self.queue else None for _ in requests]
        created = self._now()
        batch = Batch(f"msgbatch_{self._ticks:024d}", requests, replies, created)
        self.kept.append(batch)
        if self.lost:
            self.lost -= 1
            raise Rejected("Enqueued by a test", status=500)
        return self._info(batch, "")

    def get(self, id: str, base: str) -> dict[str, Any]:
        batch = self.find(id)
        if batch.ended is None:
            batch.looks += 1
            self.looked_at.set()
            if batch.canceled or (self.looks is not None and batch.looks > self.looks):
                self.end(batch)
        return self._info(batch, base)

    def cancel(self, id: str, base: str) -> dict[str, Any]:
        batch = self.find(id)
        require(batch.ended is None, f"Batch {id} cannot be canceled: it has ended")
        batch.canceled = batch.canceled or self._now()
        return self._info(batch, base)

    def results(self, id: str) -> bytes:
        batch = self.find(id)
        if batch.ended is None or batch.archived:
            raise Rejected(f"Batch {id} has no available results", status=404)
        return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in batch.results)

    def page(self, query: Mapping[str, str], base: str) -> dict[str, Any]:
        """The batches created last come first."""
        try:
            limit = int(query.get("limit", "20"))
        except ValueError:
            limit = 0
        require(1 <= limit <= MOST_LISTED, f"limit: Input should be from 1 to {MOST_LISTED}")
        ids = [batch.id for batch in reversed(self.kept)]
        first = ids.index(self.find(query["after_id"]).id) + 1 if "after_id" in query else 0
        if "before_id" in query:
            first = max(ids.index(self.find(query["before_id"]).id) - limit, 0)
        listed = ids[first : first + limit]
        return {
            "data": [self._info(self.find(id), base) for id in listed],
            "has_more": first + limit < len(ids),
            "first_id": listed[0] if listed else None,
            "last_id": listed[-1] if listed else None,
        }

    def find(self, id: str) -> Batch:
        for batch in self.kept:
            if batch.id == id:
                return batch
        raise Rejected(f"Batch {id} not found", status=404)

    def _result(self, batch: Batch, params: Any, reply: BatchReply | None) -> dict[str, Any]:
        if batch.canceled:
            return {"type": "canceled"}
        if isinstance(reply, Expired):
            return {"type": "expired"}
        if isinstance(reply, ErrorStatus):
            return {"type": "errored", "error": reply.body("req_of_a_batch")}
        try:
            require(isinstance(params, dict), "params: Input should be a valid dictionary")
            require(not params.get("stream"), "stream: not supported in a batch")
            message = self._answering(params, reply)
        except Rejected as no:
            return {"type": "errored", "error": body(no.type, no.message, request_id="req_of_a_batch")}
        usage = {**message["usage"], "service_tier": "batch"}
        return {"type": "succeeded", "message": {**message, "usage": usage}}

    def _info(self, batch: Batch, base: str) -> dict[str, Any]:
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        if batch.ended is None:
            counts["processing"] = len(batch.requests)
        for one in batch.results:
            counts[one["result"]["type"]] += 1
        status = "canceling" if batch.canceled else "in_progress"
        there = batch.ended is not None and not batch.archived
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if batch.ended else status,
            "request_counts": counts,
            "created_at": _written(batch.created),
            "expires_at": _written(batch.created + timedelta(hours=24)),
            "ended_at": _written(batch.ended),
            "cancel_initiated_at": _written(batch.canceled),
            "archived_at": _written(batch.archived),
            "results_url": f"{base}{PATH}/{batch.id}/results" if there else None,
        }

    def _now(self) -> datetime:
        """A second passes whenever anything happens, and none otherwise."""
        self._ticks += 1
        return _EPOCH + timedelta(seconds=self._ticks)


def _checked(raw: bytes) -> list[dict[str, Any]]:
    """The requests of a batch. What is wrong with one request's `params` is not looked at here."""
    if len(raw) > LARGEST_BODY:
        raise Rejected("Request exceeds the maximum size", status=413)
    try:
        sent = json.loads(raw)
    except ValueError:
        raise Rejected("The request body is not valid JSON") from None
    require(isinstance(sent, dict) and type_of(sent.get("requests")) is list, "requests: Field required")
    requests: list[dict[str, Any]] = sent["requests"]
    for name in sent.keys() - {"requests"}:
        raise Rejected(f"{name}: Extra inputs are not permitted")
    require(bool(requests), "requests: List should have at least 1 item after validation")
    require(len(requests) <= MOST_REQUESTS, f"requests: List should have at most {MOST_REQUESTS} items")
    seen: set[str] = set()
    for n, one in enumerate(requests):
        for name in ("custom_id", "params"):
            require(isinstance(one, dict) and name in one, f"requests.{n}.{name}: Field required")
        for name in one.keys() - {"custom_id", "params"}:
            raise Rejected(f"requests.{n}.{name}: Extra inputs are not permitted")
        custom_id = one["custom_id"]
        require(
            isinstance(custom_id, str) and bool(_CUSTOM_ID.fullmatch(custom_id)),
            f"requests.{n}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'",
        )
        require(custom_id not in seen, f"requests.{n}.custom_id: must be unique")
        seen.add(custom_id)
    return requests


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
