"""The endpoints: which request gets which answer."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from . import batches, errors, models, rules, wire
from .delivery import Answer, RecordedRequest, deliver
from .replies import Asked, ErrorStatus, Reply, as_reply
from .sources import citable
from .usage import PromptCache, prompt_tokens

_LIMITS = {"requests": 4_000, "tokens": 4_800_000, "input-tokens": 4_000_000, "output-tokens": 800_000}
_STATUSES = {type: status for status, type in reversed(errors.TYPES.items())}
_MOST_MODELS = 1000


class Api:
    """The ASGI application. `keys` None accepts any key but `bad-key`."""

    def __init__(self, default: Reply, keys: Collection[str] | None) -> None:
        self.requests: list[RecordedRequest] = []
        self.queue: deque[str | Reply | ErrorStatus] = deque()
        self.cache = PromptCache()
        self.batches = batches.Batches(self._message)
        self.closing = asyncio.Event()
        """Set when the responses under way must end."""
        self._default = default
        self._keys = keys
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            raw = await request.body()
        except ClientDisconnect:
            return
        record = RecordedRequest(request.method, request.url.path, dict(request.headers))
        self.requests.append(record)
        number = next(self._numbers)
        try:
            answer = self._answer(request, raw, record, number)
        except errors.Rejected as no:
            answer = _error(no, number)
        except Exception as error:
            # A request that the rules should have rejected, or a fault of the server: never a hanging test.
            answer = _error(errors.Rejected(f"the test server failed: {error!r}", status=500), number)
        await deliver(answer, record, receive, send, self.closing)

    def _answer(self, request: Request, raw: bytes, record: RecordedRequest, number: int) -> Answer:
        key = rules.check_headers(record.headers, self._keys)
        known = request.url.path.rstrip("/")
        if known == batches.PATH or known.startswith(f"{batches.PATH}/"):
            return self._batches(request, known.removeprefix(batches.PATH), raw, record, number)
        if request.method == "POST" and known in ("/v1/messages", "/v1/messages/count_tokens"):
            record.body = rules.parse(raw)
            if known.endswith("count_tokens"):
                model = rules.check_count(record.body)
                return _json(200, {"input_tokens": prompt_tokens(record.body, model)}, number)
            return self._create(record.body, key, number)
        if request.method == "GET" and known == "/v1/models":
            return _json(200, _models(request), number)
        if request.method == "GET" and known.startswith("/v1/models/"):
            return _json(200, models.info(rules.find_model(known.removeprefix("/v1/models/"))), number)
        raise errors.Rejected(f"{request.method} {request.url.path} is not here", status=404)

    def _batches(
        self, request: Request, rest: str, raw: bytes, record: RecordedRequest, number: int
    ) -> Answer:
        base = f"{request.url.scheme}://{request.url.netloc}"
        match request.method, rest.split("/")[1:]:
            case "POST", []:
                created = self.batches.create(raw)
                record.body = json.loads(raw)
                return _json(200, created, number)
            case "GET", []:
                return _json(200, self.batches.page(request.query_params, base), number)
            case "GET", [id]:
                return _json(200, self.batches.get(id, base), number)
            case "POST", [id, "cancel"]:
                return _json(200, self.batches.cancel(id, base), number)
            case "GET", [id, "results"]:
                data = self.batches.results(id)
                kind = {"content-type": "application/x-jsonl", "content-length": str(len(data))}
                return Answer(200, {**_headers(number), **kind}, [(0.0, data)])
        raise errors.Rejected(f"{request.method} {request.url.path} is not here", status=404)

    def _message(self, body: dict[str, Any], reply: str | Reply | None) -> dict[str, Any]:
        """The message that answers one request of a batch."""
        model = rules.check_create(body)
        rules.check_length(prompt_tokens(body, model), model)
        plan = as_reply(reply or self._default).plan(Asked(body, model, citable(body)))
        usage = self.cache.use(body, model, "batch")
        id = f"msg_{next(self._numbers):024d}"
        return wire.message(wire.fitted(plan, body, model), id=id, model=model, usage=usage)

    def _create(self, body: dict[str, Any], key: str, number: int) -> Answer:
        model = rules.check_create(body)
        rules.check_length(prompt_tokens(body, model), model)
        reply = self.queue.popleft() if self.queue else self._default
        if isinstance(reply, ErrorStatus):
            return _json(reply.status, reply.body(_request_id(number)), number, reply.headers)
        try:
            plan = as_reply(reply).plan(Asked(body, model, citable(body)))
        except IndexError as error:
            raise errors.Rejected(f"enqueued reply does not fit the request: {error}", status=500) from error
        plan = wire.fitted(plan, body, model)
        streamed = body.get("stream", False)
        if plan.ending is wire.Ending.ERROR and not streamed:
            raise errors.Rejected(plan.error_message, status=_STATUSES[plan.error_type], type=plan.error_type)
        if plan.ending is wire.Ending.SILENT and not streamed:
            raise errors.Rejected("enqueued reply fits a streamed request only", status=500)
        usage = self.cache.use(body, model, key)
        message = f"msg_{number:024d}"
        whole = plan.ending is not wire.Ending.CUT
        if streamed:
            events = wire.events(plan, id=message, model=model, usage=usage, request_id=_request_id(number))
            kind = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
            return Answer(200, {**_headers(number), **kind}, _paced(plan, events), whole)
        answer = _json(200, wire.message(plan, id=message, model=model, usage=usage), number)
        ((_, data),) = answer.chunks
        delay = plan.before_first + wire.writing_time(plan)
        return replace(answer, chunks=[(delay, data if whole else data[: len(data) // 2])], whole=whole)


def _paced(plan: wire.Plan, events: Iterator[wire.Event]) -> Iterator[tuple[float, bytes]]:
    """Events with the seconds to wait before each: the first, and every delta after the first delta."""
    wrote = False
    for n, event in enumerate(events):
        delta = event["type"] == "content_block_delta"
        yield plan.before_first if n == 0 else plan.delay_per_chunk * (delta and wrote), wire.encoded(event)
        wrote = wrote or delta


def _json(status: int, body: dict[str, Any], number: int, headers: Any = None) -> Answer:
    data = json.dumps(body, ensure_ascii=False).encode()
    kind = {"content-type": "application/json", "content-length": str(len(data))}
    return Answer(status, {**_headers(number), **kind, **(headers or {})}, [(0.0, data)])


def _error(no: errors.Rejected, number: int) -> Answer:
    return _json(no.status, errors.body(no.type, no.message, request_id=_request_id(number)), number)


def _models(request: Request) -> dict[str, Any]:
    query = request.query_params
    lifecycles = {*query.getlist("lifecycle"), *query.getlist("lifecycle[]")} or {"active", "deprecated"}
    try:
        limit = int(query.get("limit", "20"))
    except ValueError:
        limit = 0
    if not 1 <= limit <= _MOST_MODELS:
        raise errors.Rejected(f"limit: Input should be from 1 to {_MOST_MODELS}")
    return models.page(lifecycles, query.get("after_id"), limit)


def _request_id(number: int) -> str:
    return f"req_{number:024d}"


def _headers(number: int) -> dict[str, str]:
    reset = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {"request-id": _request_id(number)}
    for name, limit in _LIMITS.items():
        prefix = f"anthropic-ratelimit-{name}"
        headers[f"{prefix}-limit"] = str(limit)
        headers[f"{prefix}-remaining"] = str(max(limit - number, 0))
        headers[f"{prefix}-reset"] = reset
    return headers
