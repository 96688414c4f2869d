"""The tables of bench.abstain: refusals, questions back, and the fit of the weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from rag.clarification import unclear
from rag.documents import Hit
from rag.sufficiency import NONE_BELOW, Weights, assess, signals

FOLDS = 10
BUDGETS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30)
"""Shares of answerable questions refused at which recall is read off the curve."""
RIDGE = 1.0
"""Strength of the penalty on standardised weights, where a corpus counts as CORPUS_WEIGHT questions."""
CORPUS_WEIGHT = 400.0

REFUSALS = """
Precision: unanswerable among the refused, of answerable and unanswerable questions; in brackets of all
questions, where the refusal of a partly answerable or an underspecified one counts as wrong.

| set | rule | unanswerable | recall | precision | answerable refused |
|---|---|---|---|---|---|"""
CURVES = f"""
Recall at a share of answerable questions refused. 'Shipped' are the weights in the code. 'Held out' are those
of 10 folds by conversation, each fitted beside the other sets; 'corpus left out' the same with a fold for
each corpus of the set; 'other sets' those of a fit without the set.

| set | weights | AUC | {" | ".join(f"{share:.0%}" for share in BUDGETS)} | recall at precision 0.8 |
|---|---|---|{"---|" * (len(BUDGETS) + 1)}"""
JUDGED = ("ANSWERABLE", "UNANSWERABLE")

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Measured:
    """A labelled question, what was found for it, and whether sentences of that would be quoted."""

    material: str
    corpus: str
    group: str
    label: str
    question: str
    asked: str
    earlier: tuple[str, ...]
    hits: tuple[Hit, ...]
    quoted: bool

    @property
    def probability(self) -> float:
        return assess(self.asked, self.hits).probability

    @property
    def verdict(self) -> str:
        return assess(self.asked, self.hits).verdict


def print_refusals(measured: Sequence[Measured], fitted: Sequence[str]) -> None:
    """What is refused by each rule, then the curve of the model's probability."""
    names = list(dict.fromkeys(m.material for m in measured))
    print(REFUSALS)
    for name in names:
        own = [m for m in measured if m.material == name]
        for rule, refused in _rules(own, measured, fitted).items():
            print(f"| {name} | {rule} | {_refusal_cells(own, refused)} |")
    print(CURVES)
    for name in names:
        own = _judged(measured, name)
        truth = _truth(own)
        print(f"| {name} | shipped | {_curve(np.array([m.probability for m in own]), truth)} |")
        if name not in fitted:
            continue
        others = [_judged(measured, other) for other in fitted if other != name]
        print(f"| {name} | held out | {_curve(_held_out(own, others, _conversations(own)), truth)} |")
        if len(corpora := sorted({m.corpus for m in own})) > 1:
            folds = [frozenset(m.group for m in own if m.corpus == corpus) for corpus in corpora]
            print(f"| {name} | corpus left out | {_curve(_held_out(own, others, folds), truth)} |")
        if others:
            print(f"| {name} | other sets | {_curve(_predict(_fit(others), own), truth)} |")
    print()


def _rules(
    own: Sequence[Measured], measured: Sequence[Measured], fitted: Sequence[str]
) -> dict[str, list[bool]]:
    """Whether each rule refuses each question."""
    rules = {
        "no sentence fits (peer)": [not m.quoted for m in own],
        "verdict 'none'": [m.verdict == "none" for m in own],
        "either": [m.verdict == "none" or not m.quoted for m in own],
        "'none', or 'doubtful' and no sentence fits": [
            m.verdict == "none" or (m.verdict == "doubtful" and not m.quoted) for m in own
        ],
        "verdict not 'enough'": [m.verdict != "enough" for m in own],
    }
    if own[0].material in fitted:
        others = [_judged(measured, other) for other in fitted if other != own[0].material]
        held_out = _held_out(own, others, _conversations(own))
        rules["verdict 'none', held out"] = [bool(value < NONE_BELOW) for value in held_out]
    return rules


def print_clarifications(measured: Sequence[Measured]) -> None:
    """How often a question is asked back, by label."""
    print("| set | label | questions | asked back | share |")
    print("|---|---|---|---|---|")
    totals: Counter[tuple[str, str]] = Counter((m.material, m.label) for m in measured)
    asked = Counter(
        (m.material, m.label) for m in measured if unclear(m.question, m.hits, m.earlier) is not None
    )
    for (name, label), total in totals.items():
        count = asked[name, label]
        print(f"| {name} | {label.lower()} | {total} | {count} | {count / total:.1%} |")
    print()


def print_fit(measured: Sequence[Measured], names: Sequence[str]) -> None:
    """The weights that a fit to all of the sets gives, each corpus counting the same."""
    parts = [_judged(measured, name) for name in names]
    for columns in ((0, 1, 2, 3), (0, 2, 3), (1, 2, 3)):
        values = _fit(parts, columns)
        rounded = {key: round(value, 3) for key, value in asdict(values).items()}
        print(f"Weights({', '.join(f'{key}={value}' for key, value in rounded.items())})")


