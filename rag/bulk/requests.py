"""A question with its evidence as one request of a batch: what it says, its size and its price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.bulk.state import Item, Prepared
from rag.citable import Citable
from rag.claude import Prompt, Usage, prompt
from rag.claude.batches import LARGEST_BYTES, MOST_REQUESTS, BatchClient, BatchRequest
from rag.claude.tokens import framed_tokens
from rag.settings import Settings
from rag.synthesis.sizes import tokens_of


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars at half price: of what Claude reads, and in all if every answer is as long as it may be.

    None where the price of a model is not known.
    """

    reading: float | None = 0.0
    most: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(_sum(self.reading, other.reading), _sum(self.most, other.most))


def request_of(
    custom_id: str, item: Item, prepared: Prepared, given: Sequence[Citable], settings: Settings
) -> BatchRequest:
    """The same request as a question that is asked alone would make."""
    fast = prepared.kind == "lookup"
    return BatchRequest(
        custom_id,
        prepared.route.model,
        Prompt(
            system=prompt("answer" if fast else "synthesis"),
            results=[one.as_result() for one in given],
            question=item.question,
        ),
        settings.answer_max_tokens if fast else settings.synthesis_max_tokens,
    )


def cost_of(request: BatchRequest, given: Sequence[Citable], claude: BatchClient) -> Cost:
    """What a request may cost; its tokens are estimated on the safe side."""
    said = (request.asked.system, request.asked.question)
    tokens = framed_tokens(said) + sum(tokens_of(one) for one in given)
    return Cost(
        claude.cost(request.model, Usage(input_tokens=tokens)),
        claude.cost(request.model, Usage(input_tokens=tokens, output_tokens=request.max_tokens)),
    )


def split(sizes: Sequence[int], most: int = MOST_REQUESTS, largest: int = LARGEST_BYTES) -> list[list[int]]:
    """The indexes of requests of these sizes in bytes, in as few batches as their order and the API allow."""
    groups: list[list[int]] = []
    held = 0
    for n, size in enumerate(sizes):
        if not groups or len(groups[-1]) == most or held + size > largest:
            groups.append([])
            held = 0
        groups[-1].append(n)
        held += size
    return groups


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one + other, 8)
