"""`rag batch`: a file of questions in, a file of answers out, at half price."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rag.ask_cli import JsonOption, open_here
from rag.errors import AnswerError, InvalidRequest, OverBudget, SettingsError
from rag.terminal import (
    FAILED,
    MISUSED,
    agreed,
    bar,
    counted,
    err,
    fail,
    plain,
    print_json,
    run,
    settings_or_exit,
)

if TYPE_CHECKING:
    from rag.bulk.questions import Questions
    from rag.bulk.run import Quote, Run
    from rag.bulk.state import State
    from rag.jsonl import BadLine
    from rag.routing import Mode
    from rag.service import Service
    from rag.settings import Settings

EXAMPLES = (
    "Examples:\n\n  rag batch questions.jsonl -o answers.jsonl\n\n"
    "  rag batch questions.jsonl -o answers.jsonl --yes --max-usd 2 --json\n\n"
    "  rag batch questions.jsonl -o answers.jsonl --retry-failed\n\n"
    'A line of questions.jsonl: {"id": "7", "question": "How long are backups kept?", '
    '"filters": {"collection": "policies"}}'
)


def batch(
    questions: Annotated[
        Path, typer.Argument(help="JSONL: an object with question, and perhaps id and filters, or a string.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the answers go, one JSON object a line.")
    ],
    mode: Annotated[str, typer.Option(help="auto, fast (Haiku) or thorough (Sonnet).")] = "auto",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    max_usd: Annotated[
        float | None, typer.Option(metavar="DOLLARS", min=0, help="Do not start if it may cost more.")
    ] = None,
    poll: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How often to look whether Claude is done.")
    ] = 30.0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask those again that failed, and only those.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Stop what Claude has not answered yet; keep what it has.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Answer many questions through Claude's Message Batches: at half price, and within a day.

    The cost is shown, and agreed to, before anything is sent.

    The run may be interrupted at any moment: the same command again goes on, and nothing is paid twice.

    What is needed for that lies beside the output, as OUTPUT.state.json.

    Exit code 1 when a line or a question failed.
    """
    if mode not in ("auto", "fast", "thorough"):
        raise typer.BadParameter("choose auto, fast or thorough", param_hint="--mode")
    if retry_failed and cancel:
        raise typer.BadParameter("it cannot go with --retry-failed", param_hint="--cancel")
    terms = _Terms(cast("Mode", mode), yes, max_usd, poll, cancel)
    settings = settings_or_exit()
    with _alone(settings, output):
        from rag.bulk.answers import write_answers
        from rag.bulk.state import state_path

        asked, state = _begin(settings, questions, output, terms)
        for bad in asked.bad:
            err.print(f"[yellow]Line {bad.line} is passed over:[/] {plain(bad.reason)}")
        if retry_failed:
            state.reopen()

        async def work() -> bool:
            async with open_here() as service:
                return await _work(service, state, state_path(output), terms)

        if any(item.open for item in state.items) and not run(work):
            err.print("Nothing was sent.")
            sys.exit(FAILED)
        write_answers(output, state.items)
    _report(state, asked.bad, output, as_json=json)


@dataclass(frozen=True, slots=True)
class _Terms:
    """How a run was asked for."""

    mode: Mode
    yes: bool
    max_usd: float | None
    poll: float
    cancel: bool


def _begin(settings: Settings, questions: Path, output: Path, terms: _Terms) -> tuple[Questions, State]:
    """The questions, and the run that they belong to; what cannot be is misuse."""
    from rag.bulk.questions import read_questions
    from rag.bulk.state import load_state, new_state, state_path

    try:
        if not settings.claude_configured:
            raise SettingsError("no Claude key is set", remedy="set ANTHROPIC_API_KEY, or use rag ask")
        asked = read_questions(questions)
        path = state_path(output)
        state = load_state(path)
        if state is None and output.exists():
            raise InvalidRequest(
                f"{output} is there already and no run of this command wrote it",
                remedy="name another with -o",
            )
        if state is None or not state.begun:
            if terms.cancel:
                raise InvalidRequest(
                    f"no run towards {output} has sent anything", remedy="leave out --cancel"
                )
            return asked, new_state(asked, terms.mode)
        if state.fingerprint != asked.fingerprint(terms.mode):
            raise InvalidRequest(
                f"the questions or the mode are no longer those of the run that {path} tells of",
                remedy=f"go on with those, or name another output with -o, or remove {path} to drop that run",
            )
        return asked, state
    except (InvalidRequest, SettingsError) as error:
        fail(error, MISUSED)


