"""The one list of built-in models, read from `catalogue.toml`."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rag.errors import ModelUnavailable
from rag.settings import Settings


class BuiltInModel(BaseModel):
    """One model: its origin, licence, dimension, and the sha256 of each file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: Literal["embedding", "reranking"]
    dimension: int
    max_tokens: int
    query_prompt: str = ""
    origin: str
    licence: str
    package: str
    package_sha256: str
    folder: str
    notices: tuple[str, ...]
    files: dict[str, str]


@cache
def catalogue() -> dict[str, BuiltInModel]:
    """Every built-in model by name."""
    table = tomllib.loads(files("rag.models").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return {name: BuiltInModel(name=name, **entry) for name, entry in table.items()}


def is_built_in(name: str) -> bool:
    return name in catalogue()


def installed_path(settings: Settings, name: str) -> Path:
    """The folder of a built-in model that has been fetched.

    Raises:
        ModelUnavailable: it has not been fetched, or not wholly; the remedy names the command.
    """
    folder = settings.models_dir / name
    missing = [file for file in catalogue()[name].files if not (folder / file).is_file()]
    if missing:
        raise ModelUnavailable(
            f"the built-in model {name} is not in {settings.models_dir}",
            remedy=f"run `rag models fetch {name}`",
        )
    return folder


def model_dimension(settings: Settings) -> int:
    """The dimension of the embedding model, without loading it where that can be known.

    Opening the store needs the dimension, and listing documents should not cost the seconds that
    loading a model takes.
    """
    name = settings.embedding_model
    if is_built_in(name):
        return catalogue()[name].dimension
    config = Path(name) / "1_Pooling" / "config.json"
    if config.is_file():
        return int(json.loads(config.read_text(encoding="utf-8"))["word_embedding_dimension"])
    from rag.embedding import load_embedder

    return load_embedder(settings).dimension
