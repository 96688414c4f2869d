"""A second look: a stronger model marks the sentences of an answer that their citations do not support."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from rag.claude import ClaudeClient, Form, Payer, prompt
from rag.documents import Citation, Support
from rag.errors import SchemaMismatch

VERDICT_TOKENS = 60
"""One verdict with its reason, on the safe side."""
THINKING_TOKENS = 8000
"""What the reviewer may think before: thinking counts toward the length limit."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "verdicts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "n": {"type": "integer"},
                    "supported": {"type": "boolean"},
                    "reason": {"type": "string"},
                },
                "required": ["n", "supported", "reason"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["verdicts"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The sentences with the reviewer's verdicts, in their order."""

    supports: tuple[Support, ...]
    model: str


class _Verdict(BaseModel):
    n: int
    supported: bool
    reason: str


class _Verdicts(BaseModel):
    verdicts: list[_Verdict]


async def review(
    claude: ClaudeClient,
    model: str,
    answer_text: str,
    supports: Sequence[Support],
    citations: Sequence[Citation],
    *,
    deadline: float,
    payer: Payer,
) -> Reviewed:
    """Let `model` judge each sentence by the quotes it cites; it marks and never rewrites.

    A verdict replaces the local one, but not its score; a sentence without a verdict keeps what it had, and
    a verdict on a sentence that does not exist is passed over. `deadline` is in seconds.

    Raises:
        AnswerError, OverBudget: Claude gave no verdicts; the answer stands as it was.
    """
    done = await claude.complete(
        model,
        Form(prompt("review"), _content(answer_text, supports, citations), SCHEMA),
        max_tokens=THINKING_TOKENS + VERDICT_TOKENS * len(supports),
        deadline=deadline,
        payer=payer,
    )
    try:
        verdicts = _Verdicts.model_validate(done.data).verdicts
    except ValidationError as error:
        raise SchemaMismatch("the review pass gave no verdicts in the form it was asked for") from error
    by_number = {verdict.n: verdict for verdict in verdicts}
    marked = (_marked(one, by_number.get(number)) for number, one in enumerate(supports, 1))
    return Reviewed(tuple(marked), model)


def _marked(support: Support, verdict: _Verdict | None) -> Support:
    if verdict is None:
        return support
    reason = (
        None if verdict.supported else verdict.reason.strip() or "The review pass does not find it supported."
    )
    return support.model_copy(
        update={"supported": verdict.supported, "reason": None if verdict.supported else reason}
    )


def _content(answer_text: str, supports: Sequence[Support], citations: Sequence[Citation]) -> str:
    """The answer, and each sentence with its passages, as JSON: no text of a document can pose as ours."""
    by_marker = {citation.marker: citation for citation in citations}
    sentences = [
        {
            "n": number,
            "sentence": support.text,
            "passages": [
                {
                    "document": " > ".join((citation.title, *citation.headings)),
                    "text": citation.quote,
                }
                for marker in support.markers
                if (citation := by_marker.get(marker)) is not None
            ],
        }
        for number, support in enumerate(supports, 1)
    ]
    return json.dumps({"answer": answer_text, "sentences": sentences}, ensure_ascii=False, indent=1)
