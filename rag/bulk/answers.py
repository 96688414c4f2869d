"""Claude's replies as answers, each citation checked against the stored text; and the file they go to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.bulk.state import Item, Prepared, write_whole
from rag.citable import Citable, places_of
from rag.claude.batches import Section
from rag.documents import Answer, Grounding
from rag.draft import Draft
from rag.support import SupportChecker

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
    draft: Draft,
    sections: Sequence[Section],
    given: Sequence[Citable | None],
    checker: SupportChecker,
    *,
    cut: bool,
    strict: bool,
) -> Answer | None:
    """The draft with Claude's text in it; None when it cites what is no longer there to be checked.

    Where no citation holds, nothing of the text is shown, as in an answer that is asked for alone.

    Args:
        given: the search results in the order they were sent, None for each that is lost.
        cut: the text reached its limit.
        strict: leave out the sentences that their citations do not support.
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
    if not draft.citations.all:
        return draft.uncited()
    draft.grounding = Grounding(sentences=checker.check(draft.text.text, draft.citations.all))
    if strict:
        draft.keep_supported(draft.grounding.sentences)
        if not draft.citations.all:
            draft.add_notice("No sentence of the model's answer is supported by what it cites.")
            return draft.not_found()
    return draft.whole()


def write_answers(path: Path, items: Sequence[Item]) -> None:
    """One answer a line, in the order of the questions; `id` and `question` are theirs."""
    write_whole(path, (f"{item.answer.model_dump_json()}\n".encode() for item in items if item.answer))
