"""What Claude is asked for each chunk, by which key the reply is kept, and what of a reply is taken.

The document stands first, with a cache breakpoint behind it, so that it is paid for once and read from the
cache for the chunks that follow. Of a document that is too long for that, Claude reads the part that the
chunk is in: parts are stretches of whole chunks, about equally long, that begin at a heading if one is near.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from rag.claude import Prompt, estimated_tokens, prompt
from rag.claude.events import SearchResult
from rag.claude.tokens import framed_tokens
from rag.documents import Chunk, Contexts, ContextsBy, DocumentRecord
from rag.parsed import ParsedDocument
from rag.settings import Settings

NAME = "context"
SHAPE = "1"
"""Raised when what is asked or taken changes other than by the prompt."""
MAX_TOKENS = 200
LONGEST = 400
"""Characters of a context."""
PART_TOKENS = 80_000
"""Estimated tokens of the longest document that is read whole. Above 100,000 of a prompt, Haiku costs five
times as much, and each chunk reads all of it."""
NEAR = 0.1
"""Share of a part by which it may be shorter, so that the next one begins at a heading."""

_TAG = re.compile(r"</?[A-Za-z!?][^<>]{0,200}>")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_MARKS = re.compile(r"^[ \t]*(?:[#>*+|-]+[ \t]+)+|[*_]{2,}|[`|]", re.MULTILINE)
_LABEL = re.compile(r"^(?:context|kontext|contexte|contexto)\s*:\s*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?…。！？](?=\s|$)")


@dataclass(frozen=True, slots=True)
class Tag:
    """By what contexts were written; other ones may say something else."""

    model: str
    prompt: str

    def __str__(self) -> str:
        return f"contexts {self.model} {self.prompt}"


@dataclass(frozen=True)
class Part:
    """What Claude reads for some chunks: a whole document, or a part of a long one."""

    title: str
    text: str

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.title}\0{self.text}".encode(errors="surrogatepass")).hexdigest()

    @cached_property
    def tokens(self) -> int:
        """Tokens of all that stands before the cache breakpoint."""
        return framed_tokens((prompt(NAME), f"document{self.title}", self.text))


@dataclass(frozen=True, slots=True)
class Ask:
    """The request for the context of one chunk. Equal requests have equal keys, in whatever document."""

    key: str
    document_id: str
    part: Part
    question: str

    @property
    def asked(self) -> Prompt:
        given = SearchResult("document", self.part.title, (self.part.text,))
        return Prompt(prompt(NAME), (given,), self.question, keep_results=True, cite=False)

    @property
    def tokens(self) -> int:
        """Tokens of what stands behind the breakpoint."""
        return framed_tokens((self.question,))


def tag_now(settings: Settings) -> Tag:
    """What would write contexts now."""
    return Tag(settings.fast_model, hashlib.sha256(f"{SHAPE}\0{prompt(NAME)}".encode()).hexdigest()[:8])


def tag_of(record: DocumentRecord | None) -> Tag | None:
    """What wrote the contexts of a document; None when it has none."""
    contexts = record.contexts if record is not None else None
    return None if contexts is None else Tag(contexts.model, contexts.prompt)


def tags_of(record: DocumentRecord | None) -> tuple[Tag, ...]:
    """What wrote the contexts of a document, and what wrote those that it still has from before."""
    contexts = record.contexts if record is not None else None
    return () if contexts is None else tuple(Tag(by.model, by.prompt) for by in (contexts, *contexts.older))


def contexts_of(tags: Sequence[Tag], wrote: Iterable[Tag]) -> Contexts | None:
    """What a record tells of contexts, given what wrote that of each chunk; None for a plain document.

    Only those by the first tag count as up to date: for the others a run that wants contexts asks.
    """
    if not tags:
        return None
    counts = Counter(wrote)
    first, *others = tags
    older = [
        ContextsBy(chunks=counts[tag], model=tag.model, prompt=tag.prompt) for tag in others if counts[tag]
    ]
    return Contexts(chunks=counts[first], model=first.model, prompt=first.prompt, older=tuple(older))


def asks(parsed: ParsedDocument, chunks: Sequence[Chunk], tag: Tag) -> list[Ask]:
    """One request a chunk, in the order of the chunks."""
    made: list[Ask] = []
    for part, members in _parts(parsed, chunks):
        for chunk in members:
            said = {"headings": list(chunk.headings), "passage": chunk.text}
            question = json.dumps(said, ensure_ascii=False)
            parts = (tag.model, tag.prompt, part.digest, question)
            key = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
            made.append(Ask(key, chunk.document_id, part, question))
    return made


def _parts(parsed: ParsedDocument, chunks: Sequence[Chunk]) -> Iterator[tuple[Part, Sequence[Chunk]]]:
    total = estimated_tokens(parsed.text)
    if total <= PART_TOKENS:
        yield Part(parsed.title, parsed.text), chunks
        return
    number = -(-total // PART_TOKENS)
    cuts = [0, *_cuts(parsed, chunks, total / number), len(chunks)]
    for n, (first, end) in enumerate(pairwise(cuts)):
        members = chunks[first:end]
        title = f"{parsed.title} (part {n + 1} of {len(cuts) - 1})"
        yield Part(title, parsed.text[members[0].start : members[-1].end]), members


def _cuts(parsed: ParsedDocument, chunks: Sequence[Chunk], size: float) -> Iterator[int]:
    """The chunks that begin a part, but for the first one; no part is much longer than `size` tokens."""
    headings = {heading.start for heading in parsed.headings}
    tokens, begun, heading = 0, 0, None
    sizes = [estimated_tokens(chunk.text) for chunk in chunks]
    for n, chunk in enumerate(chunks):
        if tokens + sizes[n] > size and n > begun:
            cut = n if heading is None else heading
            yield cut
            begun, tokens, heading = cut, sum(sizes[cut:n]), None
        if chunk.start in headings and tokens > size * (1 - NEAR):
            heading = n
        tokens += sizes[n]


def cleaned(reply: str) -> str:
    """What of a reply is taken: one line of plain text, at most so long; empty when nothing is left.

    The document may have made Claude write anything, and this goes into vectors alone.
    """
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in reply)
    text = _MARKS.sub(" ", _LINK.sub(r"\1", _TAG.sub(" ", text)))
    text = _LABEL.sub("", " ".join(text.split())).strip(" \"'“”„»«")
    if len(text) > LONGEST:
        cut = text[: LONGEST + 1]
        ends = [match.end() for match in _SENTENCE_END.finditer(cut)]
        text = cut[: ends[-1]] if ends else cut.rpartition(" ")[0] or cut[:LONGEST]
    return text if any(c.isalnum() for c in text) else ""
