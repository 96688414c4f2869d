"""A run as it is kept: `run.json`, how it was measured, and `results.jsonl`, a question a line."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.bulk.state import write_whole
from rag.errors import InvalidRequest
from rag.evaluation.metrics import ANSWERS, RETRIEVAL, mean
from rag.evaluation.places import Place
from rag.jsonl import BadLine

FORMAT: Literal[1] = 1
RUN = "run.json"
RESULTS = "results.jsonl"
ANSWERED = "answers"
"""The name under which answers stand beside the configurations of the search."""

Figures = dict[str, float | None]


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Passage(_Kept):
    """A passage as it was found or cited, its text cut to be shown; `right` says that it touches a place."""

    document_id: str
    title: str
    page: int | None
    start: int
    end: int
    text: str
    right: bool


class Searched(_Kept):
    """What one configuration found for a question."""

    figures: Figures
    stages_ms: dict[str, float]
    found: list[Passage]


class Answered(_Kept):
    """The answer to a question; `failure` says why there is none."""

    figures: Figures
    stages_ms: dict[str, float] = Field(default_factory=dict)
    text: str = ""
    answered: bool = False
    outcome: str = ""
    model: str = ""
    cited: list[Passage] = Field(default_factory=list)
    notice: str | None = None
    verdict: str | None = None
    failure: str | None = None


class Result(_Kept):
    """One question, what is known of it, and what came of it."""

    id: str
    line: int
    question: str
    searched_for: str = Field(description="The question as it stands alone.")
    answerable: bool
    accepted: tuple[str, ...]
    places: tuple[Place, ...]
    searched: dict[str, Searched] = Field(default_factory=dict)
    answered: Answered | None = None

    def figures(self, configuration: str) -> Figures:
        """Of a configuration of the search, or of the answer; empty where there are none."""
        if configuration == ANSWERED:
            return self.answered.figures if self.answered else {}
        found = self.searched.get(configuration)
        return found.figures if found else {}


class Judged(_Kept):
    """Who graded the answers."""

    model: str
    prompt: str
    prompt_sha256: str
    questions: int
    failed: int
    usd: float

    def __str__(self) -> str:
        prompt = f"prompt {self.prompt} {self.prompt_sha256[:8]}"
        return f"judged by {self.model}, {prompt}, {self.questions} answers, ${self.usd:.4f}"


class About(_Kept):
    """How a run was measured; `settings` are without secrets."""

    format: Literal[1] = FORMAT
    date: datetime
    version: str
    machine: str
    questions: str
    questions_sha256: str
    bad_lines: list[BadLine]
    documents: int
    chunks: int
    configurations: list[str]
    settings: dict[str, Any]
    seconds: float
    mode: str | None = Field(default=None, description="Of the answers, where there are any.")
    judged: Judged | None = None


class Run(_Kept):
    """A whole run."""

    about: About
    results: list[Result]

    @property
    def compared(self) -> list[str]:
        """What has figures: the configurations of the search, and the answers where there are any."""
        answers = [ANSWERED] if any(one.answered for one in self.results) else []
        return [*self.about.configurations, *answers]

    def values(self, configuration: str, metric: str) -> list[float | None]:
        return [one.figures(configuration).get(metric) for one in self.results]

    def stages(self, configuration: str) -> dict[str, list[float]]:
        """Milliseconds of each stage, and in all."""
        found: dict[str, list[float]] = {}
        for one in self.results:
            held = one.answered if configuration == ANSWERED else one.searched.get(configuration)
            if held is None or not held.stages_ms:
                continue
            for stage, spent in (*held.stages_ms.items(), ("all", sum(held.stages_ms.values()))):
                found.setdefault(stage, []).append(spent)
        total = found.pop("all", None)
        return found if total is None else {**found, "all": total}

    def summary(self, configuration: str) -> dict[str, dict[str, float | int | None]]:
        """The mean of each metric and over how many questions; those without a value are left out."""
        rows: dict[str, dict[str, float | int | None]] = {}
        for metric in metrics_of(configuration):
            values = [value for value in self.values(configuration, metric) if value is not None]
            if values:
                rows[metric] = {"mean": mean(values), "n": len(values)}
        return rows

    def models(self) -> Counter[str]:
        """How many answers each model gave."""
        return Counter(one.answered.model for one in self.results if one.answered and one.answered.model)

    @property
    def failures(self) -> list[Result]:
        return [one for one in self.results if one.answered and one.answered.failure]


def metrics_of(configuration: str) -> Sequence[str]:
    return ANSWERS if configuration == ANSWERED else RETRIEVAL


def check_free(folder: Path) -> None:
    """
    Raises:
        InvalidRequest: a run cannot be kept there.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidRequest(f"{folder} is there already", remedy="name another folder with --out")


def save_run(folder: Path, run: Run) -> None:
    """Write a run; only its owner may read it, since it holds pieces of documents.

    Raises:
        StoreUnavailable, InvalidRequest: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidRequest(f"{folder} cannot be made: {os.strerror(error.errno or 0)}") from None
    write_whole(folder / RESULTS, _lines(run.results), mode=0o600)
    write_whole(folder / RUN, [run.about.model_dump_json(indent=2).encode(), b"\n"], mode=0o600)


def load_run(folder: Path) -> Run:
    """
    Raises:
        InvalidRequest: there is no run in the folder, or one that cannot be read.
    """
    try:
        about = About.model_validate_json((folder / RUN).read_bytes())
        lines = (folder / RESULTS).read_bytes().splitlines()
        return Run(about=about, results=[Result.model_validate_json(line) for line in lines])
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidRequest(
            f"{folder} holds no run", remedy=f"make one: rag eval questions.jsonl --out {folder}"
        ) from None
    except (OSError, ValidationError):
        raise InvalidRequest(f"the run in {folder} is damaged or of another version") from None


def _lines(results: Iterable[Result]) -> Iterable[bytes]:
    return (f"{result.model_dump_json()}\n".encode() for result in results)
