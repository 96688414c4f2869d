"""The short answer within the quoted sentence: SQuAD F1 and EM of both, and what the confidence is worth.

    .venv/bin/python -m bench.short_answers SET [--ask N] [--fit]

SET is a folder of `corpus.jsonl` and `queries.jsonl` with answers and the place of their paragraph, as XQuAD.
Every second article is held out: the weights in the package are of the others. `--fit` makes them anew and
writes them; `--ask N` asks N of the held-out questions of a service over the whole corpus, as a person would.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.peers.material import read_rows
from bench.retrieval import Quiet
from ingest.pipeline import Placement
from ingest.report import Report
from ingest.run import add
from rag import short_answer
from rag.evaluation.metrics import f1, normalised
from rag.events import Question
from rag.inner_view import InnerView, View
from rag.models import installed_path
from rag.reranking import load_reranker
from rag.sentences import sentence_spans
from rag.service import open_service
from rag.settings import Settings, load_settings
from rag.short_answer import Found, Weights, best_span, wants_a_sentence
from rag.terminal import quiet_libraries

WEIGHTS = Path(short_answer.__file__).with_suffix(".npy")
FOLDS = 3
EPOCHS, RATE, DECAY, DROPOUT, BATCH = 15, 2e-3, 1.0, 0.5, 64
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Posed:
    """A question with its paragraph's best sentence, and what the cross-encoder sees there."""

    article: str
    held_out: bool
    question: str
    answer: str
    sentence: str
    best_possible: float
    view: View
    place: tuple[int, int] | None
    """Of the true answer in the sentence, in tokens."""

    def span(self, weights: Weights) -> Found | None:
        return best_span(self.question, self.sentence, self.view, weights)

    def text(self, found: Found | None) -> str:
        return self.sentence[found.start : found.end] if found else self.sentence

    def f1(self, found: Found | None) -> float:
        return f1(self.text(found), self.answer)

    def exact(self, found: Found | None) -> bool:
        return normalised(self.text(found)) == normalised(self.answer)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("set", type=Path)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--ask", type=int, default=0)
    given = parser.parse_args()
    quiet_libraries()
    settings = load_settings()
    posed, taught, spent = _pose(given.set, settings)
    print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}."
    )
    print(f"{len(posed)} questions; finding the short answer: {statistics.median(spent):.0f} ms (median).\n")
    if given.fit:
        _fit(taught, [one for one in posed if not one.held_out])
    weights = short_answer.stored_weights()
    for name, part in (("held out", True), ("fitted to", False)):
        _table(name, [one for one in posed if one.held_out == part], weights)
    if given.ask:
        asyncio.run(_ask(given.set, settings, given.ask))


def _halves(folder: Path) -> dict[str, bool]:
    """Which articles are held out: every second one in the order of their names."""
    return {
        name: bool(i % 2)
        for i, name in enumerate(sorted(row["id"] for row in read_rows(folder / "corpus.jsonl")))
    }


def _pose(folder: Path, settings: Settings) -> tuple[list[Posed], list[Posed], list[float]]:
    """Every question with the sentence chosen; those to fit to, with the one that answers; milliseconds."""
    documents = {row["id"]: row for row in read_rows(folder / "corpus.jsonl")}
    held_out = _halves(folder)
    reranker = load_reranker(settings)
    view = InnerView(installed_path(settings, settings.reranker_model))
    posed, taught, spent = [], [], []
    for row in read_rows(folder / "queries.jsonl"):
        where, answer, question = row["relevant"][0], row["answer"], row["question"]
        article = where["doc_id"]
        text, lead = documents[article]["text"], f"{documents[article]['title']}: "
        spans = sentence_spans(text, where["para_start"], where["para_end"])
        scores = reranker.score(question, [lead + text[start:end] for start, end in spans])
        chosen = spans[int(np.argmax(scores))]
        right = next(((a, b) for a, b in spans if a <= where["start"] < b), chosen)
        oracle = max(f1(text[a:b], answer) for a, b in spans)
        for start, end in (chosen,) if held_out[article] else dict.fromkeys((chosen, right)):
            began = time.perf_counter()
            seen = view.read(question, lead, text[start:end])
            spent.append(1000 * (time.perf_counter() - began))
            held = [
                i
                for i, (first, last) in enumerate(seen.tokens)
                if start + first < where["end"] and start + last > where["start"]
            ]
            place = (held[0], held[-1]) if held else None
            sentence = text[start:end]
            one = Posed(article, held_out[article], question, answer, sentence, oracle, seen, place)
            if (start, end) == chosen:
                posed.append(one)
            if (start, end) == right and not held_out[article]:
                taught.append(one)
    return posed, taught, spent


def _table(name: str, posed: Sequence[Posed], weights: Weights) -> None:
    found = [one.span(weights) for one in posed]
    print(f"{name}: {len(posed)} questions, {_share(posed, lambda one: one.place is not None):.3f} of the")
    print("sentences chosen hold (part of) the answer.\n")
    print("| answer | F1 | EM |\n|---|---|---|")
    print(f"| the sentence | {_mean(one.f1(None) for one in posed):.3f} | {_share(posed, _exact):.3f} |")
    print(f"| the best sentence there is (oracle) | {_mean(one.best_possible for one in posed):.3f} | |")
    print(f"| the span, always | {_both(posed, found)} |")
    print("\n| confidence from | shown | F1 of those | EM | F1 >= 0.5 | F1 / EM of all, else the sentence |")
    print("|---|---|---|---|---|---|")
    for least in THRESHOLDS:
        shown = [
            one if one and one.confidence >= least and not wants_a_sentence(each.question) else None
            for each, one in zip(posed, found, strict=True)
        ]
        pairs = [(each, one) for each, one in zip(posed, shown, strict=True) if one]
        good = _mean(float(each.f1(one) >= 0.5) for each, one in pairs)
        those = _both([each for each, _ in pairs], [one for _, one in pairs])
        print(
            f"| {least} | {len(pairs) / len(posed):.3f} | {those} "
            f"| {good:.3f} | {_both(posed, shown).replace(' | ', ' / ')} |"
        )
    print(flush=True)