def _refusal_cells(own: Sequence[Measured], refuses: Sequence[bool]) -> str:
    total = Counter(m.label for m in own)
    refused = Counter(m.label for m, refuse in zip(own, refuses, strict=True) if refuse)
    right, wrong, every = refused["UNANSWERABLE"], refused["ANSWERABLE"], sum(refused.values())
    precision = f"{right / max(1, right + wrong):.2f} ({right / max(1, every):.2f})"
    recall = right / max(1, total["UNANSWERABLE"])
    share = f"{wrong} of {total['ANSWERABLE']} ({wrong / max(1, total['ANSWERABLE']):.1%})"
    return f"{total['UNANSWERABLE']} | {recall:.2f} | {precision} | {share}"


def _curve(probabilities: Floats, truth: Floats) -> str:
    """AUC, recall at each budget, and the recall that a precision of 0.8 allows."""
    scores = -probabilities
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(truth[order])
    wrong = np.cumsum(1 - truth[order])
    bad, good = scores[truth == 1], scores[truth == 0]
    above = (bad[:, None] > good[None, :]).mean() + (bad[:, None] == good[None, :]).mean() / 2
    recalls = [max((right[wrong <= b * len(good)] / len(bad)).tolist(), default=0.0) for b in BUDGETS]
    precise = max((right[right / (right + wrong) >= 0.8] / len(bad)).tolist(), default=0.0)
    return " | ".join(f"{value:.2f}" for value in (above, *recalls, precise))


def _judged(measured: Sequence[Measured], name: str) -> list[Measured]:
    return [m for m in measured if m.material == name and m.label in JUDGED]


def _truth(own: Sequence[Measured]) -> Floats:
    return np.array([float(m.label == "UNANSWERABLE") for m in own])


def _held_out(
    own: Sequence[Measured], others: Sequence[Sequence[Measured]], folds: Iterable[frozenset[str]]
) -> Floats:
    """The probability of each question by a fit that has not seen its fold."""
    found = np.zeros(len(own))
    for fold in folds:
        seen = [m for m in own if m.group not in fold and m.label in JUDGED]
        rows = [index for index, m in enumerate(own) if m.group in fold]
        found[rows] = _predict(_fit([seen, *others]), [own[index] for index in rows])
    return found


def _conversations(own: Sequence[Measured]) -> Iterator[frozenset[str]]:
    """Folds that no conversation, and no question in two forms, is split over."""
    groups = sorted({m.group for m in own})
    np.random.default_rng(0).shuffle(groups)
    for fold in range(FOLDS):
        yield frozenset(groups[fold::FOLDS])


def _inputs(own: Sequence[Measured]) -> Table:
    given = [signals(m.asked, m.hits) for m in own]
    return np.array(
        [[s.relevance or 0.0, s.similarity or 0.0, s.closed, s.amount] for s in given], dtype=float
    )


def _predict(weights: Weights, own: Sequence[Measured]) -> Floats:
    values = [weights.relevance, weights.similarity, weights.closed, weights.amount]
    odds = _inputs(own) @ np.array(values) + weights.constant
    return 1.0 / (1.0 + np.exp(-odds))


def _fit(parts: Sequence[Sequence[Measured]], columns: Sequence[int] = (0, 1, 2, 3)) -> Weights:
    """Ridge-penalised logistic regression by Newton's method.

    Every corpus weighs the same, so that MTRAG's four count as four, and both answers do within a set.
    """
    rows = np.vstack([_inputs(part) for part in parts])[:, columns]
    answerable = 1 - np.concatenate([_truth(part) for part in parts])
    sizes = []
    for part in parts:
        truth = _truth(part)
        total = CORPUS_WEIGHT * len({m.corpus for m in part})
        sizes.append(np.where(truth == 1, 0.5 / truth.sum(), 0.5 / (1 - truth).sum()) * total)
    size = np.concatenate(sizes)
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    design = np.hstack([np.ones((len(rows), 1)), (rows - mean) / scale])
    penalty = np.diag([0.0] + [RIDGE] * len(columns))
    found = np.zeros(design.shape[1])
    for _ in range(50):
        expected = 1.0 / (1.0 + np.exp(-design @ found))
        slope = design.T @ (size * (answerable - expected)) - penalty @ found
        curve = (design * (size * expected * (1 - expected))[:, None]).T @ design + penalty
        step = np.linalg.solve(curve, slope)
        found += step
        if np.abs(step).max() < 1e-9:
            break
    values = [0.0] * 4
    for column, value in zip(columns, found[1:] / scale, strict=True):
        values[column] = float(value)
    constant = float(found[0] - (found[1:] / scale * mean).sum())
    return Weights(constant, *values)
