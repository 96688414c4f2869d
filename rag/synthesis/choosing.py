"""Which documents a question means: by name, by number, by kind, else by where the best hits lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rag.documents import DocumentRecord, Filters, Hit
from rag.sparse import terms

USUAL_DOCUMENTS = 3
"""Read where the question neither names documents nor says how many."""
MOST_DOCUMENTS = 10
"""Read where it names them or asks for all of a kind."""

_ONE_KIND = (
    r"document|report|contract|agreement|file|policy|manual|guide|handbook|paper|book|study|proposal|memo"
    r"|specification|faq|text|version|edition|revision|draft|release"
)
_MANY_KINDS = (
    r"documents|reports|contracts|agreements|files|policies|manuals|guides|handbooks|papers|books|studies"
    r"|proposals|memos|specifications|faqs|texts|versions|editions|revisions|drafts|releases"
)
_NUMERALS = "two three four five six seven eight nine ten".split()
_COUNTS = {"both": 2, **{word: number for number, word in enumerate(_NUMERALS, 2)}}
_COUNTED = re.compile(
    rf"\b(?P<count>{'|'.join(_COUNTS)}|\d{{1,2}})\s+(?:of\s+)?(?:[\w'-]+\s+){{0,3}}?(?P<kind>{_MANY_KINDS})\b",
    re.IGNORECASE,
)
_ALL = re.compile(
    rf"\b(?:(?:all|each|every)(?:\s+(?:of|the|our|my|these|those))*)\s+(?:[\w'-]+\s+)?"
    rf"(?P<kind>{_MANY_KINDS}|{_ONE_KIND})\b",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    rf"\b(?:this|that|the|our|my)\s+(?:[\w'-]+\s+){{0,2}}?(?P<kind>{_ONE_KIND})\b", re.IGNORECASE
)
_SEVERAL = re.compile(
    rf"\b(?:{_MANY_KINDS}|compar\w+|differ\w*|between|versus|vs|chang\w+|across)\b", re.IGNORECASE
)
_STATES = re.compile(r"\b(?:versions?|editions?|revisions?|drafts?|releases?|chang\w+)\b", re.IGNORECASE)
_STATE_TERMS = frozenset(
    terms("v ver version edition revision rev draft final release old new current previous signed copy")
)
_NUMBER = re.compile(r"(?<![\d.])\d+(?:\.\d+)*")
_VERSION = re.compile(
    r"(?<![^\W_])(?:v|ver|version|rev|revision|edition)?[\s._-]*\d+(?:\.\d+)*(?![^\W_])", re.IGNORECASE
)
_NAME_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many documents a question speaks of, and what it calls them; None where it does not say.

    `every`: it speaks of all of the kind.
    """

    count: int | None = None
    kind: str | None = None
    every: bool = False


def choose(
    question: str, hits: Sequence[Hit], visible: Sequence[DocumentRecord], filters: Filters
) -> list[DocumentRecord]:
    """The documents to read, most wanted first; `visible` are those that the reader may see.

    Those that the filters name; else those that the question names; else other states of the document of
    the best hit, where the question is about versions; else as many as it says, of the kind it says.
    """
    visible = sorted(visible, key=reading_order)
    if filters.document_ids:
        return visible
    wanted = spoken_of(question)
    literal = _named_literally(question, visible)
    if len({record.title for record in literal}) == 1:
        literal = _of_numbers(question, literal)
    if len(literal) > 1 or (literal and not _SEVERAL.search(question)):
        return literal[:MOST_DOCUMENTS]
    named = _most_exact(question, [record for record in visible if names(question, record)])
    if named:
        return _of_numbers(question, named)[: wanted.count or MOST_DOCUMENTS]
    weight: dict[str, float] = {}
    for rank, hit in enumerate(hits):
        weight[hit.document_id] = weight.get(hit.document_id, 0.0) + 1.0 / (rank + 1)
    by_weight = sorted(visible, key=lambda record: -weight.get(record.id, 0.0))
    found = [record for record in by_weight if record.id in weight]
    if found and _STATES.search(question):
        states = [record for record in visible if _without_state(record) == _without_state(found[0])]
        if len(states) > 1:
            return _of_numbers(question, states)[: wanted.count or MOST_DOCUMENTS]
    if wanted.kind is None:
        return found[: wanted.count or USUAL_DOCUMENTS]
    # What is said in so many words may fill up the number though no hit lies in it.
    several = wanted.count != 1
    of_kind = [one for one in (by_weight if several else found) if wanted.kind in _words(one)]
    of_kind = _of_numbers(question, of_kind)
    if of_kind and wanted.every:
        return of_kind[:MOST_DOCUMENTS]
    return list(dict.fromkeys([*of_kind, *found]))[: wanted.count or USUAL_DOCUMENTS]


