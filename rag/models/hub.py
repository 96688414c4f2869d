"""Models of a hub: asked for once and briefly, before the libraries ask many times and warn each time.

https://huggingface.co/docs/huggingface_hub/package_reference/hf_api
"""

from __future__ import annotations

import difflib
import os
from typing import Literal

from rag.errors import ModelUnavailable
from rag.models.catalogue import catalogue

SECONDS = 10.0
CONFIG = "config.json"
"""Every model has one; where it is in the cache, the model was loaded before."""
SHORTEST = 3
"""Letters of a name that is taken for the beginning of a built-in one."""
Role = Literal["embedding", "reranking"]
_OF_ROLE: dict[Role, tuple[str, str]] = {
    "embedding": ("sentence-transformers", "RAG_EMBEDDING_MODEL"),
    "reranking": ("cross-encoder", "RAG_RERANKER_MODEL"),
}


def expect_on_hub(name: str, role: Role) -> None:
    """Nothing, if the model is in the hub's cache on this machine or the hub offers it.

    sentence-transformers takes a name without a slash as one of its own, by role under one organisation.

    Raises:
        ModelUnavailable: neither; with the setting to change.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    organisation, variable = _OF_ROLE[role]
    remedy = f"set {variable} to a built-in name (`rag models list`), a folder, or a model the hub serves"
    if meant := _meant(name, role):
        remedy = f"did you mean {meant}? {remedy}"
    full = name if "/" in name else f"{organisation}/{name}"
    caches = (None, os.environ.get("SENTENCE_TRANSFORMERS_HOME"))
    try:
        if any(isinstance(try_to_load_from_cache(full, CONFIG, cache_dir=cache), str) for cache in caches):
            return
        HfApi().model_info(full, timeout=SECONDS)
    except GatedRepoError:
        raise ModelUnavailable(
            f"the hub gives the model {full!r} only to those it has admitted", remedy="set HF_TOKEN"
        ) from None
    except (HFValidationError, RepositoryNotFoundError):
        raise ModelUnavailable(f"there is no model {full!r}, here or on the hub", remedy=remedy) from None
    except Exception as error:  # whatever keeps the hub from answering
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelUnavailable(
            f"the model {full!r} is not on this machine, and the hub does not answer: {said}", remedy=remedy
        ) from error


def _meant(name: str, role: Role) -> str:
    """The built-in model that a name was to be, or nothing. With an owner only the very same is meant."""
    built_in = {model.name.lower(): model.name for model in catalogue().values() if model.role == role}
    owner, _, own = name.lower().rpartition("/")
    if owner:
        return built_in.get(own, "")
    near = difflib.get_close_matches(own, built_in, 1, 0.7)
    begun = [short for short in built_in if len(own) >= SHORTEST and short.startswith(own)]
    return built_in[(near or begun)[0]] if near or begun else ""
