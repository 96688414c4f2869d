"""Notes on a part: sentences of a model, each with its pointers into the part; and those kept so far."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rag.citable import Citable, Place, places_of
from rag.claude import CitationPointer, Prompt
from rag.synthesis.parts import Part

_UNFINISHED = re.compile(r"[^\n.!?:]*\Z")
_MARK = re.compile(r"^[\s\-*•–.,;:)\]]+")
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence of notes; `pointers` count the citables of the part it was made from."""

    text: str
    pointers: tuple[CitationPointer, ...]


@dataclass(frozen=True, slots=True)
class PartNotes:
    """All notes on one part; `cut_short` when the model reached its length limit."""

    notes: tuple[Note, ...]
    cut_short: bool


@dataclass(slots=True)
class NoteTaker:
    """Turns a model's streamed reply into notes. What cites nothing is no note: it could not be checked."""

    notes: list[Note] = field(default_factory=list)
    _text: str = ""
    _before: str = ""
    _pointers: list[CitationPointer] = field(default_factory=list)

    def write(self, text: str) -> None:
        self._text += text

    def point(self, pointer: CitationPointer) -> None:
        self._pointers.append(pointer)

    def end_section(self) -> None:
        text = self._before + self._text
        if self._pointers:
            text = " ".join(_MARK.sub("", text).split())
            if _WORD.search(text):
                self.notes.append(Note(text, tuple(self._pointers)))
            self._before = ""
        else:
            # The beginning of a sentence belongs to its cited end; a whole sentence without one does not.
            found = _UNFINISHED.search(text)
            self._before = found.group() if found else ""
        self._text = ""
        self._pointers.clear()


def as_citable(part: Part, made: PartNotes) -> Citable | None:
    """The notes as one search result whose sentences prove what the originals say; None without any.

    A citation of a note comes out as citations of the places that the note was made from.
    """
    sentences: list[str] = []
    places: list[tuple[Place, ...]] = []
    for note in made.notes:
        proof = _distinct(places_of(note.pointers, part.citables))
        if proof:
            sentences.append(note.text)
            places.append(proof)
    if not sentences:
        return None
    source = hashlib.sha256("\0".join((part.title, part.citables[0].source, *sentences)).encode())
    return Citable(f"notes-{source.hexdigest()[:16]}", part.title, tuple(sentences), tuple(places))


def _distinct(places: Sequence[Place]) -> tuple[Place, ...]:
    """Each place once, in an evidence of its own: `places_of` joins what follows in ONE evidence, which is
    right for neighbouring sentences and wrong for two places with a page between them."""
    found: dict[tuple[str, int, int], Place] = {}
    for evidence, start, end in places:
        chunks = tuple(one for one in evidence.chunks if one.start < end and start < one.end)
        own = replace(evidence, chunks=chunks or evidence.chunks)
        found.setdefault((evidence.chunks[0].document_id, start, end), (own, start, end))
    return tuple(found.values())


class PartCache:
    """The notes on parts that were read of late, so that a question asked again resumes after a failure.

    The key is a digest of the whole request: model, instructions, question, and of each search result its
    source (a chunk id, which is made of document, version and position), its title and its sentences. That
    suffices for the reader's rights: whoever can form the key was just allowed to read all of the text that
    the notes were made from, and their pointers are resolved in the text in hand.

    `most` entries of at most a few thousand tokens each; the one used longest ago goes first.
    """

    def __init__(self, most: int = 400) -> None:
        self._most = most
        self._kept: OrderedDict[str, PartNotes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> PartNotes | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: str, notes: PartNotes) -> None:
        self._kept[key] = notes
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def key_of(model: str, asked: Prompt, max_tokens: int) -> str:
    """What two requests must share for the notes of one to be those of the other."""
    digest = hashlib.sha256()
    said = [model, str(max_tokens), asked.system, asked.question]
    for result in asked.results:
        said += [result.source, result.title, str(len(result.sentences)), *result.sentences]
    for text in said:
        data = text.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
