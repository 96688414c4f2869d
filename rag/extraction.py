"""Values by a schema, each with its citations, written into a draft."""

from __future__ import annotations

import json

from rag.claude import ClaudeClient
from rag.documents import Answer
from rag.draft import Draft
from rag.events import Question
from rag.retrieval import Stopwatch
from rag.settings import Settings
from rag.structured import extract, leaves
from rag.writing import Work


async def fill_in(
    claude: ClaudeClient,
    settings: Settings,
    work: Work,
    question: Question,
    asked: str,
    draft: Draft,
    watch: Stopwatch,
) -> Answer:
    """The answer whose `data` fits the question's schema; its text has a line for each value, with markers.

    Raises:
        InvalidRequest: the schema cannot be used.
        AnswerError: Claude gave no value that fits.
        OverBudget: asking for it would pass what may be spent.
    """
    fast = work.task.kind == "lookup"
    with watch.stage("generate"):
        found = await extract(
            claude,
            work.task.model,
            asked,
            dict(question.schema or {}),
            work.task.given,
            max_tokens=settings.answer_max_tokens if fast else settings.synthesis_max_tokens,
            deadline=draft.ends.left,
            payer=draft.purse,
        )
    if not found.found or not any(True for _ in leaves(found.data)):
        return draft.not_found()
    for pointer, value in leaves(found.data):
        lead = "\n" if draft.text.text else ""
        shown = value if isinstance(value, str) else json.dumps(value)
        draft.text.feed(f"{lead}{pointer or '/'}: {shown}")
        for _ in draft.cite(found.places.get(pointer, ())):
            pass
    draft.text.finish()
    if not draft.citations.all or (question.strict and found.unverified):
        draft.start_again()
        draft.add_notice("What the model gave is not in the documents word for word, and was withheld.")
        return draft.not_found()
    draft.data = found.data
    if found.unverified:
        draft.add_notice(f"Not word for word in what is cited: {', '.join(found.unverified)}.")
    return draft.whole()
