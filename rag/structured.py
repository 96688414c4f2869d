"""Extraction by a JSON Schema, with citations got in a second way, since the API gives none with one.

The model names, for each value, the numbers of the sentences that say it; here each is checked against the
text, and no pointer is believed that the text contradicts.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from rag.citable import Citable, Place
from rag.claude import Completion, Form, Payer, prompt
from rag.errors import OverBudget, SchemaMismatch
from rag.structured_proof import Said, Value, is_telling, said, stands_in
from rag.structured_schema import ResponseSchema, response_schema

LONGEST_REPEAT = 4_000
"""Characters of a wrong answer that are shown when it is asked for again."""

_TAG = re.compile(r"<(?=/?\s*(?:documents?|question)\b)", re.IGNORECASE)


class Completes(Protocol):
    """What is needed of `ClaudeClient`."""

    async def complete(
        self, model: str, asked: Form, *, max_tokens: int, deadline: float, payer: Payer
    ) -> Completion: ...


@dataclass(frozen=True, slots=True)
class Extraction:
    """`data` fits the reader's schema, and is None where the documents hold nothing of it.

    `places` has, by JSON pointer into `data`, where the documents say a value. `unverified` are the pointers
    of values that stand in no cited sentence: what a sentence only implies, and what nothing was cited for.
    """

    data: Any
    places: Mapping[str, tuple[Place, ...]]
    unverified: tuple[str, ...]
    found: bool


class _Source(BaseModel):
    model_config = ConfigDict(strict=True)

    path: str
    sentences: list[int]


class _Reply(BaseModel):
    model_config = ConfigDict(strict=True)

    found: bool
    data: Any
    sources: list[_Source]


@dataclass(frozen=True, slots=True)
class _Sentence:
    """The stored text of a sentence that is numbered in the prompt, from 1; `said` is it, for comparing."""

    text: str
    said: Said
    places: tuple[Place, ...]


async def extract(
    claude: Completes,
    model: str,
    question: str,
    schema: dict[str, Any],
    given: Sequence[Citable],
    *,
    max_tokens: int,
    deadline: float,
    payer: Payer,
) -> Extraction:
    """Let `model` fill in `schema` from what is given, and check what it says and where it says it stands.

    An answer that does not fit is asked for once more, with what is wrong in words, if time and budget are
    left for it. `deadline` is in seconds, for both requests together.

    Raises:
        InvalidRequest: the schema cannot be used; nothing has been spent.
        SchemaMismatch: the last answer does not fit either, or the answer is longer than it may be.
        AnswerError: Claude gave no answer.
        OverBudget: not even the first request may be paid.
    """
    wanted = response_schema(schema)
    if not any(citable.sentences for citable in given):
        return Extraction(None, {}, (), False)
    sentences = await asyncio.to_thread(_numbered, given)
    form = form_of(question, schema, given)
    ends = time.monotonic() + deadline
    wrong = ""
    while True:
        asked = replace(form, content=f"{form.content}\n\n{wrong}") if wrong else form
        left = ends - time.monotonic()
        try:
            done = await claude.complete(model, asked, max_tokens=max_tokens, deadline=left, payer=payer)
        except OverBudget:
            if not wrong:
                raise
            break
        if done.reached_limit:
            raise SchemaMismatch("the answer reached its length limit", remedy="ask for less at once")
        reply, problem = _reply(done.data, wanted)
        if reply:
            return await asyncio.to_thread(_checked, reply, sentences)
        if wrong or time.monotonic() >= ends:
            break
        wrong = _again(done.data, problem)
    raise SchemaMismatch(
        f"the model's answer does not fit response_schema: {problem}", remedy="make the schema less strict"
    )


def form_of(question: str, schema: dict[str, Any], given: Sequence[Citable]) -> Form:
    """What a model is asked first.

    Raises:
        InvalidRequest: the schema cannot be used.
    """
    return Form(prompt("extract"), _asked(question, given), response_schema(schema).sent)


def _reply(data: Any, wanted: ResponseSchema) -> tuple[_Reply | None, str]:
    """The reply, or what is wrong with it."""
    try:
        reply = _Reply.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return None, f"/{'/'.join(map(str, first['loc']))}: {first['msg']}"
    if not reply.found or reply.data is None:
        return _Reply(found=False, data=None, sources=[]), ""
    problem = wanted.mismatch(reply.data)
    return (None, f"in data, {problem}") if problem else (reply, "")


def _again(data: Any, problem: str) -> str:
    shown = json.dumps(data, ensure_ascii=False)[:LONGEST_REPEAT]
    return (
        f"Your last answer did not fit the form: {problem}\nIt was: {shown}\n"
        "Answer again, with the whole object."
    )


def _asked(question: str, given: Sequence[Citable]) -> str:
    """The documents, then the question: a text of either cannot end its own part."""
    lines, number = ["<documents>"], 0
    for citable in given:
        lines.append(f'<document title="{_harmless(citable.title)}">')
        for sentence in citable.sentences:
            number += 1
            lines.append(f"[{number}] {_harmless(sentence)}")
        lines.append("</document>")
    lines += ["</documents>", "", "<question>", _TAG.sub("‹", question), "</question>"]
    return "\n".join(lines)


def _harmless(text: str) -> str:
    """One line that opens and closes nothing."""
    return _TAG.sub("‹", " ".join(text.split()))


def _numbered(given: Sequence[Citable]) -> dict[int, _Sentence]:
    every = (places for citable in given for places in citable.places)
    stored = ((_stored(places), places) for places in every)
    return {number: _Sentence(text, said(text), places) for number, (text, places) in enumerate(stored, 1)}


def _stored(places: Sequence[Place]) -> str:
    """What the documents say there, which a note on a long document may not."""
    return " ".join(evidence.parsed.text[start:end] for evidence, start, end in places)


def _checked(reply: _Reply, sentences: Mapping[int, _Sentence]) -> Extraction:
    """Each value with the sentences that prove it."""
    cited = _by_pointer(reply.sources)
    places: dict[str, tuple[Place, ...]] = {}
    unverified: list[str] = []
    for pointer, value in leaves(reply.data):
        numbers = [number for number in _cited_for(pointer, cited) if number in sentences]
        proof = _proof(value, numbers, sentences)
        if proof is None:
            unverified.append(pointer)
        found = [place for number in proof or numbers for place in sentences[number].places]
        if found:
            places[pointer] = tuple(found)
    return Extraction(reply.data, places, tuple(unverified), reply.found)


def _proof(value: Value, numbers: Sequence[int], sentences: Mapping[int, _Sentence]) -> list[int] | None:
    """The sentences in which `value` stands: of those cited, else the only other one; None when none is."""
    holding = [number for number in numbers if stands_in(value, sentences[number].said)]
    if holding:
        return holding
    # A long value may run over several of the sentences that were cited for it.
    if len(numbers) > 1 and stands_in(value, said(" ".join(sentences[number].text for number in numbers))):
        return list(numbers)
    if not is_telling(value):
        return None
    elsewhere = [number for number, one in sentences.items() if stands_in(value, one.said)]
    return elsewhere if len(elsewhere) == 1 else None


def _by_pointer(sources: Sequence[_Source]) -> dict[str, list[int]]:
    cited: dict[str, list[int]] = {}
    for source in sources:
        cited.setdefault(source.path.strip().removeprefix("#"), []).extend(source.sentences)
    return cited


def _cited_for(pointer: str, cited: Mapping[str, Sequence[int]]) -> list[int]:
    """What was cited for a value or, failing that, for the innermost object or list that it lies in."""
    while pointer not in cited and pointer:
        pointer = pointer.rpartition("/")[0]
    return sorted(set(cited.get(pointer, ())))


def leaves(data: Any, pointer: str = "") -> Iterator[tuple[str, Value]]:
    """The values of `data` with their JSON pointers (RFC 6901); null claims nothing and is passed over."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from leaves(value, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from leaves(value, f"{pointer}/{index}")
    elif data is not None:
        yield pointer, data
