"""Text -> dense vectors, by sentence-transformers; the built-in model works offline.

Questions to the built-in model skip the library, which takes longer to import than to answer.

Reimers & Gurevych, Sentence-BERT (2019); https://sbert.net
"""

from __future__ import annotations

import copy
import math
import os
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelUnavailable
from rag.models import MODEL_FILE, catalogue, expect_on_hub, installed_path, is_built_in
from rag.precision import has_bfloat16, keep_memory, use_bfloat16
from rag.settings import Settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]

SPECIAL_TOKENS = 2
"""Which a model puts around a text."""


class Embedder(Protocol):
    """One embedding model. Safe to use from several threads."""

    name: str
    dimension: int

    @property
    def longest(self) -> int | None:
        """How many tokens of a text the model reads, special tokens not counted; None where all of them."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of passages, shape (len(texts), dimension)."""

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, shape (dimension,); applies the model's query prompt."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of questions, shape (len(texts), dimension); applies the model's query prompt."""

    def count_tokens(self, text: str) -> int:
        """How many tokens of this model `text` makes, special tokens not counted."""


class LibraryEmbedder:
    """A model by sentence-transformers: calls queue for it, unless it takes `many`."""

    def __init__(self, model: SentenceTransformer, name: str, batch: int, *, many: bool = False) -> None:
        dimension = model.get_embedding_dimension()
        if dimension is None:
            raise ModelUnavailable(f"{name} does not say how long its vectors are")
        self.name = name
        self.dimension = int(dimension)
        self._model = model
        self._batch = batch
        self._turn: AbstractContextManager[object] = nullcontext() if many else threading.Lock()
        # A tokenizer keeps how it pads, and counting pads nothing: with one for both, a text counted while
        # others are embedded takes their padding away.
        self._counter = copy.deepcopy(model.tokenizer)
        self.count_tokens("")

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of passages, shape (len(texts), dimension)."""
        return self._encode(texts, "encode_document")

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, shape (dimension,); applies the model's query prompt."""
        vector: Vectors = self.embed_queries([text])[0]
        return vector

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of questions, shape (len(texts), dimension); applies the model's query prompt."""
        return self._encode(texts, "encode_query")

    @property
    def longest(self) -> int | None:
        """How many tokens of a text the model reads, special tokens not counted; None where all of them."""
        most = self._model.get_max_seq_length()
        return None if most is None or math.isinf(most) else max(int(most) - SPECIAL_TOKENS, 0)

    def count_tokens(self, text: str) -> int:
        """How many tokens of this model `text` makes, special tokens not counted."""
        return len(self._counter.encode(text, add_special_tokens=False, verbose=False))

    def _encode(self, texts: Sequence[str], method: str) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        with self._turn:
            encode = getattr(self._model, method)
            vectors = encode(
                list(texts),
                batch_size=self._batch,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, dtype=np.float32)


def load_embedder(settings: Settings) -> Embedder:
    """The embedding model for questions, and for passages now and then.

    The built-in one is there in a second; another takes several, most of them importing torch.

    Raises:
        ModelUnavailable: the model is not there or cannot be loaded.
    """
    name = settings.embedding_model
    if not _is_onnx(name):
        return load_document_embedder(settings)
    folder = installed_path(settings, name)
    _prepare(settings, local=True)
    from rag.onnx_embedder import OnnxEmbedder

    try:
        return OnnxEmbedder(folder, catalogue()[name], settings.embedding_batch)
    except Exception as error:  # a file that was damaged since it was fetched
        raise _unusable(name, error) from error


def load_document_embedder(settings: Settings) -> Embedder:
    """The embedding model in sentence-transformers, for documents by the thousand; takes seconds.

    Raises:
        ModelUnavailable: the model is not there or cannot be loaded.
    """
    name = settings.embedding_model
    location = str(installed_path(settings, name)) if is_built_in(name) else name
    local = Path(location).is_dir()
    _prepare(settings, local=local)
    if not local:
        expect_on_hub(name, "embedding")
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        if _is_onnx(name):
            from rag.onnx_encoder import sentence_transformer

            model = sentence_transformer(Path(location), catalogue()[name])
            return LibraryEmbedder(model, name, settings.embedding_batch, many=True)
        model = SentenceTransformer(location, device="cpu")
        if settings.bfloat16 and has_bfloat16():
            use_bfloat16(model)
        return LibraryEmbedder(model, name, settings.embedding_batch)
    except ModelUnavailable:
        raise
    except Exception as error:  # the libraries raise anything from OSError to KeyError
        raise _unusable(name, error) from error


def _prepare(settings: Settings, *, local: bool) -> None:
    """What must be set before the libraries are imported; it holds for the whole process."""
    if local and not (settings.rerank and _of_a_hub(settings.reranker_model)):
        # Models on disk must not make the libraries ask a hub about them.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_memory()


def _unusable(name: str, error: Exception) -> ModelUnavailable:
    return ModelUnavailable(
        f"the embedding model {name!r} cannot be loaded: {_first_line(error)}",
        remedy="set RAG_EMBEDDING_MODEL to a built-in name, a folder, or a model the hub serves",
    )


def _is_onnx(name: str) -> bool:
    """Whether it is a built-in model that is an ONNX file; all others are loaded by the library itself."""
    return is_built_in(name) and MODEL_FILE in catalogue()[name].files


def _of_a_hub(name: str) -> bool:
    return not is_built_in(name) and not Path(name).is_dir()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
