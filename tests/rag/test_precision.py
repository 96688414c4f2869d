"""bfloat16 is used where the processor has it and the vectors stay what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from rag import precision
from rag.models import installed_path
from rag.precision import AGREEMENT, has_bfloat16, use_bfloat16
from rag.settings import load_settings

TEXTS = ["How often does the vault key rotate?", "Annual leave is thirty days. " * 20]


@pytest.fixture
def model() -> SentenceTransformer:
    settings = load_settings()
    return SentenceTransformer(str(installed_path(settings, "all-MiniLM-L6-v2")), device="cpu")


@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 amx_tile", True),
        ("flags\t\t: fpu amx_bf16", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("model name\t: bf16 processor", False),
    ],
)
def test_the_processor_is_asked(tmp_path: Path, line: str, has: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    assert has_bfloat16(tmp_path / "cpuinfo") is has


def test_where_the_kernel_tells_nothing_it_has_none(tmp_path: Path) -> None:
    assert not has_bfloat16(tmp_path / "nothing")


def test_the_vectors_stay_what_they_are_and_of_length_one(model: SentenceTransformer) -> None:
    before = model.encode(TEXTS, normalize_embeddings=True)
    assert use_bfloat16(model)
    after = model.encode(TEXTS, normalize_embeddings=True)
    assert after.dtype == np.float32
    assert (before * after).sum(axis=1).min() >= AGREEMENT
    assert np.linalg.norm(after, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_model_whose_vectors_would_change_stays_as_it_was(
    model: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.encode(TEXTS, normalize_embeddings=True)
    monkeypatch.setattr(precision, "AGREEMENT", 1.1)
    assert not use_bfloat16(model)
    assert np.array_equal(model.encode(TEXTS, normalize_embeddings=True), before)


def test_a_model_that_has_no_token_vectors_or_fails_stays_as_it_was(
    model: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.encode(TEXTS, normalize_embeddings=True)
    monkeypatch.setattr(precision, "_widen", _fail)
    assert not use_bfloat16(model)
    assert np.array_equal(model.encode(TEXTS, normalize_embeddings=True), before)


def test_what_is_not_a_token_vector_is_passed_on() -> None:
    made = {"sentence_embedding": np.ones(3)}
    assert precision._widen(None, None, made) is made


def _fail(*given: object) -> None:
    raise KeyError("token_embeddings")