async def _work(service: Service, state: State, path: Path, terms: _Terms) -> bool:
    """Bring a run to its end; False when its cost was not agreed to."""
    from rag.bulk.evidence import Shelf
    from rag.bulk.finding import Pace
    from rag.bulk.run import Run
    from rag.claude.batches import BatchClient
    from rag.support import SupportChecker

    claude = BatchClient(service.settings)
    caller = service.caller
    # Without the reranker, as answers asked alone are checked.
    checker = SupportChecker(None, service.embedder)
    shelf = Shelf(service.settings, service.store, service.files, service.retriever, caller.reader)
    try:
        with bar() as progress:
            going = Run(
                state, path, shelf, claude, checker, service.ledger, caller, Pace(terms.poll), progress
            )
            quote = await going.prepare(terms.mode)
        if not _agreed(quote, terms):
            return False
        await going.agree(quote)
        with bar() as progress:
            await _finish(going, terms.cancel)
    finally:
        await claude.close()
    return True


async def _finish(going: Run, cancel: bool) -> None:
    try:
        if cancel:
            await going.cancel()
        await going.finish()
    except asyncio.CancelledError:
        err.print("What was sent goes on at Claude. Run the same command again to fetch the answers,")
        err.print("or with --cancel to stop it.")
        raise
    except AnswerError:
        err.print("Run the same command again to go on; nothing is paid twice.")
        raise


def _agreed(quote: Quote, terms: _Terms) -> bool:
    """Show what a run costs, and ask.

    Raises:
        OverBudget: it may cost more than --max-usd.
    """
    if not quote.requests:
        return True
    err.print(cost_line(quote))
    most = quote.cost.most
    if terms.max_usd is not None and (most is None or most > terms.max_usd):
        may = "it is not known what it costs" if most is None else f"it may cost ${most:.4f}"
        raise OverBudget(
            f"{may}, and --max-usd allows ${terms.max_usd:.4f}",
            remedy="raise --max-usd, ask fewer questions, or lower RAG_ANSWER_MAX_TOKENS",
        )
    return agreed(yes=terms.yes)


def cost_line(quote: Quote) -> str:
    """What will be sent and what it may cost, in one line."""
    cost = quote.cost
    sent = f"{counted(quote.requests, 'question')} in {counted(quote.batches, 'batch', 'batches')}"
    if cost.most is None or cost.reading is None:
        return f"{sent}, at half of a price that is not known (RAG_PRICES_FILE)."
    return (
        f"{sent}, at half price: about ${cost.reading:.5f} for what Claude reads, "
        f"and at most ${cost.most:.5f} in all, were every answer as long as it may be."
    )


def _report(state: State, bad: tuple[BadLine, ...], output: Path, *, as_json: bool) -> None:
    """What came of every question; exit code 1 when something failed."""
    answers = [item.answer for item in state.items if item.answer is not None]
    failed = [item for item in state.items if item.failure is not None]
    answered = sum(answer.answered for answer in answers)
    usd = round(sum(item.spent_usd for item in state.items), 8)
    if as_json:
        print_json(
            {
                "output": str(output),
                "questions": len(state.items),
                "answered": answered,
                "not_found": len(answers) - answered,
                "failed": [{"id": one.id, "line": one.number, "reason": one.failure} for one in failed],
                "bad_lines": [one.model_dump() for one in bad],
                "usd": usd,
            }
        )
    else:
        for one in failed:
            err.print(f"[red]failed[/] {plain(one.id)} (line {one.number}): {plain(one.failure or '')}")
        if failed:
            err.print("Ask those again with --retry-failed.")
        err.print(
            f"{answered} answered, {len(answers) - answered} not found, {len(failed)} failed; "
            f"${usd:.5f} spent. The answers are in {plain(str(output))}"
        )
    if failed or bad:
        sys.exit(FAILED)


@contextmanager
def _alone(settings: Settings, output: Path) -> Iterator[None]:
    """Keep a second run off the same output, which would ask everything once more."""
    from filelock import FileLock, Timeout

    name = hashlib.sha256(str(output.absolute()).encode()).hexdigest()[:16]
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(folder / f"batch-{name}.lock", timeout=0):
            yield
    except Timeout:
        busy = InvalidRequest(f"another rag batch is at work on {output}", remedy="wait for it, or end it")
        fail(busy, FAILED)
    except OSError as error:
        fail(
            SettingsError(f"{folder} cannot be written to: {error.strerror}", remedy="check RAG_DATA_DIR"),
            FAILED,
        )
