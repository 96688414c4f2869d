"""A conversation: its turns, what they rest on, and what of it fits a budget of tokens. Pure.

Older turns that do not fit are folded into a checkpoint: a short text that is kept with the conversation,
says how many turns it stands for, and is only ever extended. To a model it is history, never an instruction,
and nothing can be cited from it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from itertools import accumulate

from rag.claude import Turn
from rag.documents import Citation, chunk_id_of
from rag.events import CarriedPassage
from rag.sentences import sentence_spans

Tokens = Callable[[str], int]
"""How many tokens a text makes at most; an empty one makes none."""

CHECKPOINT_SHARE = 0.25
"""Of the budget, for the checkpoint."""
KEPT_SHARE = 0.5
"""Of the budget, for the turns that are kept when others are folded: the rest lets the conversation go on
for a while before the next fold, so that a checkpoint is not extended, and paid for, at every turn."""
TURN_TOKENS = 4
"""What a turn costs beside its text."""
WITHHELD = "[This answer rests on a document that may no longer be read.]"
MOST_CHUNKS = 5_000
"""Of one document, that are looked through for a cited one."""

_LONGEST_LINE = 200
_LONGEST_BRIEFED = 2000
"""Characters of a turn that are looked at for its first sentence."""
_MARKER = re.compile(r"(?<!\s)\s*\[\d+\]")


@dataclass(frozen=True, slots=True)
class Recorded(Turn):
    """A turn with what it rests on.

    Attributes:
        cited: the chunks that an answer cites, best first.
        documents: ids of all documents whose text had a part in it, cited or not.
    """

    cited: tuple[CarriedPassage, ...] = ()
    documents: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What stands for the first `covers` turns; `documents` are those that they rest on."""

    text: str
    covers: int
    documents: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Conversation:
    """All turns, oldest first; also those that the checkpoint stands for."""

    id: str
    turns: tuple[Recorded, ...] = ()
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A history cut to its budget: what the checkpoint has yet to take in, and what stays as it was said."""

    checkpoint: Checkpoint | None
    folded: tuple[Turn, ...]
    recent: tuple[Turn, ...]


# ---------------------------------------------------------------- what a conversation rests on


def answered(text: str, citations: Sequence[Citation], read: Iterable[str] = ()) -> Recorded:
    """The turn of an answer. `read`: documents that had a part in it beside the cited ones, such as those of
    the passages sent and of the history sent: a reader who loses one of them must not be told it again."""
    cited = passages_of(citations)
    return Recorded("assistant", text, cited, frozenset(read) | {one.document_id for one in citations})


def passages_of(citations: Sequence[Citation]) -> tuple[CarriedPassage, ...]:
    """The chunks that are cited, each once, in the order of the citations.

    A chunk's id is made from its position, which is found again by making the ids of its document.
    """
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in citations:
        wanted[one.document_id, one.version].add(one.chunk_id)
    places: dict[str, CarriedPassage] = {}
    for (document_id, version), chunk_ids in wanted.items():
        for position in range(MOST_CHUNKS):
            chunk_id = chunk_id_of(document_id, version, position)
            if chunk_id in chunk_ids:
                places[chunk_id] = CarriedPassage(document_id, version, position)
                chunk_ids.remove(chunk_id)
                if not chunk_ids:
                    break
    return tuple(dict.fromkeys(places[one.chunk_id] for one in citations if one.chunk_id in places))


def rests_on(turns: Iterable[Turn]) -> frozenset[str]:
    """The ids of the documents that had a part in these turns."""
    return frozenset().union(*(turn.documents for turn in turns if isinstance(turn, Recorded)))


def documents_of(conversation: Conversation) -> frozenset[str]:
    """The ids of all documents that a conversation rests on, its checkpoint included."""
    held = conversation.checkpoint.documents if conversation.checkpoint else frozenset()
    return rests_on(conversation.turns) | held


def without_unreadable(conversation: Conversation, readable: Set[str]) -> Conversation:
    """The conversation without what rests on documents that are not `readable` now.

    An answer's place is kept, with `WITHHELD` in it; a checkpoint goes as a whole, to be made again.
    """
    turns = tuple(
        turn if turn.documents <= readable else replace(turn, text=WITHHELD, cited=(), documents=frozenset())
        for turn in conversation.turns
    )
    checkpoint = conversation.checkpoint
    if checkpoint is not None and not checkpoint.documents <= readable:
        checkpoint = None
    return replace(conversation, turns=turns, checkpoint=checkpoint)


def carried(conversation: Conversation, limit: int) -> tuple[CarriedPassage, ...]:
    """At most `limit` chunks that the last answers cited, the last answer's first, each once."""
    found = (passage for turn in reversed(conversation.turns) for passage in turn.cited)
    return tuple(dict.fromkeys(found))[:limit]


# ---------------------------------------------------------------- what fits


