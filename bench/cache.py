"""From which cosine may one question be answered by another's answer? Measured on labelled pairs.

make bench-cache

The rules of `rag/wording.py` were made with the dev half in view; the test half was only measured. The near
misses of the hard part were written later, of the kinds that the other two lack: roles exchanged, long
questions, auxiliary verbs, tense, case. Whether the same passages are found, which is asked as well, is not
counted here.
"""

from __future__ import annotations

import json
import platform
from datetime import date
from pathlib import Path

import numpy as np

from rag.embedding import load_embedder
from rag.settings import load_settings
from rag.terminal import quiet_libraries
from rag.wording import means_the_same

PAIRS = Path(__file__).resolve().parent.parent / "data" / "cache_pairs.jsonl"


def main() -> None:
    quiet_libraries()
    pairs = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
    embedder = load_embedder(load_settings())
    one, other = (embedder.embed_queries([pair[side] for pair in pairs]) for side in ("first", "second"))
    cosines = (one * other).sum(axis=1)
    print(f"{date.today()}, {platform.machine()}, {embedder.name}. {len(pairs)} pairs of questions.\n")
    for split in ("dev", "test", "hard"):
        of_split = [
            (cosine, pair, means_the_same(pair["first"], pair["second"]))
            for cosine, pair in zip(cosines, pairs, strict=True)
            if pair["split"] == split
        ]
        same = sum(pair["same"] for _, pair, _ in of_split)
        print(f"{split}: {same} paraphrases, {len(of_split) - same} near misses\n")
        print("| cosine from | paraphrases served | near misses served | with guards: served | wrongly |")
        print("|---|---|---|---|---|")
        for threshold in np.arange(0.90, 1.0, 0.01):
            near = [(pair["same"], guarded) for cosine, pair, guarded in of_split if cosine >= threshold]
            cells = [
                sum(is_same for is_same, _ in near),
                sum(not is_same for is_same, _ in near),
                sum(is_same and guarded for is_same, guarded in near),
                sum(not is_same and guarded for is_same, guarded in near),
            ]
            print(f"| {threshold:.2f} | " + " | ".join(map(str, cells)) + " |")
        print()


if __name__ == "__main__":
    main()
