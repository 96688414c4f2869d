"""Which questions without an answer are put together as one gap, by how far apart their embeddings may lie.

    make bench-gaps

`data/gaps.jsonl` has wordings of 14 matters of an office, some of them close to each other. Seven in ten are
drawn at random 200 times and clustered. Together: of the pairs of one matter, how many share a gap. Wrongly:
of the pairs that share a gap, how many are of two matters.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import date

import numpy as np

from bench.retrieval import DATA
from rag.embedding import Vectors, load_embedder
from rag.questions import gaps
from rag.settings import load_settings
from rag.terminal import quiet_libraries

DISTANCES = (0.20, 0.22, 0.24, 0.26, 0.28, 0.30)
DRAWS = 200


def main() -> None:
    quiet_libraries()
    rows = [json.loads(line) for line in (DATA / "gaps.jsonl").read_text("utf-8").splitlines()]
    settings = load_settings()
    vectors = load_embedder(settings).embed_passages([row["question"] for row in rows])
    matters = np.array([row["matter"] for row in rows])
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{date.today()}, {machine}. {settings.embedding_model}, {len(rows)} questions.\n")
    print("| distance | together | wrongly |\n|---|---|---|")
    for distance in DISTANCES:
        together, wrongly = _drawn(vectors, matters, distance)
        in_use = " (in use)" if distance == gaps.SAME else ""
        print(f"| {distance:.2f}{in_use} | {together:.0%} | {wrongly:.0%} |")


def _drawn(
    vectors: Vectors, matters: np.ndarray[tuple[int], np.dtype[np.str_]], distance: float
) -> tuple[float, float]:
    """Shares of pairs that are rightly together, and of pairs that are together wrongly, over all draws."""
    chance = np.random.default_rng(1)
    right = of_one_matter = joined = 0
    for _ in range(DRAWS):
        drawn = chance.permutation(len(matters))[: len(matters) * 7 // 10]
        labels = np.array(gaps.labels(vectors[drawn], distance))
        upper = np.triu_indices(len(drawn), 1)
        alike = (matters[drawn][:, None] == matters[drawn][None])[upper]
        shared = (labels[:, None] == labels[None])[upper]
        right += int((alike & shared).sum())
        of_one_matter += int(alike.sum())
        joined += int(shared.sum())
    return right / of_one_matter, 1 - right / joined


if __name__ == "__main__":
    main()
