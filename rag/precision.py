"""A model's arithmetic in bfloat16 where the processor has it, if the vectors stay what they are.

Twice as fast on the processors that have instructions for it, and slower on all others; so both are asked:
the processor for its instructions, the model for its vectors.
"""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = logging.getLogger(__name__)

AGREEMENT = 0.999
"""Least cosine between the vectors of one text in both precisions."""
INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""As the kernel names them, on x86-64 and arm64."""
CPUINFO = Path("/proc/cpuinfo")

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_SAMPLES = (
    "Backups are kept for ninety days, and restoring one is tested every quarter.",
    "def read_timeout(self, seconds: float = 30.0) -> None: raise TimeoutError(seconds)",
    "Revenue rose by 12.4 % to $3,871 million in 2023; see note 17 on page 94.",
    "Der Vertrag endet am 31. Dezember. 契約は12月31日に終了します。",
)


def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the processor computes in bfloat16 itself."""
    try:
        text = cpuinfo.read_text("utf-8", errors="replace")
    except OSError:
        return False
    flags = {
        flag
        for line in text.splitlines()
        if line.lower().startswith(("flags", "features"))
        for flag in line.partition(":")[2].split()
    }
    return not INSTRUCTIONS.isdisjoint(flags)


def use_bfloat16(model: SentenceTransformer) -> bool:
    """Let the model compute in bfloat16; False, and the model as it was, where its vectors would change.

    Token vectors are pooled in 32 bits, which keeps the cosine with the vectors of full precision at 0.9999.
    """
    import torch

    before = _vectors(model)
    weights = model.state_dict()  # holds on to them: the other precision gets tensors of its own
    hook = model[0].register_forward_hook(_widen)
    model.bfloat16()
    try:
        agreement = float((_vectors(model) * before).sum(axis=1).min())
    except Exception as error:  # whatever a module without such arithmetic raises
        log.info("bfloat16 is not used: %s", error)
        agreement = 0.0
    if agreement >= AGREEMENT:
        return True
    hook.remove()
    model.to(torch.float32)
    model.load_state_dict(weights)
    return False


def keep_memory() -> None:
    """Tell glibc to keep what is freed: a model frees and asks for the same big blocks at every batch.

    mallopt(3). Elsewhere nothing happens.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most it takes
    mallopt(_M_TRIM_THRESHOLD, 256 << 20)
    mallopt(_M_TOP_PAD, 64 << 20)


def _vectors(model: SentenceTransformer) -> np.ndarray[Any, np.dtype[np.float32]]:
    vectors = model.encode(
        list(_SAMPLES), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
    )
    return np.asarray(vectors, dtype=np.float32)


def _widen(module: Any, given: Any, made: dict[str, Any]) -> dict[str, Any]:
    if "token_embeddings" in made:
        made["token_embeddings"] = made["token_embeddings"].float()
    return made
