"""A run in figures: for machines, and as tables for a terminal. The page for a browser is `report`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import Console, RenderableType
from rich.table import Table

from rag.evaluation.compare import Comparison
from rag.evaluation.kept import ANSWERED, Run
from rag.evaluation.metrics import MONEY, RANKED, SPANS, SPANS_AT, TIME
from rag.terminal import out, plain

ALL = "all"
"""The stage that is the sum of the others."""
PIPED = 120
TITLES = {
    "mrr@10": "MRR\n@10",
    "ndcg@10": "nDCG\n@10",
    "span-recall": f"span\nrecall\n@{SPANS_AT}",
    "span-precision": f"span\nprec.\n@{SPANS_AT}",
    "span-iou": f"span\nIoU\n@{SPANS_AT}",
    "f1": "F1",
    "em": "EM",
    "usd": "dollars per question",
    "ms": "milliseconds per question",
    "judged": "judged correct",
}


def median(values: Sequence[float]) -> float:
    return float(np.median(values))


def p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95))


def as_json(run: Run) -> dict[str, Any]:
    """Everything but the single questions."""
    answers = [one.answered for one in run.results if one.answered]
    return {
        "about": run.about.model_dump(mode="json"),
        "questions": len(run.results),
        "figures": {name: run.summary(name) for name in run.compared},
        "milliseconds": {
            name: {
                stage: {
                    "median": round(median(spent), 1),
                    "p95": round(p95(spent), 1),
                }
                for stage, spent in run.stages(name).items()
            }
            for name in run.compared
        },
        "models": dict(run.models()),
        "usd": round(sum(one.figures.get(MONEY) or 0.0 for one in answers), 8),
        "failed": [
            {"id": one.id, "line": one.line, "reason": one.answered.failure if one.answered else None}
            for one in run.failures
        ],
    }


def tables(run: Run) -> list[RenderableType]:
    """What a person sees: the search, its time, the answers."""
    shown: list[RenderableType] = []
    searched = [name for name in run.about.configurations if run.summary(name)]
    if searched:
        shown += [_search(run, searched), _time(run, searched)]
    if ANSWERED in run.compared:
        shown.append(_answers(run))
    return shown


def _search(run: Run, names: Sequence[str]) -> Table:
    summaries = {name: run.summary(name) for name in names}
    metrics = [one for one in (*RANKED, *SPANS) if any(one in summary for summary in summaries.values())]
    table = _table("Search", "", *(TITLES.get(one, one.replace("@", "\n@")) for one in metrics))
    for name, summary in summaries.items():
        cells = (summary.get(one, {}).get("mean") for one in metrics)
        table.add_row(name, *("-" if cell is None else f"{cell:.3f}" for cell in cells))
    ranked = summaries[names[0]].get(RANKED[0], {}).get("n", 0)
    exact = summaries[names[0]].get(SPANS[0], {}).get("n", 0)
    table.caption = f"{ranked} questions with known places, {exact} with exact ones"
    return table


def _time(run: Run, names: Sequence[str]) -> Table:
    stages = {name: run.stages(name) for name in names}
    columns = [stage for stage in dict.fromkeys(s for each in stages.values() for s in each) if stage != ALL]
    table = _table("Milliseconds per question, median / p95", "", *columns, ALL)
    for name, spent in stages.items():
        table.add_row(name, *(_both(spent.get(stage)) for stage in (*columns, ALL)))
    return table


def _answers(run: Run) -> Table:
    table = _table("Answers", "", "", "questions")
    for metric, row in run.summary(ANSWERED).items():
        title = TITLES.get(metric, metric.replace("-", " "))
        if metric == TIME:
            shown = _both(run.stages(ANSWERED).get(ALL))
            title += ", median / p95"
        else:
            shown = f"{row['mean']:.5f}" if metric == MONEY else f"{row['mean']:.3f}"
        table.add_row(plain(title), shown, str(row["n"]))
    models = ", ".join(f"{model}: {count}" for model, count in run.models().most_common())
    judged = f"; {run.about.judged}" if run.about.judged else ""
    table.caption = plain(f"mode {run.about.mode}; answered by {models or 'none'}{judged}")
    return table


def show(table: RenderableType) -> None:
    """A table on standard output; in a pipe, which has no width, all of it."""
    console = out if out.is_terminal else Console(width=PIPED, highlight=False)
    console.print(table, crop=False)
    console.print()


def comparison_tables(comparison: Comparison) -> Iterator[Table]:
    """One for each configuration."""
    for name in dict.fromkeys(one.configuration for one in comparison.differences):
        table = _table(plain(f"{name}: B less A"), "", "A", "B", "B - A", "95 % interval", "n", "")
        for one in comparison.differences:
            if one.configuration != name:
                continue
            verdict = {True: "[green]better[/]", False: "[red]worse[/]", None: ""}[one.better]
            digits = 5 if one.metric == MONEY else 1 if one.metric == TIME else 3
            a, b, difference = f"{one.a:.{digits}f}", f"{one.b:.{digits}f}", f"{one.difference:+.{digits}f}"
            interval = f"{one.low:+.{digits}f} … {one.high:+.{digits}f}"
            table.add_row(one.metric, a, b, difference, interval, str(one.n), verdict)
        yield table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", caption_justify="left")
    table.title_style, table.caption_style = "bold", "dim"
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _both(spent: Sequence[float] | None) -> str:
    return f"{median(spent):.0f} / {p95(spent):.0f}" if spent else "-"
