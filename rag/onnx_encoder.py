"""A BERT encoder that is an ONNX file, as the first module of a sentence-transformers model.

sentence-transformers runs ONNX by `optimum`, which would be one more package; onnxruntime is here for the
cross-encoder already. https://sbert.net/docs/sentence_transformer/usage/custom_models.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rag.models import MODEL_FILE, open_session


class OnnxEncoder(InputModule):
    """Token ids in, token vectors out, shape (texts, tokens, dimension).

    Texts go through one by one: 8 bits are scaled by the largest value of what is computed together, so in a
    batch the vector of a text would depend on its company. It costs no time, since nothing is padded.
    """

    tokenizer: PreTrainedTokenizerBase

    def __init__(self, folder: Path, max_tokens: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self.max_seq_length = max_tokens
        self._session = open_session(folder / MODEL_FILE)
        self._wanted = [given.name for given in self._session.get_inputs()]

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any
    ) -> dict[str, torch.Tensor | Any]:
        texts = [f"{prompt or ''}{text}" for text in inputs]
        return dict(
            self.tokenizer(
                texts, padding=True, truncation=True, max_length=self.max_seq_length, return_tensors="pt"
            )
        )

    def forward(
        self, features: dict[str, torch.Tensor | Any], **kwargs: Any
    ) -> dict[str, torch.Tensor | Any]:
        given = {name: features[name].numpy() for name in self._wanted}
        states = []
        for row, length in enumerate(features["attention_mask"].sum(dim=1).tolist()):
            alone = {name: rows[row : row + 1, :length] for name, rows in given.items()}
            states.append(torch.from_numpy(self._session.run(None, alone)[0][0]))
        features["token_embeddings"] = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
        return features

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("the model is a file of the catalogue, which is never written")


def sentence_transformer(
    folder: Path, dimension: int, max_tokens: int, query_prompt: str
) -> SentenceTransformer:
    """The model in a folder: the first token's vector, of length one, is that of the text."""
    modules = [OnnxEncoder(folder, max_tokens), Pooling(dimension, pooling_mode="cls"), Normalize()]
    prompts = {"query": query_prompt, "document": ""}
    return SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
