"""Models of a hub: asked for once and briefly, before the libraries ask many times and warn each time.

https://huggingface.co/docs/huggingface_hub/package_reference/hf_api
"""

from __future__ import annotations

from rag.errors import ModelUnavailable

SECONDS = 10.0
CONFIG = "config.json"
"""Every model has one; where it is in the cache, the model was loaded before."""


def expect_on_hub(name: str, variable: str) -> None:
    """Nothing, if the model `name` is in the hub's cache on this machine or the hub offers it.

    Raises:
        ModelUnavailable: neither; with `variable` as the setting to change.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    remedy = f"set {variable} to a built-in name (`rag models list`), a folder, or a model the hub serves"
    try:
        if isinstance(try_to_load_from_cache(name, CONFIG), str):
            return
        HfApi().model_info(name, timeout=SECONDS)
    except (HFValidationError, RepositoryNotFoundError):
        raise ModelUnavailable(f"there is no model {name!r}, here or on the hub", remedy=remedy) from None
    except Exception as error:  # whatever keeps the hub from answering
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelUnavailable(
            f"the model {name!r} is not on this machine, and the hub does not answer: {said}", remedy=remedy
        ) from error
