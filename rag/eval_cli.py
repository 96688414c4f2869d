"""`rag eval`: Citebox measured on the user's own questions; runs compared and shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from rag import eval_make_cli
from rag.ask_cli import JsonOption, open_here
from rag.errors import CiteboxError, InvalidRequest, SettingsError
from rag.eval_answers_cli import Terms, agreed_to, ask, graded
from rag.terminal import (
    FAILED,
    MISUSED,
    bar,
    err,
    fail,
    plain,
    print_json,
    run,
    settings_or_exit,
)

if TYPE_CHECKING:
    from rag.evaluation.kept import Run
    from rag.jsonl import BadLine
    from rag.routing import Mode

NAMES = ("dense", "sparse", "fused", "reranked")
UNGATED = "--gate"
_HELP = ("--help", "--install-completion", "--show-completion")


class _Measures(TyperGroup):
    """`rag eval FILE` is `rag eval run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *_HELP):
            args = ["run", *args]
        return super().parse_args(ctx, args)


class _Gated(TyperCommand):
    """`--gate` without a metric stands for the default gates."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given: list[str] = []
        for here, after in zip(args, [*args[1:], ""], strict=True):
            if here == UNGATED and not _is_gate(after):
                from rag.evaluation.compare import DEFAULT_GATES

                given += [word for gate in DEFAULT_GATES for word in (UNGATED, gate)]
            else:
                given.append(here)
        return super().parse_args(ctx, given)


def _is_gate(word: str) -> bool:
    from rag.evaluation.metrics import ANSWERS, RETRIEVAL

    return ":" in word or word.lower() in (*RETRIEVAL, *ANSWERS)


app = typer.Typer(
    cls=_Measures,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Measure Citebox on your own questions and the documents that are ingested.\n\n"
    "`rag eval questions.jsonl` is short for `rag eval run questions.jsonl`.",
    epilog="Examples:\n\n  rag eval questions.jsonl --out runs/before\n\n"
    "  rag eval compare runs/before runs/after --gate\n\n"
    "  rag eval report runs/before runs/after -o report.html",
)


@app.command(
    "run",
    epilog="Examples:\n\n  rag eval questions.jsonl\n\n"
    "  rag eval questions.jsonl --only fused --only reranked\n\n"
    "  rag eval questions.jsonl --answers --out runs/monday\n\n"
    'A line of questions.jsonl: {"question": "How long are backups kept?", "answer": "ninety days", '
    '"relevant": [{"document": "policy.pdf", "quote": "kept for ninety days"}]}',
)
def run_questions(
    questions: Annotated[Path, typer.Argument(help="JSONL: a question a line, and where its answer stands.")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            "--configuration",
            metavar="NAME",
            help=f"{', '.join(NAMES)}; repeatable. All when left out.",
        ),
    ] = None,
    answers: Annotated[
        bool | None,
        typer.Option(
            help="Measure the answers too. When left out: without a Claude key, where it costs nothing."
        ),
    ] = None,
    mode: Annotated[
        str, typer.Option(help="Of the answers: auto, fast (Haiku) or thorough (Sonnet).")
    ] = "auto",
    judge: Annotated[
        bool, typer.Option("--judge", help="Let Claude grade the answers, at half price by Message Batches.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Keep the run in a new folder.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    max_usd: Annotated[
        float | None, typer.Option(metavar="DOLLARS", min=0, help="Do not start if it may cost more.")
    ] = None,
    poll: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How often to look whether the judge is done.")
    ] = 30.0,
    json: JsonOption = False,
) -> None:
    """Ask every question and print a table: what the search finds, by configuration, and the answers.

    A line that cannot be used is named with the reason, the others are measured, and the exit code is then 1.
    """
    chosen = list(dict.fromkeys(only or NAMES))
    if wrong := [name for name in chosen if name not in NAMES]:
        raise typer.BadParameter(f"{wrong[0]!r} is none of {', '.join(NAMES)}", param_hint="--only")
    if mode not in ("auto", "fast", "thorough"):
        raise typer.BadParameter("choose auto, fast or thorough", param_hint="--mode")
    settings = settings_or_exit()
    claude = settings.claude_configured
    asking = not claude if answers is None else answers
    if judge and not asking:
        raise typer.BadParameter("it grades answers; give --answers too", param_hint="--judge")
    from rag.evaluation.kept import check_free, save_run
    from rag.evaluation.metrics import library
    from rag.evaluation.questions import read_rows
    from rag.evaluation.table import as_json, show, tables

    try:
        library()
        rows = read_rows(questions)
        if output is not None:
            check_free(output)
        if judge and not claude:
            raise SettingsError(
                "no Claude key is set, and Claude is the judge", remedy="set ANTHROPIC_API_KEY"
            )
    except (InvalidRequest, SettingsError) as error:
        fail(error, MISUSED)

    terms = Terms(cast("Mode", mode), judge, yes, max_usd, poll)
    # Each answer is to be measured as if it were the first.
    uncached = settings.model_copy(update={"cache_answers": 0})

    async def work() -> Run | None:
        from rag.evaluation.places import pose
        from rag.evaluation.run import circumstances, measure

        async with open_here(uncached) as service:
            posed, bad = await pose(rows.rows, service.store, service.files, service.reader)
            about = await circumstances(service, questions, chosen, [*rows.bad, *bad])
            _tell_passed_over(about.bad_lines, len(posed))
            if not posed:
                raise InvalidRequest("none of the questions can be used", remedy="see the reasons above")
            if asking and claude and not await agreed_to(service, posed, terms):
                return None
            with bar() as progress:
                made = await measure(service, posed, chosen, about, progress)
            try:
                if asking:
                    await ask(service, made, posed, terms)
            finally:  # what was paid for is kept, whatever ended it
                if output is not None:
                    save_run(output, made)
            if judge and await graded(service, made, terms) and output is not None:
                save_run(output, made)
            return made

    made = run(work)
    if made is None:
        err.print("Nothing was sent.")
        sys.exit(FAILED)
    if json:
        print_json(as_json(made))
    else:
        for table in tables(made):
            show(table)
    for failure in made.failures:
        why = failure.answered.failure if failure.answered else None
        err.print(f"[red]failed[/] {plain(failure.id)}: {plain(why or '')}")
    if claude and not asking:
        err.print("Answers by Claude cost money and are measured with --answers.")
    if output is not None:
        err.print(f"The run is kept in {plain(str(output))}")
    if made.about.bad_lines or made.failures or (judge and made.about.judged is None):
        sys.exit(FAILED)


@app.command(
    cls=_Gated,
    epilog="Examples:\n\n  rag eval compare runs/before runs/after\n\n"
    "  rag eval compare runs/before runs/after --gate recall@5:0.02 --gate ms:200",
)
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="The folder of the run before.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The folder of the run after.")],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", "--configuration", metavar="NAME", help="Compare this alone; repeatable."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            "--gate",
            metavar="[METRIC:LOSS]",
            help="Exit code 1 when B surely loses more; repeatable. Alone: recall@5:0.01, ndcg@10:0.01.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """The differences of two kept runs, each with the 95 % interval of a paired bootstrap.

    The same questions are drawn again 10,000 times, with a fixed seed, for both runs alike.
    """
    from rag.evaluation.compare import FEWEST, failed, gate_of
    from rag.evaluation.compare import compare as compared
    from rag.evaluation.kept import load_run
    from rag.evaluation.table import comparison_tables, show

    try:
        gates = [gate_of(one) for one in dict.fromkeys(gate or ())]
        found = compared(load_run(a), load_run(b), only or ())
        fell = failed(found, gates)
    except InvalidRequest as error:
        fail(error, MISUSED)
    if json:
        print_json(
            {
                "pairs": found.pairs,
                "only_a": found.only_a,
                "only_b": found.only_b,
                "notes": list(found.notes),
                "differences": [asdict(one) | {"better": one.better} for one in found.differences],
                "gates": [asdict(one) for one in gates],
                "failed": [f"{one.configuration} {one.metric}" for _, one in fell],
            }
        )
    else:
        for table in comparison_tables(found):
            show(table)
        err.print(f"{found.pairs} questions in both; {found.only_a} only in A, {found.only_b} only in B")
    for note in found.notes:
        err.print(f"[yellow]{plain(note)}[/]")
    for allowed, one in fell:
        err.print(
            f"[red]Lost too much:[/] {plain(one.configuration)} {one.metric} {one.difference:+.4f} "
            f"(surely beyond {allowed.loss:g})"
        )
    if fell:
        sys.exit(FAILED)
    if gates and not json:
        few = f" {found.pairs} questions are too few to be sure of it." if found.pairs < FEWEST else ""
        err.print(f"No gate failed: {', '.join(f'{one.metric}:{one.loss:g}' for one in gates)}.{few}")


@app.command(epilog="Example:\n\n  rag eval report runs/before runs/after -o report.html")
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Kept runs.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The HTML file to write.")],
    worst: Annotated[int, typer.Option(min=0, help="How many of the worst questions of each run.")] = 20,
) -> None:
    """One page without network or scripts: tables, bars, latency, the worst questions and what was found.

    The page quotes documents: whoever may read it should be who may read those.
    """
    from rag.bulk.state import write_whole
    from rag.evaluation.kept import load_run
    from rag.evaluation.report import page

    try:
        runs = {_label(folder, folders): load_run(folder) for folder in folders}
        write_whole(output, [page(runs, worst=worst).encode()], mode=0o600)
    except InvalidRequest as error:
        fail(error, MISUSED)
    except CiteboxError as error:
        fail(error, FAILED)
    err.print(f"Written: {plain(str(output))}")


app.command(epilog=eval_make_cli.EXAMPLES)(eval_make_cli.make)


def _label(folder: Path, folders: Sequence[Path]) -> str:
    """The folder's name, or its path where several have that name."""
    same = sum(other.resolve().name == folder.resolve().name for other in folders)
    return folder.resolve().name if same == 1 else str(folder)


def _tell_passed_over(bad: Sequence[BadLine], used: int) -> None:
    """The lines that cannot be used, a line a reason, and how many of how many they are."""
    by_reason: dict[str, list[int]] = {}
    for one in bad:
        by_reason.setdefault(one.reason, []).append(one.line)
    for reason, lines in by_reason.items():
        which = f"Line {lines[0]} is" if len(lines) == 1 else f"Lines {', '.join(map(str, lines))} are"
        err.print(f"[yellow]{which} passed over:[/] {plain(reason)}")
    if bad:
        err.print(f"[yellow]{len(bad)} of {len(bad) + used} questions are not in the figures.[/]")
