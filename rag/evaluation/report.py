"""Kept runs as one HTML page without scripts or network. Everything that it shows was written by others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from rag.evaluation.kept import ANSWERED, Passage, Result, Run
from rag.evaluation.metrics import ANSWERS, DEPTH, JUDGED, LOWER_IS_BETTER, MONEY, RETRIEVAL, TIME
from rag.evaluation.table import ALL, median, p95

COLOURS = 8
_ROW, _LABEL, _WIDTH = 20, 150, 400
_SHOWN = 5
_SORTED_BY = f"ndcg@{DEPTH}"


def page(runs: Mapping[str, Run], *, worst: int) -> str:
    """The page of some runs by their names; of each, so many of its worst questions."""
    parts = [f"<h1>Citebox measured: {_text(', '.join(runs))}</h1>", *_about(runs)]
    searched = _series(runs, answers=False)
    if searched:
        parts += ["<h2>Search</h2>", _table(searched, RETRIEVAL), _bars(searched, RETRIEVAL)]
        parts += ["<h2>Milliseconds by stage of the search</h2>", _latency(searched)]
    answered = _series(runs, answers=True)
    if answered:
        parts += ["<h2>Answers</h2>", _table(answered, ANSWERS), _bars(answered, ANSWERS)]
        parts += ["<h2>Milliseconds by stage of the answers</h2>", _latency(answered)]
    for name, run in runs.items() if worst else ():
        parts += _worst(name, run, worst)
    template = files("rag.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(title=_text(", ".join(runs)), body="\n".join(parts))


class _Series:
    """One line of the tables and one colour of the bars: a configuration of a run."""

    def __init__(self, label: str, run: Run, configuration: str) -> None:
        self.label = label
        self.means = {metric: row["mean"] for metric, row in run.summary(configuration).items()}
        self.counts = {metric: row["n"] for metric, row in run.summary(configuration).items()}
        self.stages = run.stages(configuration)


def _series(runs: Mapping[str, Run], *, answers: bool) -> list[_Series]:
    found = []
    for name, run in runs.items():
        for configuration in run.compared:
            if (configuration == ANSWERED) == answers:
                label = configuration if len(runs) == 1 else name if answers else f"{name}: {configuration}"
                found.append(_Series(label, run, configuration))
    return [one for one in found if one.means]


def _about(runs: Mapping[str, Run]) -> Iterator[str]:
    yield "<ul>"
    for name, run in runs.items():
        about = run.about
        judged = f"; {about.judged}" if about.judged else ""
        mode = f"; mode {about.mode}" if about.mode else ""
        models = ", ".join(f"{model} {count}" for model, count in run.models().most_common())
        said = (
            f"{name}: {about.date:%Y-%m-%d %H:%M} UTC, citebox {about.version}, {about.machine}; "
            f"{len(run.results)} questions of {about.questions} ({len(about.bad_lines)} lines passed over), "
            f"{about.documents} documents, {about.chunks} chunks; "
            f"embeddings {about.settings.get('embedding_model')}, "
            f"reranker {about.settings.get('reranker_model')}{mode}{judged}"
        )
        yield f"<li>{_text(said)}{_text('; answers by ' + models) if models else ''}</li>"
    yield "</ul>"


# ---------------------------------------------------------------- figures


def _table(series: Sequence[_Series], metrics: Sequence[str]) -> str:
    there = [one for one in metrics if any(one in each.means for each in series)]
    rows = ["<tr><th></th>" + "".join(f"<th>{_text(_title(one))}</th>" for one in there) + "</tr>"]
    for each in series:
        cells = []
        for metric in there:
            value = each.means.get(metric)
            best = len(series) > 1 and value is not None and value == _best(series, metric)
            kind = " class=best" if best else ""
            shown = "-" if value is None else _number(metric, value)
            cells.append(f'<td{kind} title="n = {each.counts.get(metric, 0)}">{shown}</td>')
        rows.append(f"<tr><td>{_text(each.label)}</td>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def _best(series: Sequence[_Series], metric: str) -> float:
    values = [value for one in series if (value := one.means.get(metric)) is not None]
    return min(values) if metric in LOWER_IS_BETTER else max(values)


def _bars(series: Sequence[_Series], metrics: Sequence[str]) -> str:
    """A small plot for each metric, a bar for each series; shares are drawn from 0 to 1."""
    plots = []
    for metric in metrics:
        values = [one.means.get(metric) for one in series]
        if all(value is None for value in values):
            continue
        top = max(value or 0.0 for value in values)
        scale = (top or 1.0) if metric in LOWER_IS_BETTER else 1.0
        lines = []
        for n, (one, value) in enumerate(zip(series, values, strict=True)):
            width = 0.0 if value is None else (_WIDTH - _LABEL - 60) * min(1.0, value / scale)
            shown = "-" if value is None else _number(metric, value)
            y = n * _ROW
            lines.append(_label(y, one.label))
            lines.append(_bar(_LABEL, y, width, n, f"{one.label}: {shown}"))
            lines.append(_note(_LABEL + width, y, shown))
        plots.append(_plot(_title(metric), lines, len(series)))
    return f'<div class="bars">{"".join(plots)}</div>'


def _latency(series: Sequence[_Series]) -> str:
    """The medians of the stages one after the other, a bar for each series; the 95th percentile in words."""
    stages = list(dict.fromkeys(stage for one in series for stage in one.stages if stage != ALL))
    colours = {stage: n % COLOURS for n, stage in enumerate(stages)}
    sums = [sum(median(one.stages[stage]) for stage in stages if stage in one.stages) for one in series]
    longest = max(sums, default=0.0) or 1.0
    lines = []
    for n, one in enumerate(series):
        y, x = n * _ROW, float(_LABEL)
        lines.append(_label(y, one.label))
        for stage in (stage for stage in stages if stage in one.stages):
            spent = median(one.stages[stage])
            width = 2 * (_WIDTH - _LABEL) * spent / longest
            said = f"{stage}: {spent:.0f} ms, p95 {p95(one.stages[stage]):.0f} ms"
            lines.append(_bar(x, y, width, colours[stage], said))
            x += width
        if ALL in one.stages:
            lines.append(_note(x, y, f"{median(one.stages[ALL]):.0f}, p95 {p95(one.stages[ALL]):.0f} ms"))
    key = " ".join(
        f'<span style="color: var(--c{colour})">■</span> {_text(stage)}' for stage, colour in colours.items()
    )
    return (
        _plot("Median milliseconds", lines, len(series), width=2 * _WIDTH + 120)
        + f'<p class="dim">Medians: {key}</p>'
    )


def _plot(title: str, lines: Sequence[str], rows: int, width: int = _WIDTH) -> str:
    caption = f"<figcaption>{_text(title)}</figcaption>" if title else ""
    view = f"0 0 {width} {rows * _ROW + 4}"
    drawn = f'<svg viewBox="{view}" role="img" aria-label="{_text(title)}">{"".join(lines)}</svg>'
    return f"<figure>{caption}{drawn}</figure>"


def _label(y: int, said: str) -> str:
    return f'<text x="0" y="{y + 14}">{_text(_short(said))}</text>'


def _note(x: float, y: int, said: str) -> str:
    return f'<text class="dim" x="{x + 6:.1f}" y="{y + 14}">{_text(said)}</text>'


def _bar(x: float, y: int, width: float, colour: int, said: str) -> str:
    where = f'x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="12"'
    return f'<rect {where} fill="var(--c{colour % COLOURS})"><title>{_text(said)}</title></rect>'


# ---------------------------------------------------------------- the worst questions


def _worst(name: str, run: Run, most: int) -> Iterator[str]:
    """The questions for which the last configuration found least, and those answered or refused wrongly."""
    if run.about.configurations:
        chosen = run.about.configurations[-1]
        found = [(one.figures(chosen).get(_SORTED_BY), one) for one in run.results]
        below = [(value, one) for value, one in found if value is not None and value < 1]
        poor = sorted(below, key=lambda pair: pair[0])[:most]
        if poor:
            yield f"<h2>{_text(name)}: the worst questions of {_text(chosen)}</h2>"
            for value, one in poor:
                yield _question(one, f"nDCG@{DEPTH} {value:.3f}", one.searched[chosen].found)
    wrong = [one for one in run.results if one.answered and _is_wrong(one)][:most]
    if wrong:
        yield f"<h2>{_text(name)}: answers to look at</h2>"
        for one in wrong:
            yield _question(one, _why(one), None)


def _is_wrong(one: Result) -> bool:
    assert one.answered is not None
    if one.answered.failure or one.answered.answered != one.answerable:
        return True
    figures = one.answered.figures
    return figures.get("citation-recall") == 0.0 or figures.get(JUDGED) == 0.0


def _why(one: Result) -> str:
    assert one.answered is not None
    if one.answered.failure:
        return f"failed: {one.answered.failure}"
    if one.answered.answered != one.answerable:
        return "refused" if one.answerable else "answered, though no document holds it"
    return "judged wrong" if one.answered.figures.get(JUDGED) == 0.0 else "no citation touches a place"


def _question(one: Result, why: str, found: Sequence[Passage] | None) -> str:
    parts = [
        f"<summary>{_text(one.question)} <span class=dim>({_text(one.id)}; {_text(why)})</span></summary>"
    ]
    if one.searched_for != one.question:
        parts.append(f"<p class=dim>Searched for: {_text(one.searched_for)}</p>")
    if one.accepted:
        parts.append(f"<p>Expected: {_text(' / '.join(one.accepted))}</p>")
    if one.places:
        parts.append("<h3>Where it stands</h3>")
        parts += [_quoted(place.title, place.page, place.quote) for place in one.places]
    if found is not None:
        parts.append("<h3>What was found</h3>")
        parts += _listed(found[:_SHOWN])
    if one.answered and not one.answered.failure:
        parts.append(f"<h3>The answer</h3><blockquote>{_text(one.answered.text)}</blockquote>")
        if one.answered.verdict:
            parts.append(f"<p class=dim>The judge: {_text(one.answered.verdict)}</p>")
        parts += _listed(one.answered.cited)
    return f"<details>{''.join(parts)}</details>"


def _listed(passages: Sequence[Passage]) -> list[str]:
    shown = [
        _quoted(one.title, one.page, one.text, lead=f"{n}.", right=one.right)
        for n, one in enumerate(passages, 1)
    ]
    return shown or ["<p class=miss>Nothing.</p>"]


def _quoted(title: str, page: int | None, text: str, *, lead: str = "", right: bool = False) -> str:
    where = f"{lead} {title}, page {page}" if page else f"{lead} {title}"
    mark = "<span class=mark>✓</span> " if right else ""
    quote = f"<blockquote{' class=right' if right else ''}>{_text(text)}</blockquote>"
    return f"<div>{mark}{_text(where)}{quote}</div>"


# ---------------------------------------------------------------- words


def _text(said: str) -> str:
    """Others' text as text: no markup, and none of the characters that turn or hide what is read."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in said), quote=True)


def _title(metric: str) -> str:
    named = {
        "mrr@10": "MRR@10",
        "ndcg@10": "nDCG@10",
        "span-iou": "span IoU@5",
        "span-recall": "span recall@5",
        "span-precision": "span precision@5",
        "f1": "F1",
        "em": "EM",
        MONEY: "$ per question",
        TIME: "ms per question (mean)",
        JUDGED: "judged correct",
    }
    return named.get(metric, metric.replace("-", " "))


def _number(metric: str, value: float) -> str:
    return f"{value:.5f}" if metric == MONEY else f"{value:.0f}" if metric == TIME else f"{value:.3f}"


def _short(label: str) -> str:
    return label if len(label) <= 24 else f"…{label[-23:]}"
