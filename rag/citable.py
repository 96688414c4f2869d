"""What a model is given to cite: text cut into sentences, each with the places of the originals behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.claude import CitationPointer, SearchResult
from rag.documents import Evidence
from rag.sentences import sentence_spans

Place = tuple[Evidence, int, int]
"""A range of the stored text of the document that the evidence is cut from."""


@dataclass(frozen=True, slots=True)
class Citable:
    """One search result: `places[i]` is where the originals say what `sentences[i]` says."""

    source: str
    title: str
    sentences: tuple[str, ...]
    places: tuple[tuple[Place, ...], ...]

    def as_result(self) -> SearchResult:
        return SearchResult(self.source, self.title, self.sentences)


def of_evidence(evidence: Evidence) -> Citable | None:
    """The sentences of a passage, each its own proof; None when it holds none."""
    text = evidence.parsed.text
    spans = sentence_spans(text, evidence.start, evidence.end)
    if not spans:
        return None
    return Citable(
        source=evidence.chunks[0].chunk_id,
        title=" > ".join((evidence.title, *evidence.chunks[0].headings)),
        sentences=tuple(text[start:end] for start, end in spans),
        places=tuple(((evidence, start, end),) for start, end in spans),
    )


def places_of(pointers: Sequence[CitationPointer], given: Sequence[Citable]) -> list[Place]:
    """The places that pointers mean, each run of one passage as one; what points at nothing is dropped."""
    found: list[Place] = []
    for pointer in pointers:
        if not 0 <= pointer.search_result < len(given):
            continue
        behind = given[pointer.search_result].places
        if not 0 <= pointer.start_block < pointer.end_block <= len(behind):
            continue
        run: list[Place] = []
        for places in behind[pointer.start_block : pointer.end_block]:
            for evidence, start, end in places:
                if run and run[-1][0] is evidence and run[-1][2] <= start:
                    run[-1] = (evidence, run[-1][1], end)
                else:
                    run.append((evidence, start, end))
        found.extend(run)
    return found
