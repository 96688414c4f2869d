"""What the built-in cross-encoder sees while it reads a pair: states and attention of each passage token.

A model that was trained to tell answering passages from others looks, in its middle layers, at the words that
answer. The published file gives the score alone; protobuf messages merge when they are concatenated, so a few
bytes at the end of the file declare inner values as outputs. The file on disk stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.models import MODEL_FILE, OnnxModel, inputs_of, tokenizer_of

LAYERS = (3, 4, 5, 6, 7)
"""Whose states are read, of 12: earlier the question is not seen yet, later only the score is left."""
MAX_TOKENS = 256
_ALL_LAYERS = 12
_FIRST_WORDS = 3
"""Tokens of the question that tell its kind: 'how many', 'in what year'."""
_STATES = "/bert/encoder/layer.{}/output/LayerNorm/Add_1_output_0"
_ATTENTION = "/bert/encoder/layer.{}/attention/self/Softmax_output_0"
_GRAPH, _OUTPUT, _NAME, _TYPE, _TENSOR = 7, 12, 1, 2, 1  # field numbers of onnx.proto
_FLOAT = b"\x08\x01"


@dataclass(frozen=True, slots=True)
class View:
    """Of one passage: the (start, end) of each token, its features in the same order, and the pair's score.

    Features are float32, shape (tokens, features): the states of `LAYERS`, then for each head of each layer
    the logarithm of the attention that the token gets from the start mark, the question and its first words,
    and gives to the question and its first words.
    """

    tokens: tuple[tuple[int, int], ...]
    features: NDArray[np.float32]
    score: float


class InnerView:
    """The built-in cross-encoder, opened a second time (100 MB). Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = tokenizer_of(folder, MAX_TOKENS)
        names = [_STATES.format(layer) for layer in LAYERS]
        names += [_ATTENTION.format(layer) for layer in range(_ALL_LAYERS)]
        self._model = OnnxModel((folder / MODEL_FILE).read_bytes() + _declared(names))

    def read(self, question: str, lead: str, passage: str) -> View:
        """`passage` as read after `lead`, such as its heading; positions are those within `passage`."""
        pair = self._tokenizer.encode(question[:500], lead + passage)
        logits, *inner = self._model.run(inputs_of(pair))
        marks, kinds = pair.special_tokens_mask, pair.type_ids
        asked = [i for i, kind in enumerate(kinds) if kind == 0 and not marks[i]]
        told = [
            i for i, (start, _) in enumerate(pair.offsets) if kinds[i] and not marks[i] and start >= len(lead)
        ]
        attention = np.concatenate([layer[0] for layer in inner[len(LAYERS) :]])
        first = asked[:_FIRST_WORDS]
        looks = [
            attention[:, 0][:, told],
            attention[:, asked][:, :, told].mean(1),
            attention[:, first][:, :, told].mean(1),
            attention[:, told][:, :, asked].sum(2),
            attention[:, told][:, :, first].sum(2),
        ]
        features = [states[0][told] for states in inner[: len(LAYERS)]]
        features += [np.log(look.T + 1e-3) for look in looks]
        return View(
            tuple((start - len(lead), end - len(lead)) for start, end in (pair.offsets[i] for i in told)),
            np.concatenate(features, axis=1).astype(np.float32),
            float(np.asarray(logits).reshape(-1)[0]),
        )


def _declared(names: Iterable[str]) -> bytes:
    """An onnx.proto message that adds tensors of floats to the outputs of a graph."""
    kind = _field(_TYPE, _field(_TENSOR, _FLOAT))
    return _field(_GRAPH, b"".join(_field(_OUTPUT, _field(_NAME, name.encode()) + kind) for name in names))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