def fit(turns: Sequence[Turn], budget: int, checkpoint: Checkpoint | None, tokens: Tokens) -> Fitted:
    """What to send of a history within `budget` tokens: the newest turns as they are, from a user's turn on.

    While all that the checkpoint does not cover fits, nothing is folded. Once it does not, the newest turns
    that fill `KEPT_SHARE` of the budget stay, and the others are to be folded into the checkpoint.
    """
    covers = checkpoint.covers if checkpoint else 0
    if checkpoint and _turn_tokens(_shown(checkpoint), tokens) > budget * CHECKPOINT_SHARE:
        checkpoint = _clipped(checkpoint, budget, tokens)
    pending = tuple(turns[covers:])
    held = _turn_tokens(_shown(checkpoint), tokens) if checkpoint else 0
    begins_well = bool(checkpoint and checkpoint.text) or not pending or pending[0].role == "user"
    if begins_well and held + sum(_turn_tokens(turn.text, tokens) for turn in pending) <= budget:
        return Fitted(checkpoint, (), pending)
    for room in (budget * KEPT_SHARE, budget * (1 - CHECKPOINT_SHARE)):
        kept = _newest(pending, room, tokens)
        if kept:
            break
    first = len(pending) - len(kept)
    return Fitted(checkpoint, pending[:first], kept)


def fold_by_rule(fitted: Fitted, budget: int, tokens: Tokens) -> Checkpoint | None:
    """The checkpoint with the folded turns taken in: what was asked, and the first sentence of each answer.

    Where it grows too long for its share of the budget, its oldest lines go.
    """
    before = fitted.checkpoint
    if not fitted.folded:
        return before
    text = before.text if before else ""
    for turn in fitted.folded:
        if turn.text != WITHHELD:
            # An answer stays on the line of its question, so that they are cut off together.
            text += ("\n" if turn.role == "user" else " ") + _brief(turn)
    return folded_as(text.strip(), fitted, budget, tokens)


def folded_as(text: str, fitted: Fitted, budget: int, tokens: Tokens) -> Checkpoint:
    """A checkpoint of this text for all that is not kept, cut to its share of the budget."""
    before = fitted.checkpoint or Checkpoint("", 0)
    whole = Checkpoint(text, before.covers + len(fitted.folded), before.documents | rests_on(fitted.folded))
    return _clipped(whole, budget, tokens)


def history(checkpoint: Checkpoint | None, recent: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns to send, oldest first; what the checkpoint says comes as a turn of the user's."""
    # A marker counts the citations of its own answer: in another one's prompt it points at nothing.
    plain = tuple(Turn(turn.role, _unmarked(turn)) for turn in recent)
    return (Turn("user", _shown(checkpoint)), *plain) if checkpoint and checkpoint.text else plain


def clip(text: str, most: int) -> str:
    """The beginning of a text, at most `most` characters of it, cut between words."""
    if len(text) <= most:
        return text
    whole = text[: max(most - 1, 0)].rsplit(None, 1)
    return f"{whole[0]}…" if whole else ""


def _shown(checkpoint: Checkpoint) -> str:
    return f"Earlier in this conversation ({checkpoint.covers} turns, shortened): {checkpoint.text}"


def _turn_tokens(text: str, tokens: Tokens) -> int:
    return tokens(text) + TURN_TOKENS


def _newest(turns: tuple[Turn, ...], room: float, tokens: Tokens) -> tuple[Turn, ...]:
    """The longest end of `turns` that begins with a user's turn and takes no more than `room`."""
    sums = accumulate(_turn_tokens(turn.text, tokens) for turn in reversed(turns))
    lengths = [
        length
        for length, total in enumerate(sums, start=1)
        if total <= room and turns[len(turns) - length].role == "user"
    ]
    return turns[len(turns) - max(lengths) :] if lengths else ()


def _unmarked(turn: Turn) -> str:
    return _MARKER.sub("", turn.text) if turn.role == "assistant" else turn.text


def _brief(turn: Turn) -> str:
    text = " ".join(_MARKER.sub("", " ".join(turn.text[:_LONGEST_BRIEFED].split())).split())
    if turn.role == "user":
        return f"Asked: {clip(text, _LONGEST_LINE)}"
    spans = sentence_spans(text)
    return f"Answered: {clip(text[slice(*spans[0])] if spans else text, _LONGEST_LINE)}"


def _clipped(checkpoint: Checkpoint, budget: int, tokens: Tokens) -> Checkpoint:
    """With as many of its last lines as its share holds; of one that is too long itself, the beginning."""

    def fits(text: str) -> bool:
        shown = _shown(replace(checkpoint, text=text))
        return _turn_tokens(shown, tokens) <= budget * CHECKPOINT_SHARE

    lines = checkpoint.text.split("\n")
    while len(lines) > 1 and not fits("\n".join(lines)):
        lines.pop(0)
    text = "\n".join(lines)
    while text and not fits(text):
        text = clip(text, len(text) * 3 // 4)
    return replace(checkpoint, text=text)
