"""Follow-ups and checkpoints by a model, checked; the rule's where the model fails or is not there."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rag.claude import Completion, Form, Payer, Turn, prompt
from rag.conversation import Checkpoint, Fitted, Tokens, clip, fold_by_rule, folded_as
from rag.errors import AnswerError, OverBudget
from rag.followups import needs_rewriting, standalone_by_rule

log = logging.getLogger(__name__)

LONGEST_QUESTION = 400
"""Characters of a rewritten question; what is longer is an answer, or the conversation told again."""
REWRITE_TURNS = 6
"""Turns that a rewrite is shown: a follow-up rests on what was said last."""
REWRITE_CHARACTERS = 800
"""Of each of those turns."""
REWRITE_MAX_TOKENS = 250
CHECKPOINT_CHARACTERS = 3000
"""Of each turn that a checkpoint takes in."""
CHECKPOINT_MAX_TOKENS = 1200

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_QUOTED = re.compile(
    r"\"([^\"]+)\"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|`([^`]+)`|(?<!\w)['‘]([^'’]+)['’](?!\w)"
)


class Completes(Protocol):
    """What is needed of `ClaudeClient`."""

    async def complete(
        self, model: str, asked: Form, *, max_tokens: int, deadline: float, payer: Payer
    ) -> Completion: ...


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A question that stands alone. `by` is `none` where it already did."""

    question: str
    by: Literal["none", "rule", "model"]


@dataclass(frozen=True, slots=True)
class Extended:
    """A checkpoint with the folded turns taken in."""

    checkpoint: Checkpoint | None
    by: Literal["none", "rule", "model"]


async def rewrite(
    claude: Completes | None,
    model: str,
    question: str,
    turns: Sequence[Turn],
    *,
    deadline: float,
    payer: Payer,
) -> Rewritten:
    """The question as it would be asked without the conversation before it. Never fails.

    A question that stands alone is not sent anywhere. Without Claude, where Claude fails or may not be paid,
    and where its rewrite loses a number or a quoted word or brings in a number that was never said, the
    rule's is taken.

    Args:
        turns: what was said before, oldest first.
        deadline: seconds.
    """
    if not needs_rewriting(question, turns):
        return Rewritten(question, "none")
    by_rule = standalone_by_rule(question, turns)
    if claude is None:
        return Rewritten(by_rule, "rule")
    shown = [(turn.role, clip(turn.text, REWRITE_CHARACTERS)) for turn in turns[-REWRITE_TURNS:]]
    content = {"conversation": [{"role": role, "text": text} for role, text in shown], "question": question}
    written = await _written(
        claude, model, "rewrite", content, "question", REWRITE_MAX_TOKENS, deadline, payer
    )
    rewritten = " ".join(written.split())
    if not _keeps(question, rewritten, [text for _, text in shown]):
        return Rewritten(by_rule, "rule")
    return Rewritten(rewritten, "model")


async def extend(
    claude: Completes | None,
    model: str,
    fitted: Fitted,
    budget: int,
    tokens: Tokens,
    *,
    deadline: float,
    payer: Payer,
) -> Extended:
    """The checkpoint of a history that was cut, with the folded turns taken in. Never fails.

    Best called after an answer, for its result to be there when the next question comes.

    Args:
        budget: tokens of the whole history, as for `fit`.
        deadline: seconds.
    """
    if not fitted.folded:
        return Extended(fitted.checkpoint, "none")
    # Sentences are split by a library that takes a second to load.
    by_rule = await asyncio.to_thread(fold_by_rule, fitted, budget, tokens)
    if claude is None:
        return Extended(by_rule, "rule")
    before = fitted.checkpoint.text if fitted.checkpoint else ""
    said = [(turn.role, clip(turn.text, CHECKPOINT_CHARACTERS)) for turn in fitted.folded]
    content = {
        # A quarter of the budget is the checkpoint's; a word is about one and a third of a token.
        "words": max(30, budget * 3 // 20),
        "notes": before,
        "turns": [{"role": role, "text": text} for role, text in said],
    }
    written = await _written(
        claude, model, "checkpoint", content, "notes", CHECKPOINT_MAX_TOKENS, deadline, payer
    )
    notes = "\n".join(" ".join(line.split()) for line in written.splitlines() if line.strip())
    if not notes or not _numbers(notes) <= _numbers(before, *(text for _, text in said)):
        return Extended(by_rule, "rule")
    return Extended(folded_as(notes, fitted, budget, tokens), "model")


async def _written(
    claude: Completes,
    model: str,
    system: str,
    content: dict[str, Any],
    field: str,
    max_tokens: int,
    deadline: float,
    payer: Payer,
) -> str:
    """The one text that a model was asked for; empty where it gave none."""
    schema = {
        "type": "object",
        "properties": {field: {"type": "string"}},
        "required": [field],
        "additionalProperties": False,
    }
    asked = Form(prompt(system), json.dumps(content, ensure_ascii=False), schema)
    try:
        done = await claude.complete(model, asked, max_tokens=max_tokens, deadline=deadline, payer=payer)
    except (AnswerError, OverBudget) as error:
        log.warning("%s by rule: %s", system, error)
        return ""
    text = done.data.get(field) if isinstance(done.data, dict) else None
    return text if isinstance(text, str) else ""


def _keeps(question: str, rewritten: str, said: Iterable[str]) -> bool:
    """Whether a rewrite is one: not empty or long, nothing exact lost, no number that was never said."""
    if not rewritten or len(rewritten) > LONGEST_QUESTION:
        return False
    known = _numbers(question)
    if not known <= _numbers(rewritten) or not _numbers(rewritten) <= known | _numbers(*said):
        return False
    quoted = (" ".join(next(filter(None, groups)).split()) for groups in _QUOTED.findall(question))
    return all(text.casefold() in rewritten.casefold() for text in quoted)


def _numbers(*texts: str) -> set[str]:
    return {number for text in texts for number in _NUMBER.findall(text)}
