"""The built-in cross-encoder as the peers load one: a folder of torch weights, made of the ONNX file.

    PYTHON reranker.py FOLDER TARGET

Runs in the peers' environment. The ONNX file holds the weights in 8 bits with a scale each; here they are
multiplied out, so what the peers rerank with is the same model without the rounding of activations. What it
gives to the pair of the model card is compared before anything is measured with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

QUESTION = "How many people live in Berlin?"
PAIRS = (
    (
        "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square kilometers.",
        9.21,
    ),
    ("Berlin is well known for its museums.", -4.43),
)
"""What the ONNX file gives to the pairs of the model's card."""
FAR = 0.6
LINEAR = ("/MatMul_quant", "/Gemm_MatMul_quant")


def main(folder: str, target: str) -> None:
    """Write the model; an error where its scores are not those of the ONNX file.

    Raises:
        SystemExit: a score is more than `FAR` from what it should be.
    """
    config = BertConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536, num_labels=1
    )
    config.sentence_transformers = {"activation_fn": "torch.nn.modules.linear.Identity"}
    model = BertForSequenceClassification(config)
    model.load_state_dict(_weights(Path(folder) / "model.onnx"))
    model.save_pretrained(target)
    # As stored, the tokenizer fills every text up to the longest, and does not say which that is.
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=config.max_position_embeddings)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.save_pretrained(target)
    scores = CrossEncoder(target).predict([(QUESTION, text) for text, _ in PAIRS])
    for (_, wanted), score in zip(PAIRS, scores, strict=True):
        if abs(wanted - score) > FAR:
            sys.exit(f"the weights are not those of the ONNX file: {score:.2f} instead of {wanted}")


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """Weights by their names in torch; the ONNX graph has lost those of the matrices, its nodes tell them."""
    graph = onnx.load(path).graph
    arrays = {each.name: torch.tensor(numpy_helper.to_array(each)) for each in graph.initializer}
    weights = {
        name: array
        for name, array in arrays.items()
        if name.startswith(("bert.", "classifier.")) and array.ndim
    }
    for node in graph.node:
        ending = next((each for each in LINEAR if node.name.endswith(each)), None)
        if node.op_type == "MatMulInteger" and ending is not None:
            name = node.name.removesuffix(ending).strip("/").replace("/", ".")
            weights[f"{name}.weight"] = _multiplied_out(arrays, node.input[1]).T.contiguous()
    for name in [name for name in weights if name.endswith("_quantized")]:
        if "embeddings" in name:
            weights[name.removesuffix("_quantized")] = _multiplied_out(arrays, name)
        del weights[name]
    return weights


def _multiplied_out(arrays: dict[str, torch.Tensor], quantized: str) -> torch.Tensor:
    """A matrix of 8-bit numbers as what they stand for."""
    name = quantized.removesuffix("_quantized")
    zero = arrays[f"{name}_zero_point"].to(torch.float32)
    return (arrays[quantized].to(torch.float32) - zero) * arrays[f"{name}_scale"]


if __name__ == "__main__":
    main(*sys.argv[1:])
