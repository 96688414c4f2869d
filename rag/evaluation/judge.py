"""Claude as the judge of answers, by one message batch: what it says is kept beside the answer."""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from collections.abc import Sequence
from contextlib import aclosing

from rag.bulk.finding import Pace
from rag.claude import Prompt, Usage, prompt
from rag.claude.batches import BatchClient, BatchRequest, Reply
from rag.claude.tokens import framed_tokens
from rag.errors import ClaudeUnavailable
from rag.evaluation.kept import Judged, Result, Run
from rag.evaluation.metrics import JUDGED, without_markers
from rag.evaluation.places import Posed
from rag.purse import Purse
from rag.service import Service
from rag.settings import Settings
from rag.terminal import Progress

NAME = "judge"
MAX_TOKENS = 2000
"""Of a verdict, the thinking before it included."""
GRADES = {"CORRECT": 1.0, "PARTLY": 0.5, "WRONG": 0.0}
LONGEST_VERDICT = 300
REFUSED = "WRONG: there is no answer"

_VERDICT = re.compile(r"\W*(CORRECT|PARTLY|WRONG)\b", re.IGNORECASE)


def most_to_judge(posed: Sequence[Posed], settings: Settings, claude: BatchClient) -> float | None:
    """The most dollars that judging the answers to these questions may cost; None for an unknown price."""
    total = 0.0
    for one in posed:
        if not one.row.answerable or not one.row.answers:
            continue
        said = (prompt(NAME), one.row.question, *one.row.answers)
        read = framed_tokens(said) + settings.answer_max_tokens
        usd = claude.cost(settings.review_model, Usage(input_tokens=read, output_tokens=MAX_TOKENS))
        if usd is None:
            return None
        total += usd
    return round(total, 8)


async def judge(service: Service, run: Run, claude: BatchClient, pace: Pace, progress: Progress) -> None:
    """Grade every answer to a question with accepted answers, and write the grades into the run.

    An answer that was refused is wrong without asking. One whose verdict cannot be read has no grade.

    Raises:
        ClaudeUnavailable, ClaudeRejected, NotFound: no verdicts came.
        OverBudget: the day's budget does not allow it.
    """
    settings, caller = service.settings, service.caller
    wanted = [one for one in run.results if one.answerable and one.accepted and one.answered]
    asked: dict[str, Result] = {}
    key = uuid.uuid4().hex[:16]
    for n, one in enumerate(wanted):
        assert one.answered is not None
        if one.answered.failure:
            continue
        if one.answered.answered:
            asked[f"{key}-{n}"] = one
        else:
            _grade(one, REFUSED)
    purse = Purse(caller.name, day=caller.max_usd_per_day, ledger=service.ledger)
    requests = [_request(id, one, settings) for id, one in asked.items()]
    failed = 0
    try:
        if requests:
            await purse.hold(_most(requests, claude))
            replies = await _replies(requests, claude, pace, progress)
            for id, one in asked.items():
                reply = replies[id]
                if reply.usage is not None:
                    model = settings.review_model
                    purse.book(model, reply.usage, claude.cost(model, reply.usage))
                text = "".join(section.text for section in reply.sections).strip()
                failed += not _grade(one, text)
    finally:
        await purse.settle(None)
    run.about.judged = Judged(
        model=settings.review_model,
        prompt=f"{NAME}.md",
        prompt_sha256=hashlib.sha256(prompt(NAME).encode()).hexdigest(),
        questions=len(asked),
        failed=failed,
        usd=round(math.fsum(charge.usd or 0.0 for charge in purse.charges), 8),
    )


async def _replies(
    requests: Sequence[BatchRequest], claude: BatchClient, pace: Pace, progress: Progress
) -> dict[str, Reply]:
    progress("Sending to the judge", 0, len(requests))
    batch = await claude.create(requests)
    while not batch.ended:
        progress("Waiting for the judge", 0, len(requests))
        await pace.wait(pace.poll)
        batch = await claude.retrieve(batch.id)
    replies: dict[str, Reply] = {}
    async with aclosing(claude.results(batch.id)) as results:
        async for reply in results:
            replies[reply.custom_id] = reply
    if not {request.custom_id for request in requests} <= replies.keys():
        raise ClaudeUnavailable("the verdicts came incomplete")
    return replies


def _request(id: str, one: Result, settings: Settings) -> BatchRequest:
    assert one.answered is not None
    said = {
        "question": one.question,
        "accepted_answers": list(one.accepted),
        "answer": without_markers(one.answered.text),
    }
    asked = Prompt(prompt(NAME), (), json.dumps(said, ensure_ascii=False))
    return BatchRequest(id, settings.review_model, asked, MAX_TOKENS)


def _most(requests: Sequence[BatchRequest], claude: BatchClient) -> float | None:
    costs = []
    for request in requests:
        read = framed_tokens((request.asked.system, request.asked.question))
        usd = claude.cost(request.model, Usage(input_tokens=read, output_tokens=request.max_tokens))
        if usd is None:
            return None
        costs.append(usd)
    return math.fsum(costs)


def _grade(one: Result, verdict: str) -> bool:
    """Whether the verdict is one."""
    assert one.answered is not None
    found = _VERDICT.match(verdict)
    if found is None:
        return False
    one.answered.verdict = " ".join(verdict.split())[:LONGEST_VERDICT]
    one.answered.figures[JUDGED] = GRADES[found[1].upper()]
    return True
