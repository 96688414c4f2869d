"""Question and passage -> relevance, by a cross-encoder.

The built-in one is ms-marco-MiniLM-L-12-v2 as int8 ONNX, run by onnxruntime; any other name or folder
is loaded as a sentence-transformers `CrossEncoder`. Nogueira & Cho, Passage Re-ranking with BERT (2019).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rag.errors import ModelUnavailable
from rag.models import (
    MODEL_FILE,
    OnnxModel,
    expect_on_hub,
    inputs_of,
    installed_path,
    is_built_in,
    tokenizer_of,
)
from rag.settings import Settings

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

MAX_TOKENS = 256
"""Longest pair scored; a longer passage is cut, since cost grows with length."""


class Reranker(Protocol):
    """Scores passages against a question; higher is more relevant, and above 0 means probably relevant."""

    name: str

    def score(self, question: str, passages: Sequence[str]) -> list[float]: ...


class OnnxReranker:
    """The built-in cross-encoder. Safe to use from several threads."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._tokenizer = tokenizer_of(folder, MAX_TOKENS)
        self._model = OnnxModel(folder / MODEL_FILE)

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """Logits, one a passage, in their order; that of a pair does not depend on the others."""
        if not passages:
            return []
        question = question[:2000]
        pairs = self._tokenizer.encode_batch([(question, passage) for passage in passages])
        logits = self._model.run_each([inputs_of(pair) for pair in pairs])
        return [float(logit.reshape(-1)[0]) for logit in logits]


class HubReranker:
    """Any other cross-encoder, through sentence-transformers."""

    def __init__(self, model: CrossEncoder, name: str) -> None:
        import torch

        self.name = name
        self._model = model
        # The logit, as the built-in model gives it, so that one threshold means one thing.
        self._activation = torch.nn.Identity()
        self._lock = threading.Lock()

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        if not passages:
            return []
        with self._lock:
            scores = self._model.predict(
                [(question, passage) for passage in passages],
                activation_fn=self._activation,
                show_progress_bar=False,
            )
        return [float(score) for score in scores]


def load_reranker(settings: Settings) -> Reranker:
    """Load the cross-encoder that the settings name.

    Raises:
        ModelUnavailable: the model is not there or cannot be loaded.
    """
    name = settings.reranker_model
    try:
        if is_built_in(name):
            return OnnxReranker(installed_path(settings, name), name)
        if not Path(name).is_dir():
            expect_on_hub(name, "reranking")
        from sentence_transformers import CrossEncoder

        return HubReranker(CrossEncoder(name, device="cpu", max_length=MAX_TOKENS), name)
    except ModelUnavailable:
        raise
    except Exception as error:  # the libraries raise anything from OSError to RuntimeError
        raise ModelUnavailable(
            f"the reranker {name!r} cannot be loaded: {str(error).splitlines()[0]}",
            remedy="set RAG_RERANKER_MODEL to a built-in name, a folder or a hub model, or RAG_RERANK=false",
        ) from error
