"""A long text in parts, and who reads them: Claude behind the test server, or one who counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from rag.citable import Citable
from rag.claude import (
    CitationPointer,
    Finished,
    Payer,
    Prompt,
    SectionEnd,
    StreamEvent,
    TextDelta,
)
from rag.deadline import Deadline
from rag.errors import AnswerCutOff
from rag.events import Progress
from rag.grounding import Citations
from rag.purse import Purse
from rag.settings import Settings
from rag.synthesis import (
    Notes,
    PartCache,
    cut_into_parts,
    map_parts,
)
from tests.rag.long_text import citables_of, handbook

ASKED = "Which valve does the operator on duty open in the morning?"
HAIKU = "claude-haiku-5-5"
SONNET = "claude-sonnet-5-5"


GIVEN = citables_of(handbook(3, 2, 3))
PARTS = cut_into_parts(GIVEN, 220)


def settings_with(settings: Settings, url: str) -> Settings:
    return settings.model_copy(
        update={
            "anthropic_base_url": url,
            "anthropic_api_key": SecretStr("sk-test-key"),
            "claude_timeout": 10.0,
        }
    )


def reading(
    claude: Any,
    *,
    parallel: int = 1,
    finished: PartCache | None = None,
    question: str = ASKED,
    payer: Purse | None = None,
) -> AsyncGenerator[Progress | Notes]:
    return map_parts(
        claude,
        question,
        PARTS,
        model=HAIKU,
        parallel=parallel,
        max_tokens=1000,
        ends=Deadline(60.0),
        finished=PartCache() if finished is None else finished,
        payer=payer or Purse(),
    )


async def notes_of(events: AsyncGenerator[Progress | Notes]) -> Notes:
    async with aclosing(events) as stream:
        last = [event async for event in stream][-1]
    assert isinstance(last, Notes)
    return last


def sources(body: dict[str, Any]) -> list[str]:
    return [one["source"] for one in body["messages"][0]["content"] if one["type"] == "search_result"]


def assert_proved(citables: Sequence[Citable]) -> None:
    """Every sentence has places, and a citation of each place is made of the stored text."""
    assert citables
    for citable in citables:
        assert len(citable.places) == len(citable.sentences)
        for places in citable.places:
            assert places
            for evidence, start, end in places:
                made = Citations().cite(evidence, start, end)
                assert made is not None
                assert made[0].quote == evidence.parsed.text[start:end]


@dataclass
class CountingClaude:
    """Answers by script and counts; `fails` are the sources of the first result of parts that break off."""

    fails: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def stream(
        self, model: str, asked: Prompt, *, max_tokens: int, deadline: float, payer: Payer
    ) -> AsyncGenerator[StreamEvent]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            source = asked.results[0].source
            self.asked.append(source)
            for _ in range(5):
                await asyncio.sleep(0)  # lets the others come as far as they may
            if source in self.fails:
                raise AnswerCutOff("the connection broke off")
            yield TextDelta("Noted.")
            yield CitationPointer(0, 0, 1)
            yield SectionEnd()
            yield Finished(False)
        finally:
            self.at_once -= 1
