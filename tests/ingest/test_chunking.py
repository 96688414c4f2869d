"""Chunks: ranges of the text that can be cut out of it again."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking import CHARACTERS_PER_TOKEN, Chunker, longest_chunk
from rag.documents import CODE, Chunk, chunk_id_of
from rag.parsed import Heading, ParsedDocument
from tests.fakes import parsed

DOCUMENT_ID = "6f1c0f2e-7d0b-5d0e-9a55-5b7e6c0e7c11"


def chunks_of(document: ParsedDocument, tokens: int = 40) -> list[Chunk]:
    return Chunker(lambda text: len(text.split()), tokens).chunk(document, DOCUMENT_ID, "v1")


def test_each_chunk_is_cut_out_of_the_text_by_its_range() -> None:
    document = parsed("# One\n\n" + "A sentence of six words here. " * 30 + "\n\n## Two\n\nThe end.")
    chunks = chunks_of(document)
    assert len(chunks) > 3
    for position, chunk in enumerate(chunks):
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.position == position
        assert chunk.chunk_id == chunk_id_of(DOCUMENT_ID, "v1", position)
        assert len(chunk.text.split()) <= 40


def test_chunks_lose_no_text_and_do_not_overlap() -> None:
    document = parsed("# One\n\n" + "Same words again. Same words again. " * 40)
    chunks = chunks_of(document, 16)
    assert all(left.end <= right.start for left, right in pairwise(chunks))
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(document.text.split())


def test_a_chunk_carries_its_page_and_heading_path() -> None:
    document = parsed(
        "# Handbook\n\n"
        + "Words on page one here. " * 12
        + "\n\f\n## Leave\n\n"
        + "Days are thirty a year. " * 12
    )
    last = chunks_of(document)[-1]
    assert last.page == 2
    assert last.headings == ("Handbook", "Leave")


def test_small_sections_share_a_chunk_and_large_ones_do_not() -> None:
    small = parsed("# A\n\nOne two three.\n\n# B\n\nFour five six.\n\n# C\n\nSeven.")
    assert len(chunks_of(small)) == 1
    large = parsed("# A\n\n" + "word " * 30 + "\n\n# B\n\n" + "word " * 30)
    assert [chunk.headings for chunk in chunks_of(large)] == [("A",), ("B",)]


def test_a_document_without_text_has_no_chunks() -> None:
    assert chunks_of(ParsedDocument("Empty", " \n\n ", "text/plain")) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=120), max_size=8
    ),
    st.sampled_from(["\n\n", "\n", " "]),
)
def test_any_text_can_be_cut_out_again(paragraphs: list[str], separator: str) -> None:
    text = separator.join(paragraphs)
    chunks = chunks_of(ParsedDocument("Any", text, "text/plain"), 8)
    assert all(chunk.text == text[chunk.start : chunk.end] for chunk in chunks)
    assert "".join("".join(c.text.split()) for c in chunks) == "".join(text.split())


def test_a_run_that_counts_as_one_token_is_cut_by_its_characters() -> None:
    text = "x" * 20_000 + " tail"
    chunks = Chunker(lambda piece: len(piece.split()), 40).chunk(
        ParsedDocument("Run", text, "text/plain"), DOCUMENT_ID, "v1"
    )
    assert max(len(chunk.text) for chunk in chunks) <= 40 * CHARACTERS_PER_TOKEN
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())


def test_chunks_of_code_are_twice_as_long_as_far_as_the_model_reads() -> None:
    assert longest_chunk("text/plain", 160, model_reads=510) == 160
    assert longest_chunk(CODE, 160, model_reads=None) == 320
    assert longest_chunk(CODE, 160, model_reads=510) == 320
    assert longest_chunk(CODE, 160, model_reads=254) == 214
    assert longest_chunk(CODE, 500, model_reads=254) == 500


def test_many_headings_are_no_burden() -> None:
    document = ParsedDocument(
        "Many", "h\n" * 30_000, "text/plain", headings=tuple(Heading(2, "h", 2 * n) for n in range(30_000))
    )
    assert document.heading_path_at(59_999) == ("h",)
    assert all(document.heading_path_at(offset) == ("h",) for offset in range(0, 60_000, 2))


@pytest.mark.parametrize("text", ["a" * 5000, "x. " * 3000, "\n" * 50 + "z", "日本語の文章です。" * 300])
def test_awkward_texts_are_chunked(text: str) -> None:
    chunks = chunks_of(ParsedDocument("Awkward", text, "text/plain"))
    assert chunks
    assert all(chunk.text == text[chunk.start : chunk.end] for chunk in chunks)
