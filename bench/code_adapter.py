"""A linear adapter of questions to source code, learned from docstrings: python -m bench.code_adapter [--fit]

The embedding model has read little code: a question and the function it is about lie further apart than a
question and its answer in prose. So a matrix is learned that brings the vector of a docstring's first
sentence near that of its function without the docstring, against the functions of 1,023 others (InfoNCE,
van den Oord et al. 2018). Vectors of documents stay as they are, so nothing has to be embedded anew.

Pairs are functions of the standard library and of what is installed here, but for tests and for the packages
that our own set of questions on code is made of (bench/sets/code). A seventh of the packages is not learned
from; they tell what is gained. `--fit` writes rag/code_adapter.npy. No text goes into it.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import random
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.sets.__main__ import HERE, packages_of
from rag import query_adapter
from rag.embedding import load_embedder
from rag.settings import load_settings
from rag.terminal import quiet_libraries

WEIGHTS = Path(query_adapter.__file__).with_name("code_adapter.npy")
MOST_OF_A_FILE = 15
LONGEST = 1000
"""Characters of a function: about as many as a chunk of code has."""
WORDS = range(6, 31)
FEWEST_LINES = 5
HELD_OUT = 7
BATCH, STEPS, RATE, TEMPERATURE, DECAY = 1024, 600, 1e-3, 0.05, 3e-3
RUNS = 5
"""Whose mean is taken: which pairs meet in a batch is chance, and moves recall by a point or two."""
_TESTS = re.compile(r"(?:^|/)(?:tests?|testing|idlelib|lib2to3)/|(?:^|/)(?:test_|conftest)")
_FIRST_SENTENCE = re.compile(r"(?<=[.!?])\s|\n\n|\n\s*[:@]|Args:|Parameters")
_MARKUP = re.compile(r"[`*]|:\w+:")

Vectors = NDArray[np.float32]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Pair:
    """A function, and what its docstring says first; `held_out` when its package is not learned from."""

    question: str
    code: str
    held_out: bool


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.code_adapter", description=__doc__.splitlines()[0])
    asked.add_argument("--pairs", type=int, default=12_000, help="as many functions, drawn at random")
    asked.add_argument("--fit", action="store_true", help="write the weights into the package")
    given = asked.parse_args()
    quiet_libraries()
    found = list(pairs())
    random.Random(1).shuffle(found)
    chosen = found[: given.pairs]
    print(f"{len(found)} functions with a docstring, {len(chosen)} taken, of the packages installed here")
    questions, codes = embedded(chosen)
    held_out = np.array([pair.held_out for pair in chosen])
    matrix = learned(questions[~held_out], codes[~held_out])
    of_questions, of_codes = questions[held_out], codes[held_out]
    print(f"| {held_out.sum()} functions of other packages | recall@1 | recall@5 | recall@20 |")
    print("|---|---|---|---|")
    print(row("the question's vector as it is", of_questions, of_codes))
    print(row("adapted", of_questions @ matrix, of_codes))
    if given.fit:
        np.save(WEIGHTS, matrix.astype(np.float16))
        print(f"written: {WEIGHTS}")


def pairs() -> Iterator[Pair]:
    """The functions of what is installed, each question once."""
    # With all that begins like one of ours: httpx2 has functions of httpx.
    ours = tuple(package.name.lower().replace("-", "_") for package in packages_of(HERE / "code"))
    seen: set[str] = set()
    for root in sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}):
        for path in sorted(Path(root).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            package = name.split("/")[0].removesuffix(".py")
            if package == "site-packages" or package.lower().startswith(ours) or _TESTS.search(name):
                continue
            held_out = int(hashlib.sha256(package.encode()).hexdigest(), 16) % HELD_OUT == 0
            for question, code in functions(path):
                if question.lower() not in seen:
                    seen.add(question.lower())
                    yield Pair(question, code, held_out)


def functions(path: Path) -> list[tuple[str, str]]:
    """What docstrings of a file say first, and their functions without them, under their headings."""
    try:
        source = path.read_text("utf-8")
        tree = ast.parse(source)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return []
    lines = source.split("\n")
    found: list[tuple[str, str]] = []
    for heading, function in _definitions(tree, path.name):
        said = _first_sentence(ast.get_docstring(function) or "")
        docstring = function.body[0]
        body = lines[function.lineno - 1 : docstring.lineno - 1]
        body += lines[docstring.end_lineno : function.end_lineno]
        if len(said.split()) in WORDS and len(body) >= FEWEST_LINES:
            found.append((said, f"{heading} > def {function.name}\n" + "\n".join(body)[:LONGEST]))
    return found[:MOST_OF_A_FILE]


def _definitions(tree: ast.Module, heading: str) -> Iterator[tuple[str, Function]]:
    for node in tree.body:
        if isinstance(node, Function):
            yield heading, node
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, Function):
                    yield f"{heading} > class {node.name}", member


def _first_sentence(docstring: str) -> str:
    return " ".join(_MARKUP.sub("", _FIRST_SENTENCE.split(docstring.strip())[0]).split())


def embedded(chosen: list[Pair]) -> tuple[Vectors, Vectors]:
    """The vectors of the questions and of the functions, as the product makes them."""
    model = load_embedder(load_settings())
    questions = model.embed_queries([pair.question for pair in chosen])
    return questions, model.embed_passages([pair.code for pair in chosen])


def learned(questions: Vectors, codes: Vectors) -> Vectors:
    """The matrix that a question's vector is multiplied by, shape (dimension, dimension)."""
    return np.mean([_learned(questions, codes, seed) for seed in range(RUNS)], axis=0)


def _learned(questions: Vectors, codes: Vectors, seed: int) -> Vectors:
    torch.manual_seed(seed)
    q, c = torch.tensor(questions), torch.tensor(codes)
    identity = torch.eye(q.shape[1])
    matrix = identity.clone().requires_grad_()
    optimiser = torch.optim.Adam([matrix], lr=RATE)
    right = torch.arange(min(BATCH, len(q)))
    for _ in range(STEPS):
        drawn = torch.randint(0, len(q), (len(right),))
        scores = torch.nn.functional.normalize(q[drawn] @ matrix, dim=1) @ c[drawn].T / TEMPERATURE
        loss = torch.nn.functional.cross_entropy(scores, right) + DECAY * ((matrix - identity) ** 2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return matrix.detach().numpy()


def row(name: str, questions: Vectors, codes: Vectors) -> str:
    scores = questions @ codes.T
    place = (scores > np.diag(scores)[:, None]).sum(axis=1)
    return f"| {name} | " + " | ".join(f"{np.mean(place < depth):.3f}" for depth in (1, 5, 20)) + " |"


if __name__ == "__main__":
    main()
