"""The vector of a question for source code: a linear map, learned from docstrings and their functions.

It is for questions in other words than the code's; one that names a function is found by the name.

`bench/code_adapter.py` makes it, for the built-in embedding model alone; vectors of documents are as they
were. What it gains is in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

MADE_FOR = "bge-small-en-v1.5"


def adapted_to_code(vector: Sequence[float], model: str) -> list[float] | None:
    """The unit vector that lies nearer to code than that of a question does; None for another model's."""
    if model != MADE_FOR:
        return None
    moved = np.asarray(vector, dtype=np.float32) @ _matrix()
    adapted: list[float] = (moved / max(float(np.linalg.norm(moved)), 1e-12)).tolist()
    return adapted


@cache
def _matrix() -> NDArray[np.float32]:
    with files("rag").joinpath("code_adapter.npy").open("rb") as file:
        matrix: NDArray[np.float32] = np.load(file, allow_pickle=False).astype(np.float32)
    return matrix
