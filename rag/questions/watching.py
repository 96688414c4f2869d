"""The events of an answer on their way to the reader, and what came of them in the log."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from rag.errors import AnswerRefused, CiteboxError
from rag.events import AnswerEvent, Done
from rag.questions.log import QuestionLog
from rag.questions.logged import LoggedQuestion, QuestionOutcome, of_answer


async def watched(
    answering: AsyncGenerator[AnswerEvent], log: QuestionLog, question: str, caller: str
) -> AsyncGenerator[AnswerEvent]:
    """The same events; the question is noted once, when its answer is there or will not come."""
    at = log.now()
    worked, resumed = 0.0, time.monotonic()
    working = True  # and not waiting for the reader, who has an event
    outcome: QuestionOutcome = "stopped"  # unless something else comes of it
    noted = False
    try:
        async with aclosing(answering) as events:
            async for event in events:
                worked += time.monotonic() - resumed
                working = False
                if isinstance(event, Done):
                    # Before its reader has it: they may rate it at once.
                    log.note(of_answer(event.answer, at, caller, question, round(worked * 1000, 1)))
                    noted = True
                yield event
                resumed, working = time.monotonic(), True
    except CiteboxError as error:
        outcome = "refused" if error.status < 500 or isinstance(error, AnswerRefused) else "failed"
        raise
    except Exception:
        outcome = "failed"
        raise
    finally:
        if not noted:
            if working:
                worked += time.monotonic() - resumed
            log.note(
                LoggedQuestion(
                    id=uuid.uuid4().hex,
                    at=datetime.fromtimestamp(at, UTC),
                    caller=caller,
                    question=question,
                    outcome=outcome,
                    ms=round(worked * 1000, 1),
                )
            )
