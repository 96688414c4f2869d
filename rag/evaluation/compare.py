"""Two runs over the same questions: the differences, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.errors import InvalidRequest
from rag.evaluation.kept import Result, Run, metrics_of
from rag.evaluation.metrics import ANSWERS, LOWER_IS_BETTER, RETRIEVAL

RESAMPLES = 10_000
SEED = 20261126
FEWEST = 6
"""Questions that differ, from which a difference may be called sure: of five, all may go one way by chance
once in 16 times (a sign test of two sides), which is more than 5 %."""
DEFAULT_GATES = ("recall@5:0.01", "ndcg@10:0.01")
_AT_ONCE = 500

_Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of both runs, B less A; its 95 % interval is from `low` to `high`.

    `n` are the questions that have a value in both, or in one of them where a value depends on the answer;
    `differ` are those of them whose values are not the same.
    """

    configuration: str
    metric: str
    n: int
    differ: int
    a: float
    b: float
    difference: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero, and enough questions differ to say so."""
        return self.differ >= FEWEST and (self.low > 0 or self.high < 0)

    @property
    def better(self) -> bool | None:
        """Whether B is better; None where that is not sure."""
        return (self.difference < 0) == (self.metric in LOWER_IS_BETTER) if self.sure else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`pairs` are the questions of both runs, `only_a` and `only_b` how many the other does not have."""

    differences: list[Difference]
    pairs: int
    only_a: int
    only_b: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """How much of a metric B may lose."""

    metric: str
    loss: float

    def fails(self, found: Difference) -> bool:
        """Whether the whole interval lies beyond what is allowed; of few questions, too."""
        if found.metric != self.metric:
            return False
        if self.metric in LOWER_IS_BETTER:
            return found.low > self.loss
        return found.high < -self.loss


def gate_of(text: str) -> Gate:
    """`METRIC:LOSS`, or a metric alone, of which nothing may be lost.

    Raises:
        InvalidRequest: there is no such metric, or the loss is no number.
    """
    metric, _, allowed = text.partition(":")
    metric = metric.strip().lower()
    if metric not in (*RETRIEVAL, *ANSWERS):
        raise InvalidRequest(
            f"{metric!r} is not a metric",
            remedy=f"choose of {', '.join(dict.fromkeys((*RETRIEVAL, *ANSWERS)))}",
        )
    try:
        loss = float(allowed) if allowed else 0.0
    except ValueError:
        loss = -1.0
    if not 0 <= loss < float("inf"):
        raise InvalidRequest(f"{allowed!r} is not a loss", remedy="write a number, such as recall@5:0.01")
    return Gate(metric, loss)


def compare(a: Run, b: Run, configurations: Sequence[str] = ()) -> Comparison:
    """Every metric of what both runs have measured; or one configuration each, where they differ.

    Raises:
        InvalidRequest: they have nothing in common.
    """
    pairs = _pairs(a.results, b.results)
    if not pairs:
        raise InvalidRequest("the two runs have no question in common", remedy="compare runs of one file")
    chosen = [(name, name) for name in a.compared if name in b.compared]
    if configurations:
        chosen = [pair for pair in chosen if pair[0] in configurations]
    elif not chosen and len(a.compared) == len(b.compared) == 1:
        chosen = [(a.compared[0], b.compared[0])]
    if not chosen:
        raise InvalidRequest(
            "the two runs have no configuration in common",
            remedy=f"A has {', '.join(a.compared)}; B has {', '.join(b.compared)}",
        )
    differences: list[Difference] = []
    for one, other in chosen:
        differences += _differences(pairs, one, other)
    notes = []
    if a.about.questions_sha256 != b.about.questions_sha256:
        notes.append("the files of questions differ; only questions of the same id and wording are compared")
    if a.about.machine != b.about.machine:
        notes.append("the machines differ, so milliseconds do not compare")
    return Comparison(
        differences, len(pairs), len(a.results) - len(pairs), len(b.results) - len(pairs), tuple(notes)
    )


def failed(comparison: Comparison, gates: Sequence[Gate]) -> list[tuple[Gate, Difference]]:
    """What B has lost too much of.

    Raises:
        InvalidRequest: a gate is for a metric that was not compared; it must not pass unseen.
    """
    compared = {found.metric for found in comparison.differences}
    for gate in gates:
        if gate.metric not in compared:
            raise InvalidRequest(
                f"the gate {gate.metric} has nothing to judge", remedy=f"compared are {', '.join(compared)}"
            )
    return [(gate, found) for gate in gates for found in comparison.differences if gate.fails(found)]


def _pairs(a: Sequence[Result], b: Sequence[Result]) -> list[tuple[Result, Result]]:
    others = {(one.id, one.question): one for one in b}
    return [(one, others[one.id, one.question]) for one in a if (one.id, one.question) in others]


def _differences(pairs: Sequence[tuple[Result, Result]], a: str, b: str) -> list[Difference]:
    metrics = [name for name in metrics_of(a) if name in metrics_of(b)]
    first = _table([one for one, _ in pairs], a, metrics)
    second = _table([other for _, other in pairs], b, metrics)
    counted = ~(np.isnan(first) & np.isnan(second))
    both = np.stack([first, second])
    means = _means(np.ones((1, len(pairs))), both)[:, 0]
    drawn = np.random.default_rng(SEED)
    resampled: list[_Floats] = []
    for start in range(0, RESAMPLES, _AT_ONCE):
        times = min(_AT_ONCE, RESAMPLES - start)
        # How often each question is drawn, the same draw for both runs and all metrics.
        weights = drawn.multinomial(len(pairs), np.full(len(pairs), 1 / len(pairs)), size=times)
        at_once = _means(weights.astype(np.float64), both)
        resampled.append(at_once[1] - at_once[0])
    spread = np.concatenate(resampled)
    differ = (counted & (first != second)).sum(axis=0)
    found = []
    for n, metric in enumerate(metrics):
        if np.isnan(means[:, n]).any():
            continue
        low, high = np.nanpercentile(spread[:, n], [2.5, 97.5])
        found.append(
            Difference(
                a if a == b else f"{a} → {b}",
                metric,
                int(counted[:, n].sum()),
                int(differ[n]),
                float(means[0, n]),
                float(means[1, n]),
                float(means[1, n] - means[0, n]),
                float(low),
                float(high),
            )
        )
    return found


def _table(results: Sequence[Result], configuration: str, metrics: Sequence[str]) -> _Floats:
    """Questions by metrics; NaN where a question has no value."""
    rows = [[one.figures(configuration).get(metric) for metric in metrics] for one in results]
    return np.array(rows, dtype=np.float64)


def _means(weights: _Floats, both: _Floats) -> _Floats:
    """Run by resample by metric: the weighted means of the values that are there; NaN where none is."""
    there = ~np.isnan(both)
    sums = weights @ np.where(there, both, 0.0)
    counts = weights @ there.astype(np.float64)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
