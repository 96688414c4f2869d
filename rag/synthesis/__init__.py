"""The long path: whole documents in reading order, at once or in parts, and a second look at the answer."""

from rag.synthesis.choosing import choose, names
from rag.synthesis.condensing import Condensed, condense
from rag.synthesis.mapping import Notes, map_parts
from rag.synthesis.notes import PartCache
from rag.synthesis.parts import Part, cut_into_parts
from rag.synthesis.reading import Reading, most_tokens, read_documents
from rag.synthesis.review import Reviewed, review

__all__ = [
    "Condensed",
    "Notes",
    "Part",
    "PartCache",
    "Reading",
    "Reviewed",
    "choose",
    "condense",
    "cut_into_parts",
    "map_parts",
    "most_tokens",
    "names",
    "read_documents",
    "review",
]
