"""Opens models that are ONNX files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL_FILE = "model.onnx"
"""What a model in ONNX consists of, beside its tokenizer."""


def open_session(model: Path | bytes) -> InferenceSession:
    """A model, by file or content, on all processors that this process may use."""
    # Nothing about a company's documents leaves it, not even that they are read.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as ort

    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    return ort.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )
