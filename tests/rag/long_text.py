"""Long documents made of a rule, and how they come to a reader: chunked, then section by section."""

from __future__ import annotations

from ingest.chunking import Chunker
from rag.citable import Citable, of_evidence
from rag.documents import Evidence, document_id_of
from rag.parsed import ParsedDocument
from tests.fakes import parsed


def handbook(chapters: int, sections: int, sentences: int, *, title: str = "Handbook") -> ParsedDocument:
    """Chapters (level 2) of sections (level 3) of sentences, no two of them alike."""
    lines = [f"# {title}", ""]
    for chapter in range(1, chapters + 1):
        lines += [f"## Chapter {chapter}", ""]
        for section in range(1, sections + 1):
            lines += [f"### Section {chapter}.{section}", ""]
            lines += [
                f"Valve {chapter}-{section}-{n} is opened by the operator on duty in the morning."
                for n in range(1, sentences + 1)
            ] + [""]
    return parsed("\n".join(lines), title=title)


def citables_of(document: ParsedDocument, name: str = "handbook.md", chunk_words: int = 60) -> list[Citable]:
    uri = f"file:///library/{name}"
    chunks = Chunker(lambda text: len(text.split()), chunk_words).chunk(document, document_id_of(uri), "v1")
    made = [of_evidence(Evidence(uri, document.title, (chunk,), document)) for chunk in chunks]
    return [one for one in made if one is not None]
