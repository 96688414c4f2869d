"""`rag eval make`: questions drafted by Claude from the user's own documents."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.ask_cli import CollectionOption, filters_of, open_here
from rag.errors import CiteboxError, InvalidRequest, OverBudget, SettingsError
from rag.terminal import FAILED, MISUSED, agreed, bar, err, fail, plain, run, say, settings_or_exit

if TYPE_CHECKING:
    from rag.evaluation.make import Made

EXAMPLES = (
    "Examples:\n\n  rag eval make -o questions.jsonl\n\n"
    "  rag eval make -o questions.jsonl -n 200 --collection handbook --yes --max-usd 0.50"
)


def make(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the questions go, one a line.")
    ],
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=2000, help="How many.")] = 50,
    collection: CollectionOption = None,
    seed: Annotated[int, typer.Option(help="Chooses the passages: the same seed, the same passages.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    max_usd: Annotated[
        float | None, typer.Option(metavar="DOLLARS", min=0, help="Do not start if it may cost more.")
    ] = None,
) -> None:
    """Draft questions with answers and exact quotes from the documents, by Claude's fast model.

    The cost is shown, and agreed to, before anything is sent. Read the questions before you measure by them:
    drafts borrow the words of their passages, which makes the search look better than people find it.
    """
    settings = settings_or_exit()
    try:
        if not settings.claude_configured:
            raise SettingsError(
                "no Claude key is set, and Claude drafts the questions",
                remedy="set ANTHROPIC_API_KEY, or write them yourself: see docs/guide.md",
            )
        if output.exists():
            raise InvalidRequest(f"{output} is there already", remedy="name another with -o")
    except (InvalidRequest, SettingsError) as error:
        fail(error, MISUSED)

    async def work() -> Made | None:
        from rag.claude import ClaudeClient
        from rag.evaluation.make import make as drafted
        from rag.evaluation.make import most_to_make, sample

        async with open_here(settings) as service:
            passages = await sample(service, number, await filters_of(service, None, collection), seed)
            if not passages:
                raise InvalidRequest(
                    "there is no passage to draft from", remedy="add documents with `ingest add PATH`"
                )
            claude = ClaudeClient(settings)
            try:
                most = await most_to_make(claude, settings.fast_model, passages)
                _show(number, len(passages), settings.fast_model, most, max_usd)
                if not agreed(yes=yes):
                    return None
                with bar() as progress:
                    return await drafted(service, claude, passages, number, progress, max_usd=max_usd)
            finally:
                await claude.close()

    made = run(work)
    if made is None:
        err.print("Nothing was sent.")
        sys.exit(FAILED)
    _write(output, made)


def _show(number: int, passages: int, model: str, most: float | None, max_usd: float | None) -> None:
    """What it may cost.

    Raises:
        OverBudget: more than --max-usd.
    """
    may = "it is not known what it costs (RAG_PRICES_FILE)" if most is None else f"at most ${most:.5f}"
    err.print(f"Questions: {number}, from up to {passages} passages, by {plain(model)}: {may}.")
    if max_usd is not None and (most is None or most > max_usd):
        raise OverBudget(
            f"it may cost more than the ${max_usd:.4f} that --max-usd allows",
            remedy="raise it, or ask for fewer with -n",
        )


def _write(output: Path, made: Made) -> None:
    from rag.bulk.state import write_whole

    if made.rows:
        try:
            lines = (f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in made.rows)
            write_whole(output, lines, mode=0o600)
        except CiteboxError as error:
            fail(error, FAILED)
    err.print(
        f"Questions: {len(made.rows)}, in {plain(str(output)) if made.rows else 'no file'}. "
        f"Passages that gave none: {made.passed_over}. Spent: ${made.usd:.5f}."
    )
    if made.failure is not None:
        say(made.failure)
    if made.failure is not None or not made.rows:
        sys.exit(FAILED)
