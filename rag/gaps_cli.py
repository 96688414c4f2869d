"""`rag gaps`: what was asked and the documents do not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rag.ask_cli import JsonOption, open_here
from rag.terminal import counted, err, out, plain, print_json, run

if TYPE_CHECKING:
    from rag.questions.gaps import Gap, Gaps

EXAMPLES = (
    "Examples:\n\n  rag gaps\n\n  rag gaps --days 7 --disliked\n\n"
    "  rag gaps --json | jq -r '.gaps[] | select(.count > 2) | .question'"
)


def gaps(
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days back, today included.")] = 30,
    disliked: Annotated[
        bool, typer.Option("--disliked", help="Count questions whose answer was rated down too.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """What readers asked and the documents do not answer: questions of one meaning together.

    They are those of the last RAG_QUESTION_LOG_DAYS, whichever door they came through.
    """

    async def work() -> tuple[Gaps, dict[str, str]]:
        async with open_here() as service:
            found = await service.gaps.find(days, disliked=disliked)
            near = {each for gap in found.gaps for each in gap.nearest}
            return found, await service.store.titles(near)

    found, titles = run(work)
    if json:
        print_json({**found.model_dump(mode="json"), "titles": titles})
        return
    for gap in found.gaps:
        _print(gap, titles)
    looked = counted(found.questions, "question")
    if not found.gaps:
        err.print(f"Nothing was left unanswered in {counted(days, 'day')}.")
    elif not found.whole:
        err.print(f"[yellow]Of the newest {looked}; there were more.[/]")


def _print(gap: Gap, titles: dict[str, str]) -> None:
    asked = [f"{counted(gap.count, 'time')}, by {counted(gap.callers, 'caller')}, last {gap.last:%Y-%m-%d}"]
    if gap.disliked:
        asked.append(f"{gap.disliked} answered and rated down")
    out.print(f"[bold]{plain(gap.question)}[/]  [dim]{'; '.join(asked)}[/]")
    for other in gap.examples:
        out.print(f"    {plain(other)}")
    if near := [titles[each] for each in gap.nearest if each in titles]:
        out.print(f"    [dim]nearest: {plain('; '.join(near))}[/]")
    out.print()