def _exact(one: Posed) -> bool:
    return one.exact(None)


def _both(posed: Sequence[Posed], found: Sequence[Found | None]) -> str:
    pairs = list(zip(posed, found, strict=True))
    return f"{_mean(a.f1(b) for a, b in pairs):.3f} | {_mean(float(a.exact(b)) for a, b in pairs):.3f}"


def _mean(values: Any) -> float:
    return float(np.mean([*values] or [float("nan")]))


def _share(posed: Sequence[Posed], test: Callable[[Posed], bool]) -> float:
    return _mean(float(test(one)) for one in posed)


# ---------------------------------------------------------------- fitting


def _fit(taught: Sequence[Posed], posed: Sequence[Posed]) -> None:
    """Write the weights and print the constants of the confidence, made of questions left out in turn."""
    articles = sorted({one.article for one in posed})
    rows, right = [], []
    for fold in range(FOLDS):
        out = {name for i, name in enumerate(articles) if i % FOLDS == fold}
        weights = _weights([one for one in taught if one.article not in out])
        for one in posed:
            found = one.span(weights) if one.article in out else None
            if found:
                rows.append((found.log_probability, one.view.score))
                right.append(one.f1(found) >= 0.5)
    model = LogisticRegression().fit(np.array(rows), np.array(right))
    print("CONSTANT, BY_SPAN, BY_SENTENCE =", model.intercept_.round(3), model.coef_.round(3))
    np.save(WEIGHTS, _weights(taught))


def _weights(posed: Sequence[Posed]) -> Weights:
    import torch

    torch.manual_seed(0)
    placed = [(one.view.features, one.place) for one in posed if one.place]
    everything = np.concatenate([features for features, _ in placed])
    centre, spread = everything.mean(0), everything.std(0) + 1e-4
    size = max(len(features) for features, _ in placed)
    inputs = torch.zeros(len(placed), size, everything.shape[1])
    padding = torch.ones(len(placed), size, dtype=torch.bool)
    for i, (features, _) in enumerate(placed):
        inputs[i, : len(features)] = torch.from_numpy((features - centre) / spread)
        padding[i, : len(features)] = False
    targets = torch.tensor([place for _, place in placed])
    layer = torch.nn.Linear(everything.shape[1], 2, bias=False)
    torch.nn.init.zeros_(layer.weight)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(placed)).split(BATCH):
            scores = layer(torch.nn.functional.dropout(inputs[rows], DROPOUT))
            scores = scores.masked_fill(padding[rows][:, :, None], -1e9)
            loss = torch.nn.functional.cross_entropy(scores, targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    # The centre moves all tokens of a sentence alike, so it changes no probability and is left out.
    fitted: Weights = (layer.weight.detach().numpy() / spread).T.astype(np.float32)
    return fitted


# ---------------------------------------------------------------- the service


async def _ask(folder: Path, settings: Settings, count: int) -> None:
    """F1 of what a person gets, with the search over all articles before it."""
    held_out = _halves(folder)
    rows = [row for row in read_rows(folder / "queries.jsonl") if held_out[row["relevant"][0]["doc_id"]]]
    rows = rows[:: max(1, len(rows) // count)][:count]
    with tempfile.TemporaryDirectory(prefix="citebox-bench-") as name:
        texts = Path(name) / "texts"
        texts.mkdir()
        for row in read_rows(folder / "corpus.jsonl"):
            (texts / f"{row['id']}.md").write_text(f"# {row['title']}\n\n{row['text']}", "utf-8")
        changed = {"data_dir": Path(name) / "data", "anthropic_api_key": None}
        settings = settings.model_copy(update=changed)
        await add(settings, [str(texts)], Placement(), Quiet(), Report())
        sentences, given, exact, shown, spent = [], [], [], [], []
        async with open_service(settings) as service:
            for row in rows:
                answer = await service.answerer.answer(Question(row["question"], service.reader))
                text = answer.text if answer.answered else ""
                short = answer.short_answer.text if answer.short_answer else None
                sentences.append(f1(text, row["answer"]))
                given.append(f1(short or text, row["answer"]))
                exact.append(normalised(short or text) == normalised(row["answer"]))
                spent.append(answer.receipt.stages_ms.get("short", 0.0))
                if short:
                    shown.append(given[-1])
    print(f"asked of a service over all articles: {len(rows)} held-out questions\n")
    print("| F1 of the text | F1 / EM with the short answer | shown | F1 of those | F1 >= 0.5 | median ms |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {_mean(sentences):.3f} | {_mean(given):.3f} / {_mean(exact):.3f} | {len(shown) / len(rows):.3f} "
        f"| {_mean(shown):.3f} | {_mean(one >= 0.5 for one in shown):.3f} | {statistics.median(spent):.0f} |"
    )


if __name__ == "__main__":
    main()
