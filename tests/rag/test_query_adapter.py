"""The vector by which questions search in source code."""

from __future__ import annotations

import numpy as np
import pytest

from rag.documents import Filters, Reader
from rag.embedding import load_embedder
from rag.query_adapter import MADE_FOR, adapted_to_code
from rag.settings import load_settings
from tests.fakes import WordEmbedder, parsed, put
from tests.rag.conftest import Library
from tests.rag.test_retrieval import retriever

QUESTION = "how long to wait for bytes before giving up"
READS = "def read(self, timeout):\n    self.sock.settimeout(timeout)\n    return self.sock.recv(4096)"
PROSE = "How long should one wait before giving up? Patience is a virtue, and bytes come when they come."


def test_a_question_comes_nearer_to_code_than_to_prose_that_says_its_words() -> None:
    model = load_embedder(load_settings())
    question = model.embed_query(QUESTION)
    adapted = adapted_to_code(question.tolist(), MADE_FOR)
    assert adapted is not None
    assert np.linalg.norm(adapted) == pytest.approx(1.0, abs=1e-5)
    code, prose = model.embed_passages([READS, PROSE])
    gained = np.asarray(adapted) @ code - np.asarray(adapted) @ prose
    assert gained > question @ code - question @ prose + 0.05


def test_the_vector_of_another_model_is_left_alone() -> None:
    assert adapted_to_code([1.0, 0.0], "all-MiniLM-L6-v2") is None


async def test_where_code_is_found_it_is_ordered_by_the_adapted_vector_and_likeness_stays_the_questions(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta"):
        code = f"def {name}(self):\n    return self._{name}[0]"
        await put(library.store, library.files, parsed(code, title=name), name=f"{name}.py")
    found = retriever(library, sparse=False)

    async def first() -> tuple[str, float | None]:
        hit = (await found.search("alpha self", Reader(), Filters(), 1)).hits[0]
        return hit.title, hit.similarity

    title, similarity = await first()
    assert title == "alpha"
    towards_beta = WordEmbedder().embed_query("beta self").tolist()
    monkeypatch.setattr("rag.retrieval.adapted_to_code", lambda vector, model: towards_beta)
    turned, likeness = await first()
    assert turned == "beta"
    assert similarity is not None
    assert likeness is not None
    assert likeness < similarity


async def test_where_prose_is_found_the_question_is_searched_for_as_it_is(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(vector: object, model: str) -> None:
        raise AssertionError("adapted for prose")

    monkeypatch.setattr("rag.retrieval.adapted_to_code", never)
    found = await retriever(library).search("annual leave days", Reader(), Filters(), 1)
    assert "Annual leave is thirty days" in found.hits[0].text
