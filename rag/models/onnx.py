"""Runs models that are ONNX files."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MODEL_FILE = "model.onnx"
"""What a model in ONNX consists of, beside its tokenizer."""

NICENESS = 5
"""Of the threads that compute, where the process has less: as much as that of the processes that parse."""
MOST_AT_ONCE = 8
"""Inputs: each that is computed takes memory, and a container may have fewer processors than the machine."""

Inputs = Mapping[str, NDArray[np.int64]]


class OnnxModel:
    """A model, by file or content. Safe to use from several threads.

    Every input goes through by itself, on one processor, and as many inputs at once as there are processors.
    8 bits are scaled by the largest value of what is computed together, so in a batch the result for a text
    would depend on its company. Nor would several processors for one input pay: they wait for each other at
    every layer, and burn their time while they wait for the next input (docs/decisions.md). The threads that
    compute give way to all others, so that who waits for a model does not keep those waiting who need none.
    """

    def __init__(self, model: Path | bytes) -> None:
        # Nothing about a company's documents leaves it, not even that they are read.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime as ort

        ort.disable_telemetry_events()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        # Processors without VNNI add pairs of 8-bit products in 16 bits and cut off what is larger; this has
        # them add in 32 bits, and changes nothing on the others (onnxruntime_session_options_config_keys.h).
        options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = ort.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
        self._pool = ThreadPoolExecutor(
            min(len(os.sched_getaffinity(0)), MOST_AT_ONCE), thread_name_prefix="onnx", initializer=_give_way
        )
        self.inputs = tuple(given.name for given in self._session.get_inputs())

    def run(self, given: Inputs) -> list[NDArray[Any]]:
        """All outputs for one input."""
        return self._pool.submit(self._run, given).result()

    def run_each(self, given: Sequence[Inputs]) -> list[NDArray[Any]]:
        """The first output for each input, in their order."""
        return [outputs[0] for outputs in self._pool.map(self._run, given)]

    def _run(self, given: Inputs) -> list[NDArray[Any]]:
        outputs: list[NDArray[Any]] = self._session.run(None, dict(given))
        return outputs


def tokenizer_of(folder: Path, longest: int | None = None) -> Tokenizer:
    """The tokenizer beside a model, which cuts what is longer than so many tokens.

    It does not pad: the files as published pad every text to 512 tokens, which costs tenfold on short ones.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    if longest is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(longest, strategy="longest_first")
    return tokenizer


def inputs_of(encoding: Encoding) -> dict[str, NDArray[np.int64]]:
    """A text, or a question and a passage, as BERT reads them, each array of shape (1, tokens)."""
    rows = {
        "input_ids": encoding.ids,
        "attention_mask": encoding.attention_mask,
        "token_type_ids": encoding.type_ids,
    }
    return {name: np.array([row], dtype=np.int64) for name, row in rows.items()}


def _give_way() -> None:
    """Lower the priority of this thread, which on Linux has one of its own; elsewhere do nothing."""
    if sys.platform != "linux":
        return
    me = threading.get_native_id()
    with contextlib.suppress(OSError):  # where a container does not allow it
        os.setpriority(os.PRIO_PROCESS, me, max(NICENESS, os.getpriority(os.PRIO_PROCESS, me)))
