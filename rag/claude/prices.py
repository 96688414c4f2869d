"""What a model costs and can take: one dated table, `models.toml`, which the user may replace."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import SettingsError

Keep = Literal["5m", "1h", "off"]
"""How long Claude keeps the stable part of a prompt."""

HOUR_WRITE = 2.0
"""What keeping a token for an hour costs, as a multiple of its input price, for all models alike."""


class Rates(BaseModel):
    """US dollars per million tokens; `cache_write` is for five minutes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float
    output: float
    cache_write: float
    cache_read: float

    @property
    def hour_write(self) -> float:
        return self.input * HOUR_WRITE


class Step(Rates):
    """Rates of a request whose whole prompt is larger than `above` tokens."""

    above: int


class Model(Rates):
    """Limits in tokens; `cache_minimum` is the smallest prefix that Claude keeps."""

    context: int
    max_output: int
    thinking_can_be_off: bool
    cache_minimum: int = 0
    step: Step | None = None


class PriceTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    read: str
    models: dict[str, Model]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the API bills them. `input_tokens` is what neither was read from nor written to a cache.

    `hour_write_tokens` are those of `cache_write_tokens` that are kept for an hour.
    """

    input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    hour_write_tokens: int = 0

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
    rates = _rates(entry, usage.prompt_tokens)
    total = (
        usage.input_tokens * rates.input
        + (usage.cache_write_tokens - usage.hour_write_tokens) * rates.cache_write
        + usage.hour_write_tokens * rates.hour_write
        + usage.cache_read_tokens * rates.cache_read
        + usage.output_tokens * rates.output
    )
    return round(total / 1_000_000, 8)


def estimate(
    table: PriceTable, model: str, prompt_tokens: int, output_tokens: int, keep: Keep
) -> float | None:
    """The most dollars that one request of this size may cost; None for a model the table does not know.

    The worst case is a prompt that is all written to the cache, if it is long enough to be kept.
    """
    entry = table.models.get(model)
    if entry is None:
        return None
    rates = _rates(entry, prompt_tokens)
    price = rates.input
    if prompt_tokens >= entry.cache_minimum and keep != "off":
        price = max(price, rates.cache_write if keep == "5m" else rates.hour_write)
    return round((prompt_tokens * price + output_tokens * rates.output) / 1_000_000, 8)


def _rates(entry: Model, prompt_tokens: int) -> Rates:
    return entry.step if entry.step and prompt_tokens > entry.step.above else entry
