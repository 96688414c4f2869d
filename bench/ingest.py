"""Ingesting against the bare model: the same chunks, in the same run, in turn.

    .venv/bin/python -m bench.ingest [--chunks N] [--rounds N]

The peer is `SentenceTransformer.encode` alone with the model as Citebox loads it, over the very texts that
ingesting embeds. The documents are stretches of the sample library's text. Counted is the run from the first
chunk that is to be embedded, so without loading the model; memory is the highest of a round, which
holds the model twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path

from bench.retrieval import DATA, Quiet
from ingest.chunking import Chunker, longest_chunk
from ingest.parsing import parse
from ingest.pipeline import Placement
from ingest.report import Report
from ingest.run import add
from ingest.searchable import searchable_text
from rag.documents import document_id_of
from rag.embedding import load_document_embedder
from rag.settings import Settings, load_settings
from rag.terminal import quiet_libraries

CHUNKS_OF_A_DOCUMENT = 40


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument(
        "--chunks", type=int, default=2400, help="about how many a round (default: %(default)s)"
    )
    asked.add_argument("--rounds", type=int, default=3, help="rounds, whose median counts")
    args = asked.parse_args()
    quiet_libraries()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{date.today()}, {machine}.\n")
    print("| round | chunks | bare encode, chunks/s | ingest add, chunks/s | ratio | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    words, ratios = _words(), []
    for number in range(args.rounds):
        # A process for each round: what models leave behind in memory is not the next one's.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            chunks, bare, seconds, peak = pool.submit(_round, words, number, args.chunks).result()
        ratios.append(bare / seconds)
        rates = f"{chunks / bare:.1f} | {chunks / seconds:.1f}"
        print(f"| {number + 1} | {chunks} | {rates} | {bare / seconds:.2f} | {peak:.0f} |", flush=True)
    print(f"\nMedian ratio: {statistics.median(ratios):.2f}")


def _round(words: list[str], number: int, chunks: int) -> tuple[int, float, float, float]:
    """Chunks, the seconds of the model alone and of ingesting, and the peak memory of both in MB."""
    quiet_libraries()
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as folder:
        settings = load_settings().model_copy(update={"data_dir": Path(folder) / "data"})
        library = Path(folder) / "library"
        library.mkdir()
        _write(library, words, number, chunks)
        made, bare = _encode(settings, library)
        seconds = asyncio.run(_ingest(settings, library, made))
    return made, bare, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _words() -> list[str]:
    parsed = (parse(path, name=path.name) for path in sorted((DATA / "library").iterdir()))
    return [word for document in parsed for word in document.text.split()]


def _write(library: Path, words: list[str], number: int, chunks: int) -> None:
    """Text files whose chunks together are about as many as wanted; a chunk is about 110 words."""
    size = CHUNKS_OF_A_DOCUMENT * 110
    for index in range(max(1, chunks // CHUNKS_OF_A_DOCUMENT)):
        first = (number * 7919 + index * size) % (len(words) - size)
        lines = list(_lines(words[first : first + size]))
        (library / f"{index:05d}.txt").write_text(f"Part {number}.{index}\n\n" + "\n\n".join(lines), "utf-8")


def _lines(words: list[str]) -> Iterator[str]:
    for first in range(0, len(words), 80):
        yield " ".join(words[first : first + 80]) + "."


def _encode(settings: Settings, library: Path) -> tuple[int, float]:
    """How many chunks the library has, and the seconds that the model alone takes for them."""
    embedder = load_document_embedder(settings)
    texts: list[str] = []
    for path in sorted(library.iterdir()):
        parsed = parse(path, name=path.name)
        longest = longest_chunk(parsed.media_type, settings.chunk_tokens, embedder.longest)
        chunks = Chunker(embedder.count_tokens, longest).chunk(parsed, document_id_of(path.as_uri()), "v")
        texts.extend(searchable_text(parsed.title, chunk) for chunk in chunks)
    embedder.embed_passages(texts[:64])
    started = time.perf_counter()
    # All at once, so that it sorts them by length and batches them as it likes.
    embedder.embed_passages(texts)
    return len(texts), time.perf_counter() - started


async def _ingest(settings: Settings, library: Path, chunks: int) -> float:
    """The seconds of a whole run, without loading the model, which a small run would only be made of."""
    report = Report()
    watcher = _Timed()
    await add(settings, [str(library)], Placement(), watcher, report)
    assert report.as_json()["chunks"] == chunks, "ingesting made other chunks than the peer embedded"
    return time.perf_counter() - watcher.began


class _Timed(Quiet):
    """Begins to count at the first chunk that is to be embedded: by then the first file is parsed."""

    began = 0.0

    def scanned(self, path: str, done: int, total: int) -> None: ...

    def embedded(self, path: str, done: int, total: int) -> None:
        self.began = self.began or time.perf_counter()


if __name__ == "__main__":
    main()
