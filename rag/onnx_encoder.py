"""A BERT encoder that is an ONNX file, as the first module of a sentence-transformers model.

sentence-transformers runs ONNX by `optimum`, which would be one more package; onnxruntime is here for the
cross-encoder already. https://sbert.net/docs/sentence_transformer/usage/custom_models.html
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rag.models import MODEL_FILE, BuiltInModel, OnnxModel


class OnnxEncoder(InputModule):
    """Token ids in, the vector of the first token out, shape (texts, 1, dimension): that of the text.

    Safe to use from several threads.
    """

    tokenizer: PreTrainedTokenizerBase

    def __init__(self, folder: Path, max_tokens: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self.max_seq_length = max_tokens
        self._model = OnnxModel(folder / MODEL_FILE)
        self._tokenizing = threading.Lock()

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any
    ) -> dict[str, torch.Tensor | Any]:
        texts = [f"{prompt or ''}{text}" for text in inputs]
        with self._tokenizing:  # which sets how the tokenizer pads
            return dict(
                self.tokenizer(
                    texts, padding=True, truncation=True, max_length=self.max_seq_length, return_tensors="pt"
                )
            )

    def forward(
        self, features: dict[str, torch.Tensor | Any], **kwargs: Any
    ) -> dict[str, torch.Tensor | Any]:
        given = {name: features[name].numpy() for name in self._model.inputs}
        lengths = features["attention_mask"].sum(dim=1).tolist()
        alone = [
            {name: rows[row : row + 1, :length] for name, rows in given.items()}
            for row, length in enumerate(lengths)
        ]
        # The others are left behind at once: of many long texts they are gigabytes.
        first = [torch.from_numpy(output[:, :1].copy()) for output in self._model.run_each(alone)]
        features["token_embeddings"] = torch.cat(first)
        return features

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("the model is a file of the catalogue, which is never written")


def sentence_transformer(folder: Path, model: BuiltInModel) -> SentenceTransformer:
    """The model in a folder: the first token's vector, of length one, is that of the text."""
    pooling = Pooling(model.dimension, pooling_mode="cls")
    modules = [OnnxEncoder(folder, model.max_tokens), pooling, Normalize()]
    prompts = {"query": model.query_prompt, "document": ""}
    return SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