def reading_order(record: DocumentRecord) -> tuple[list[tuple[int, int, str]], str]:
    """By file name, its numbers as numbers: version 9 before version 10, the same in every request."""
    pieces = re.split(r"(\d+)", record.name.casefold())
    return [(0, int(one), "") if one.isdecimal() else (1, 0, one) for one in pieces], record.uri


def spoken_of(question: str) -> Wanted:
    """What the question says of number and kind: 'these three reports', 'all contracts', 'this policy'."""
    if counted := _COUNTED.search(question):
        count = counted["count"].lower()
        number = _COUNTS[count] if count in _COUNTS else int(count)
        return Wanted(max(1, min(number, MOST_DOCUMENTS)), _kind(counted["kind"]))
    if every := _ALL.search(question):
        return Wanted(MOST_DOCUMENTS, _kind(every["kind"]), every=True)
    if (single := _SINGLE.search(question)) and not _SEVERAL.search(question):
        return Wanted(1, _kind(single["kind"]))
    return Wanted()


def names(question: str, record: DocumentRecord) -> bool:
    """Whether the question holds the title of the document, or its file name, word for word."""
    return bool(_name_in(question, record))


def _named_literally(question: str, records: Sequence[DocumentRecord]) -> list[DocumentRecord]:
    """Those whose whole title, of two words or more, or whole file name stands in the question.

    The longest name takes its place: 'Leave policy, version 2' does not mean 'Leave policy' as well.
    """
    said = " ".join(question.casefold().split())
    names = [(" ".join(name.casefold().split()), one) for one in records for name in (one.title, one.name)]
    found: dict[str, DocumentRecord] = {}
    for name, one in sorted(names, key=lambda pair: -len(pair[0])):
        if len(_NAME_WORD.findall(name)) < 2:
            continue
        place = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")
        if place.search(said):
            found[one.id] = one
            # Others of the very same name are meant too, those whose name is a part of it are not.
            same = [other for words, other in names if words == name]
            found |= {other.id: other for other in same}
            said = place.sub(" ", said)
    return [one for one in records if one.id in found]


def _name_in(question: str, record: DocumentRecord) -> frozenset[str]:
    """The words of the longest name of the document that the question holds; none when it holds none."""
    asked = set(terms(question))
    found: frozenset[str] = frozenset()
    for name in (record.title, _stem(record)):
        wanted = _name_terms(name)
        telling = len(wanted) > 1 or any(len(word) > 4 for word in wanted)
        if telling and wanted <= asked and len(wanted) > len(found):
            found = wanted
    return found


def _most_exact(question: str, named: Sequence[DocumentRecord]) -> list[DocumentRecord]:
    """Without those named only by a part of another's name: 'the Borg guide' does not mean 'Guide'."""
    said = Counter(terms(question))
    by_record = {record.id: _name_in(question, record) for record in named}
    longer = {
        id: len({other for other in by_record.values() if words < other}) for id, words in by_record.items()
    }
    return [
        record
        for record in named
        if not longer[record.id] or min(said[word] for word in by_record[record.id]) > longer[record.id]
    ]


def _of_numbers(question: str, records: Sequence[DocumentRecord]) -> list[DocumentRecord]:
    """Those whose title or file name holds a number of the question, if any does: 'versions 1 and 2'."""
    said = set(_NUMBER.findall(_COUNTED.sub(" ", question)))
    matching = [one for one in records if said & set(_NUMBER.findall(f"{one.title} {_stem(one)}"))]
    return matching or list(records)


def _without_state(record: DocumentRecord) -> frozenset[str]:
    return _name_terms(_stem(record)) - _STATE_TERMS


def _name_terms(name: str) -> frozenset[str]:
    """The words of a name without its version: 'the contract' names `contract_v2.pdf`."""
    return frozenset(term for word in _NAME_WORD.findall(_VERSION.sub(" ", name)) for term in terms(word))


def _words(record: DocumentRecord) -> set[str]:
    return set(terms(f"{record.title} {_stem(record)}"))


def _kind(word: str) -> str | None:
    """The stem to look for in names; None for words that any document is called by."""
    (stem,) = terms(word)
    return None if stem in terms("document file text version edition revision release") else stem


def _stem(record: DocumentRecord) -> str:
    return record.name.rsplit(".", 1)[0]
