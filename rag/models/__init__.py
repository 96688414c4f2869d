"""The built-in models: what they are, where they come from, and whether they are whole."""

from rag.models.catalogue import BuiltInModel, catalogue, installed_path, is_built_in, model_dimension
from rag.models.fetching import fetch, verify
from rag.models.hub import expect_on_hub
from rag.models.onnx import MODEL_FILE, OnnxModel, inputs_of, tokenizer_of

__all__ = [
    "MODEL_FILE",
    "BuiltInModel",
    "OnnxModel",
    "catalogue",
    "expect_on_hub",
    "fetch",
    "inputs_of",
    "installed_path",
    "is_built_in",
    "model_dimension",
    "tokenizer_of",
    "verify",
]
