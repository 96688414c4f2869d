"""What a model costs and can take: one dated table, `models.toml`, which the user may replace."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import SettingsError


class Rates(BaseModel):
    """US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float
    output: float
    cache_write: float
    cache_read: float


class Step(Rates):
    """Rates of a request whose whole prompt is larger than `above` tokens."""

    above: int


class Model(Rates):
    context: int
    max_output: int
    thinking_can_be_off: bool
    step: Step | None = None


class PriceTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    read: str
    models: dict[str, Model]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the API bills them. `input_tokens` is what neither was read from nor written to a cache."""

    input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        return self.input_tokens + self.cache_write_tokens + self.cache_read_tokens


def load_prices(path: Path | None) -> PriceTable:
    """The built-in table, or the user's.

    Raises:
        SettingsError: the user's file is missing or malformed.
    """
    try:
        source = files("rag.claude").joinpath("models.toml") if path is None else path
        return PriceTable.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(
            f"RAG_PRICES_FILE cannot be used: {error}", remedy="copy rag/claude/models.toml and edit it"
        ) from None


def cost(table: PriceTable, model: str, usage: Usage) -> float | None:
    """Dollars of one request; None for a model that the table does not know."""
    entry = table.models.get(model)
    if entry is None:
        return None
    rates: Rates = entry.step if entry.step and usage.prompt_tokens > entry.step.above else entry
    total = (
        usage.input_tokens * rates.input
        + usage.cache_write_tokens * rates.cache_write
        + usage.cache_read_tokens * rates.cache_read
        + usage.output_tokens * rates.output
    )
    return round(total / 1_000_000, 8)
