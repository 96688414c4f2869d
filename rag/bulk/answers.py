"""Claude's replies as answers, each citation checked against the stored text; and the file they go to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.bulk.state import Item, Prepared, write_whole
from rag.citable import Citable, places_of
from rag.claude.batches import Section
from rag.documents import Answer
from rag.draft import Draft

_NOTHING = Citable("", "", (), ())


def draft_of(item: Item, prepared: Prepared) -> Draft:
    """The answer to an item before its first word."""
    draft = Draft(
        prepared.route,
        prepared.hits,
        prepared.stages_ms,
        kind=prepared.kind,
        question=item.question,
        chunks_sent=sum(len(passage.chunks) for passage in prepared.passages),
        id=item.id,
    )
    if prepared.notice:
        draft.add_notice(prepared.notice)
    return draft


def written(
    draft: Draft, sections: Sequence[Section], given: Sequence[Citable | None], cut: bool
) -> Answer | None:
    """The draft with Claude's text in it; None when it cites what is no longer there to be checked.

    Where no citation holds, nothing of the text is shown, as in an answer that is asked for alone.

    Args:
        given: the search results in the order they were sent, None for each that is lost.
        cut: the text reached its limit.
    """
    lost = {n for n, one in enumerate(given) if one is None}
    if any(pointer.search_result in lost for section in sections for pointer in section.pointers):
        return None
    there = [one or _NOTHING for one in given]
    for section in sections:
        draft.text.feed(section.text)
        for _ in draft.cite(places_of(section.pointers, there)):
            pass
    draft.text.finish()
    if cut:
        draft.add_notice("The answer reached its length limit and stops early.")
    return draft.whole() if draft.citations.all else draft.uncited()


def write_answers(path: Path, items: Sequence[Item]) -> None:
    """One answer a line, in the order of the questions; `id` and `question` are theirs."""
    write_whole(path, (f"{item.answer.model_dump_json()}\n".encode() for item in items if item.answer))
