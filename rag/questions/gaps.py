"""What readers ask and the documents do not say: questions of one meaning put together.

Two clusters are joined while the mean cosine distance between them is at most `SAME`, which was chosen with
the built-in model by `make bench-gaps` (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rag.embedding import Embedder
from rag.questions.log import DAY, QuestionLog
from rag.questions.logged import LoggedQuestion

SAME = 0.22
MOST = 2000
"""Questions that are looked at, the newest: to cluster that many takes half a second."""
EXAMPLES = 5
NEAREST = 3
_BATCH = 32
"""Questions embedded at once: readers' questions wait for at most one such batch."""
_KEPT_VECTORS = 2 * MOST


class Gap(BaseModel):
    """One matter that was asked about."""

    model_config = ConfigDict(frozen=True)

    question: str = Field(description="The one nearest to all others of its kind.")
    count: int = Field(description="How often it was asked.")
    disliked: int = Field(default=0, description="How many of these were answered and rated down.")
    callers: int = Field(description="How many different callers asked.")
    last: datetime = Field(description="When it was last asked.")
    examples: tuple[str, ...] = Field(description="Other wordings, the most frequent first.")
    nearest: tuple[str, ...] = Field(description="Ids of the documents that came nearest most often.")


class Gaps(BaseModel):
    """The content gaps of some days, the most asked first."""

    model_config = ConfigDict(frozen=True)

    days: int
    questions: int = Field(description="How many questions were looked at.")
    whole: bool = Field(description=f"False when there were more than the newest {MOST}.")
    gaps: tuple[Gap, ...]


class GapFinder:
    """Finds the gaps in a log; keeps the vectors of questions between two looks."""

    def __init__(self, log: QuestionLog, embedder: Embedder) -> None:
        self._log = log
        self._embedder = embedder
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._alone = asyncio.Lock()

    async def find(self, days: int, *, disliked: bool = False) -> Gaps:
        """The gaps of the last days; with `disliked`, questions whose answer was rated down count too."""
        since = self._log.now() - days * DAY
        asked = await self._log.unanswered(since, MOST + 1, disliked=disliked)
        looked = asked[:MOST]
        async with self._alone:
            gaps = await asyncio.to_thread(self._gaps, looked)
        return Gaps(days=days, questions=len(looked), whole=len(asked) <= MOST, gaps=tuple(gaps))

    def _gaps(self, asked: Sequence[LoggedQuestion]) -> list[Gap]:
        wordings: OrderedDict[str, list[LoggedQuestion]] = OrderedDict()
        for one in asked:
            wordings.setdefault(" ".join(one.text.casefold().split()), []).append(one)
        if not wordings:
            return []
        vectors = self._embedded(list(wordings))
        groups: dict[int, list[int]] = {}
        for index, label in enumerate(labels(vectors)):
            groups.setdefault(label, []).append(index)
        same = list(wordings.values())
        gaps = [_gap([same[index] for index in members], vectors[members]) for members in groups.values()]
        return sorted(gaps, key=lambda gap: (gap.count, gap.last), reverse=True)

    def _embedded(self, texts: list[str]) -> NDArray[np.float32]:
        missing = [text for text in texts if text not in self._vectors]
        for start in range(0, len(missing), _BATCH):
            part = missing[start : start + _BATCH]
            for text, vector in zip(part, self._embedder.embed_passages(part), strict=True):
                self._vectors[text] = vector
        found = np.stack([self._vectors[text] for text in texts])
        while len(self._vectors) > _KEPT_VECTORS:
            self._vectors.popitem(last=False)
        return found


def labels(vectors: NDArray[np.float32], distance: float = SAME) -> list[int]:
    """The cluster of each vector; clusters are joined up to this mean cosine distance."""
    if len(vectors) < 2:
        return [0] * len(vectors)
    from sklearn.cluster import AgglomerativeClustering

    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=distance
    )
    return [int(label) for label in clustering.fit_predict(vectors)]


def _gap(wordings: list[list[LoggedQuestion]], vectors: NDArray[np.float32]) -> Gap:
    """The gap of these questions; each inner list is of one wording, newest first."""
    counts = np.array([len(each) for each in wordings])
    central = int(np.argmax(vectors @ (counts @ vectors)))
    others = sorted((each for index, each in enumerate(wordings) if index != central), key=len, reverse=True)
    every = [one for each in wordings for one in each]
    near = Counter(document for one in every for document in one.nearest)
    return Gap(
        question=wordings[central][0].text,
        count=len(every),
        disliked=sum(one.outcome != "not_found" for one in every),
        callers=len({one.caller for one in every}),
        last=max(one.at for one in every),
        examples=tuple(each[0].text for each in others[:EXAMPLES]),
        nearest=tuple(document for document, _ in near.most_common(NEAREST)),
    )
