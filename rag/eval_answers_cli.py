"""What `rag eval` spends: the answers and the judge, their cost shown and agreed to first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.errors import CiteboxError, OverBudget
from rag.terminal import agreed, bar, err, plain, say

if TYPE_CHECKING:
    from rag.evaluation.kept import Run
    from rag.evaluation.places import Posed
    from rag.routing import Mode
    from rag.service import Service


@dataclass(frozen=True, slots=True)
class Terms:
    """How answers were asked for."""

    mode: Mode
    judge: bool
    yes: bool
    max_usd: float | None
    poll: float


async def agreed_to(service: Service, posed: Sequence[Posed], terms: Terms) -> bool:
    """Show what the answers and the judge cost, and ask.

    Raises:
        OverBudget: it may cost more than --max-usd.
    """
    from rag.evaluation.answers import quote

    with bar() as progress:
        cost = await quote(service, posed, terms.mode, progress)
    most = cost.most
    if cost.requests:
        err.print(f"{cost.requests} of {len(posed)} questions go to Claude{_price(cost.reading, most)}")
    if terms.judge:
        judging = await _most_to_judge(service, posed)
        may = "a price that is not known" if judging is None else f"at most ${judging:.5f}"
        err.print(f"Then {plain(service.settings.review_model)} judges the answers, at half price: {may}.")
        most = None if most is None or judging is None else most + judging
    elif not cost.requests:
        return True
    if terms.max_usd is not None and (most is None or most > terms.max_usd):
        may = "it is not known what it costs" if most is None else f"it may cost ${most:.4f}"
        raise OverBudget(
            f"{may}, and --max-usd allows ${terms.max_usd:.4f}", remedy="raise it, or ask fewer questions"
        )
    return agreed(yes=terms.yes)


def _price(reading: float | None, most: float | None) -> str:
    if reading is None or most is None:
        return ", at a price that is not known (RAG_PRICES_FILE)."
    return (
        f": about ${reading:.5f} for what Claude reads, and ${most:.5f} in all, were every answer as long as "
        "it may be; retries and long documents read in parts come on top."
    )


async def _most_to_judge(service: Service, posed: Sequence[Posed]) -> float | None:
    from rag.claude.batches import BatchClient
    from rag.evaluation.judge import most_to_judge

    claude = BatchClient(service.settings)
    try:
        return most_to_judge(posed, service.settings, claude)
    finally:
        await claude.close()


async def ask(service: Service, made: Run, posed: Sequence[Posed], terms: Terms) -> None:
    from rag.evaluation.answers import measure_answers

    with bar() as progress:
        await measure_answers(service, made, posed, terms.mode, progress, max_usd=terms.max_usd)


async def graded(service: Service, made: Run, terms: Terms) -> bool:
    """Let Claude judge the answers; whether it did. What was measured before stands without it too."""
    from rag.bulk.finding import Pace
    from rag.claude.batches import BatchClient
    from rag.evaluation.judge import judge

    claude = BatchClient(service.settings)
    try:
        with bar() as progress:
            await judge(service, made, claude, Pace(terms.poll), progress)
    except CiteboxError as error:
        say(error)
        err.print("The answers are not judged.")
        return False
    finally:
        await claude.close()
    return True
