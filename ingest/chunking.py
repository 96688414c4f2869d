"""Document -> chunks. The one place that calls llama-index: its splitter in, our own types out.

Sections are kept whole where they fit, so that a chunk is about one thing; small neighbours share a chunk
and long ones are split at sentences. Every chunk is a range of the text, and the ranges do not overlap:
what a passage lacks of its surroundings is joined again at question time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from rag.documents import CODE, Chunk, chunk_id_of
from rag.parsed import ParsedDocument

Span = tuple[int, int]
Cut = Callable[[str], list[str]]

CHARACTERS_PER_TOKEN = 8
"""The longest a token counts for. WordPiece counts an unbroken run of any length as one unknown token."""
CODE_LENGTH = 2
"""How many times as many tokens a chunk of source code may have: they are half as long as those of prose."""
HEADING_TOKENS = 40
"""What is left free for the headings that are embedded with a chunk, where the model reads no more."""
SMALL_SECTION = 0.4
"""A section below this share of the longest chunk is joined with what follows it."""


def longest_chunk(media_type: str, chunk_tokens: int, model_reads: int | None) -> int:
    """Tokens of the longest chunk of such a document, where other documents' have `chunk_tokens`.

    `model_reads` is how many tokens of a text the embedding model reads; None where all of them.
    """
    if media_type != CODE:
        return chunk_tokens
    wanted = CODE_LENGTH * chunk_tokens
    return wanted if model_reads is None else max(chunk_tokens, min(wanted, model_reads - HEADING_TOKENS))


@dataclass(frozen=True, slots=True)
class Chunker:
    """Splits documents into chunks of at most `chunk_tokens`, counted by `count_tokens`.

    No chunk is longer than 8 characters a token, so that neither a text without spaces nor one in a script
    that the model does not know becomes a chunk of any length.
    """

    count_tokens: Callable[[str], int]
    chunk_tokens: int

    def chunk(self, document: ParsedDocument, document_id: str, version: str) -> list[Chunk]:
        """The chunks of `document`, in reading order; none for a document without text."""
        text = document.text
        cut = _lines if document.media_type == CODE else None
        spans = [span for section in self._sections(document) for span in self._split(text, section, cut)]
        return [
            Chunk(
                document_id=document_id,
                version=version,
                chunk_id=chunk_id_of(document_id, version, position),
                position=position,
                start=start,
                end=end,
                page=document.page_at(start),
                headings=document.heading_path_at(start),
                text=text[start:end],
            )
            for position, (start, end) in enumerate(spans)
        ]

    def _sections(self, document: ParsedDocument) -> Iterator[Span]:
        """Ranges between headings, small ones joined to the next while both fit in one chunk."""
        text = document.text
        bounds = sorted({0, *(heading.start for heading in document.headings), len(text)})
        pending: Span | None = None
        tokens = 0
        for section in pairwise(bounds):
            size = self._size(text[slice(*section)])
            small = tokens < self.chunk_tokens * SMALL_SECTION
            if pending is not None and small and tokens + size <= self.chunk_tokens:
                pending = (pending[0], section[1])
                tokens += size
                continue
            if pending is not None:
                yield pending
            pending, tokens = section, size
        if pending is not None:
            yield pending

    def _split(self, text: str, section: Span, cut: Cut | None) -> Iterator[Span]:
        """Cut a section at paragraphs, then by `cut`, else at sentences; positions are found again."""
        body = text[slice(*section)]
        if not body.strip():
            return
        cursor = 0
        for piece in self._pieces(body, cut):
            piece = piece.strip()
            if not piece:
                continue
            found = body.find(piece, cursor)
            if found < 0:
                raise RuntimeError(f"the splitter changed the text after character {section[0] + cursor}")
            cursor = found + len(piece)
            yield section[0] + found, section[0] + cursor

    def _pieces(self, body: str, cut: Cut | None) -> list[str]:
        if self._size(body) <= self.chunk_tokens:
            return [body]
        from llama_index.core.node_parser import SentenceSplitter

        splitter = SentenceSplitter(
            chunk_size=self.chunk_tokens,
            chunk_overlap=0,
            paragraph_separator="\n\n",
            tokenizer=lambda piece: [0] * self._size(piece),
            chunking_tokenizer_fn=cut,
        )
        return splitter.split_text(body)

    def _size(self, text: str) -> int:
        """Tokens of `text`; what is too long by its characters alone is not tokenized at all."""
        by_characters = -(-len(text) // CHARACTERS_PER_TOKEN)
        if by_characters > self.chunk_tokens:
            return by_characters
        return max(by_characters, self.count_tokens(text))


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
