"""The vector by which questions search in source code."""

from __future__ import annotations

import numpy as np
import pytest

from rag.documents import Filters, Reader
from rag.embedding import Vectors, load_embedder
from rag.query_adapter import MADE_FOR, adapted_to_code
from rag.settings import load_settings
from tests.fakes import WordEmbedder, parsed, put
from tests.rag.conftest import Library
from tests.rag.test_retrieval import retriever

ASKED = {
    "How is a broken connection tried again?": """def send(self, data):
    for attempt in range(self.attempts):
        try:
            return self.sock.sendall(data)
        except OSError:
            time.sleep(2 ** attempt)
            self.reconnect()""",
    "Where are old entries thrown out when the cache is full?": """def put(self, key, value):
    self._d[key] = value
    if len(self._d) > self.maxsize:
        self._d.popitem(last=False)""",
    "How does it find out which line ending a file uses?": """def newline_of(raw):
    head = raw[:4096]
    return b"\\r\\n" if b"\\r\\n" in head else b"\\n\"""",
    "How are passwords kept from the log?": """def filter(self, record):
    for key in ("password", "secret", "token"):
        if key in record.args:
            record.args[key] = "***"
    return True""",
}


def test_a_questions_own_function_is_further_ahead_of_others_by_the_adapted_vector() -> None:
    model = load_embedder(load_settings())
    questions, functions = model.embed_queries(list(ASKED)), model.embed_passages(list(ASKED.values()))
    adapted = np.array([adapted_to_code(question.tolist(), MADE_FOR) for question in questions])
    assert np.linalg.norm(adapted, axis=1) == pytest.approx(1.0, abs=1e-5)

    def lead(vectors: Vectors) -> float:
        cosines = vectors @ functions.T
        assert (cosines.argmax(axis=1) == np.arange(len(ASKED))).all()
        return float(np.mean(cosines.diagonal() - cosines.mean(axis=1)))

    assert lead(adapted) > 1.2 * lead(questions)


def test_the_vector_of_another_model_is_left_alone() -> None:
    assert adapted_to_code([1.0, 0.0], "all-MiniLM-L6-v2") is None


async def test_where_code_is_found_it_is_ordered_by_the_adapted_vector_and_likeness_stays_the_questions(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta", "gamma"):
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


async def test_a_question_that_names_what_it_asks_about_is_searched_for_as_it_is(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("rotate_keys", "rotate_locks", "rotate_doors"):
        code = f"def {name}(self):\n    return self.rotate[0]"
        await put(library.store, library.files, parsed(code, title=name), name=f"{name}.py")
    asked: list[str] = []

    def adapted(vector: object, model: str) -> None:
        asked.append(model)

    monkeypatch.setattr("rag.retrieval.adapted_to_code", adapted)
    found = retriever(library)
    named = await found.search("What does rotate_keys return?", Reader(), Filters(), 1)
    assert (named.hits[0].title, asked) == ("rotate_keys", [])
    await found.search("the self that rotates and returns", Reader(), Filters(), 1)
    assert asked == ["words"]


async def test_where_prose_is_found_the_question_is_searched_for_as_it_is(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(vector: object, model: str) -> None:
        raise AssertionError("adapted for prose")

    monkeypatch.setattr("rag.retrieval.adapted_to_code", never)
    found = await retriever(library).search("annual leave days", Reader(), Filters(), 1)
    assert "Annual leave is thirty days" in found.hits[0].text
