"""The built-in embedding model run by onnxruntime alone, for questions: torch takes seconds to be imported.

The vectors are those that sentence-transformers makes of the same file (rag/onnx_encoder.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.embedding import SPECIAL_TOKENS, Vectors
from rag.models import MODEL_FILE, BuiltInModel, OnnxModel, inputs_of, tokenizer_of


class OnnxEmbedder:
    """The first token's vector, of length one, is that of the text. Safe to use from several threads.

    Devlin et al., BERT (2018); Xiao et al., C-Pack (2023), which trained the built-in model so.
    """

    def __init__(self, folder: Path, model: BuiltInModel, batch: int) -> None:
        self.name = model.name
        self.dimension = model.dimension
        self.longest: int | None = model.max_tokens - SPECIAL_TOKENS
        self._prompt = model.query_prompt
        self._batch = batch
        self._counter = tokenizer_of(folder)
        self._tokenizer = tokenizer_of(folder, model.max_tokens)
        self._model = OnnxModel(folder / MODEL_FILE)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of passages, shape (len(texts), dimension)."""
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for first in range(0, len(texts), self._batch):  # of many long texts the tokens are gigabytes
            for row, vector in enumerate(self._first_tokens(texts[first : first + self._batch]), first):
                vectors[row] = vector
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.maximum(lengths, np.finfo(np.float32).tiny)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, shape (dimension,); applies the model's query prompt."""
        vector: Vectors = self.embed_queries([text])[0]
        return vector

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of questions, shape (len(texts), dimension); applies the model's query prompt."""
        return self.embed_passages([f"{self._prompt}{text}" for text in texts])

    def count_tokens(self, text: str) -> int:
        """How many tokens of this model `text` makes, special tokens not counted."""
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def _first_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.float32]]:
        given = [inputs_of(text) for text in self._tokenizer.encode_batch(list(texts))]
        return (output[0, 0] for output in self._model.run_each(given))
