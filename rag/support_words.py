"""Words of a claim against words of its proof: what is new, turned round, negated or made stronger.

Cheap signs, none of them certain; `rag.support` weighs them. Word lists are English, German and Spanish.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

import snowballstemmer

from rag.support_facts import facts, is_month, unit_of
from rag.support_lexicon import FUNCTION_WORDS, LIGHT_WORDS, NEGATORS, OPPOSITES, WIDENING

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_CLAUSE = re.compile(
    r"[.;:,!?()–—]\s+"
    r"|\s+(?:and|but|while|whereas|although|because|since|so that|which|und|aber|während|y|pero)\s+"
)
_PASSIVE = re.compile(
    r"\b(?:is|are|was|were|be|been|being)\s+(?:\w+\s+)?\w+(?:ed|en|wn|ept|old|ade|ut)\b|\bby\b", re.I
)


@dataclass(frozen=True, slots=True)
class Word:
    """A content word: its stem, its spelling, and its number among all words of the text."""

    stem: str
    text: str
    position: int
    clause: int


@dataclass(frozen=True)
class Wording:
    """The words of a text: content words in order, and all words in lower case."""

    text: str
    language: str
    content: tuple[Word, ...]
    lower: tuple[str, ...]
    clause_of: tuple[int, ...]

    @property
    def stems(self) -> frozenset[str]:
        return frozenset(word.stem for word in self.content)


def languages_differ(claim: str, cited: str) -> bool:
    """Whether the two are surely in different languages: each has at least two words of its own."""
    counts = [_function_words(text) for text in (claim, cited)]
    names = [max(count, key=lambda name: count[name]) for count in counts]
    return names[0] != names[1] and all(
        count[name] >= 2 + max(n for other, n in count.items() if other != name)
        for count, name in zip(counts, names, strict=True)
    )


def _function_words(text: str) -> dict[str, int]:
    words = [word.lower() for word in _WORD.findall(text)]
    return {name: sum(word in stop for word in words) for name, stop in FUNCTION_WORDS.items()}


def language_of(text: str) -> str:
    """english, german or spanish, by the function words."""
    counts = _function_words(text)
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] > counts["english"] else "english"


@lru_cache(maxsize=4096)
def wording(text: str, language: str) -> Wording:
    """The words of `text`, stemmed for `language`."""
    text = re.sub(r"(?i)\b(\w+)n['’]t\b", r"\1 not", re.sub(r"(?i)\bcan(?:not|['’]t)\b", "can not", text))
    text = re.sub(r"(?i)\bwon['’]t\b|\bwo not\b", "will not", text)
    ends = [match.end() for match in _CLAUSE.finditer(text)]
    content, lower, clause_of = [], [], []
    stop = FUNCTION_WORDS[language]
    for position, match in enumerate(_WORD.finditer(text)):
        word = match.group().lower()
        lower.append(word)
        clause = bisect_right(ends, match.start())
        clause_of.append(clause)
        if word in stop or word in LIGHT_WORDS or word in NEGATORS:
            continue
        content.append(Word(_stem(word, language), match.group(), position, clause))
    return Wording(text, language, tuple(content), tuple(lower), tuple(clause_of))


def same_word(left: str, right: str) -> bool:
    """Whether two stems are of one family: equal, or with a long beginning in common."""
    if left == right:
        return True
    shared = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        shared += 1
    return shared >= 4 and shared >= 0.7 * max(len(left), len(right))


def novel_words(claim: Wording, cited: Wording) -> list[Word]:
    """Content words of the claim of which the cited text has no relative."""
    there = cited.stems
    return [
        word
        for word in claim.content
        if not any(same_word(word.stem, stem) for stem in there) and not _is_a_measure(word.text)
    ]


def new_names(claim: Wording, cited: Wording) -> list[str]:
    """Capitalised words, not at the beginning, that the cited text has in no form; none in German."""
    if claim.language == "german":
        return []
    found = []
    vocabulary = {word.lower() for word in _WORD.findall(cited.text)}
    initials = _initials(cited.text)
    for word in novel_words(claim, cited):
        if not word.text[0].isupper() or word.text.lower() in vocabulary or word.text in initials:
            continue
        before = claim.text[: claim.text.find(word.text)].rstrip()
        if not before or before[-1] in ".:;!?" or is_month(word.text):
            continue
        if word.text.upper() in {w.text.upper() for w in cited.content} or _spells_out(
            word.text, claim, cited
        ):
            continue
        found.append(word.text)
    return found


def flipped_poles(claim: Sequence[str], cited: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of opposites: the claim has one, the cited words have only the other."""
    ours, theirs = set(claim), set(cited)
    found = []
    for left, right in OPPOSITES:
        for here, there in ((left, right), (right, left)):
            said, instead = ours & here, theirs & there
            if said and instead and not ours & there and not theirs & here:
                found.append((min(said), min(instead)))
    return found


def negations(words: Sequence[str]) -> int:
    """How many of the words negate."""
    return sum(word in NEGATORS for word in words)


@dataclass(frozen=True, slots=True)
class Polarity:
    """How claim and cited text differ in saying yes or no.

    `poles` are opposites ('before' for 'after'); `odd` says that a clause is turned against its match an odd
    number of times, since two turns cancel; `negated_once` that only one of the two sides negates at all.
    """

    poles: tuple[tuple[str, str], ...]
    odd: bool
    negated_once: bool


def polarity(claim: Wording, cited: Wording) -> Polarity:
    """Compare each clause of the claim with the clauses of the cited text that share most words with it."""
    poles: dict[tuple[str, str], None] = {}
    odd = False
    ours, theirs = 0, 0
    cited_clauses = list(clauses(cited))
    for own in clauses(claim):
        shared = [_shared(own, other) for other in cited_clauses]
        most = max(shared, default=0)
        if not most:
            continue
        here = _range(claim, own)
        matches = [_range(cited, c) for c, n in zip(cited_clauses, shared, strict=True) if n == most]
        flips = [flipped_poles(here, there) for there in matches]
        poles |= dict.fromkeys(pair for found in flips for pair in found)
        turns = [len(f) + negations(here) + negations(there) for f, there in zip(flips, matches, strict=True)]
        odd = odd or all(turn % 2 for turn in turns)
        ours += negations(here)
        theirs += min(negations(there) for there in matches)
    return Polarity(tuple(poles), odd, (ours > 0) != (theirs > 0))


def strengthened(claim: Wording, cited: Wording) -> list[str]:
    """Words like 'all' and 'must' that the claim adds."""
    theirs = set(cited.lower)
    return [
        word
        for words, licensed in WIDENING
        if not theirs & licensed
        for word in dict.fromkeys(claim.lower)
        if word in words
    ]


def reordered(claim: Wording, cited: Wording) -> float:
    """The share of pairs of shared words that stand in the other order, 0 to 1.

    0 when one text is passive and the other is not: then the order is rightly turned.
    """
    if is_passive(claim) != is_passive(cited):
        return 0.0
    places = _first_places(cited)
    mine = [places[word.stem] for word in claim.content if word.stem in places]
    pairs = [(a, b) for i, a in enumerate(mine) for b in mine[i + 1 :] if a != b]
    if not pairs:
        return 0.0
    return sum(a > b for a, b in pairs) / len(pairs)


def exchanged(claim: Wording, cited: Wording) -> tuple[float, tuple[str, str] | None]:
    """Two shared words of which each stands where the cited text has the other: how surely (0 to 1), which.

    The words at their sides are compared, those only that tell the two places apart in the cited text.
    """
    mine, theirs = _sides(claim), _sides(cited)
    spelled = {word.stem: word.text for word in claim.content}
    at: dict[str, list[int]] = {}
    for word in claim.content:
        at.setdefault(word.stem, []).append(word.position)
    shared = [stem for stem in spelled if stem in theirs]
    best: tuple[float, tuple[str, str] | None] = (0.0, None)
    for i, left in enumerate(shared):
        for right in shared[i + 1 :]:
            telling_left, telling_right = theirs[left] - theirs[right], theirs[right] - theirs[left]
            turned = len(mine[left] & telling_right), len(mine[right] & telling_left)
            straight = len(mine[left] & telling_left) + len(mine[right] & telling_right)
            beside = any(abs(a - b) < 2 for a in at[left] for b in at[right])
            if min(turned) >= 1 and not beside:
                surely = sum(turned) / (sum(turned) + straight)
                best = max(best, (surely, (spelled[left], spelled[right])))
    return best


def in_order(claim: Wording, cited: Wording) -> float:
    """The share of the claim's content words that stand in the cited text in the same order, 0 to 1."""
    stems = [word.stem for word in claim.content]
    matcher = SequenceMatcher(None, stems, [word.stem for word in cited.content], autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / max(1, len(stems))


def is_passive(text: Wording) -> bool:
    return _PASSIVE.search(text.text) is not None


def clauses(text: Wording) -> Iterator[Sequence[Word]]:
    """The content words of each clause."""
    for number in dict.fromkeys(word.clause for word in text.content):
        yield [word for word in text.content if word.clause == number]


@lru_cache(maxsize=65536)
def _is_a_measure(word: str) -> bool:
    """A number or a unit, which is compared by its value."""
    return word[0].isdigit() or unit_of(word) is not None or bool(facts(word).numbers)


def _shared(left: Sequence[Word], right: Sequence[Word]) -> int:
    return sum(any(same_word(word.stem, other.stem) for other in right) for word in left)


def _range(text: Wording, clause: Sequence[Word]) -> Sequence[str]:
    """All words of the clause, the small ones too."""
    return [
        word for word, number in zip(text.lower, text.clause_of, strict=True) if number == clause[0].clause
    ]


def _sides(text: Wording) -> dict[str, set[tuple[int, str]]]:
    """The words right before (-1) and after (1) each content word; the ends of a clause are ''."""
    found: dict[str, set[tuple[int, str]]] = {}
    for word in text.content:
        for step in (-1, 1):
            at = word.position + step
            near = text.lower[at] if 0 <= at < len(text.lower) else ""
            found.setdefault(word.stem, set()).add((step, near))
    return found


def _first_places(text: Wording) -> dict[str, int]:
    places: dict[str, int] = {}
    for word in text.content:
        places.setdefault(word.stem, word.position)
    return places


def _initials(text: str) -> set[str]:
    return {
        "".join(part[0] for part in match.group().split())
        for match in re.finditer(r"\b[A-Z]\w+(?: [A-Z]\w+)+", text)
    }


def _spells_out(word: str, claim: Wording, cited: Wording) -> bool:
    """Whether the name is a word of an acronym that the cited text has."""
    acronyms = {other.text for other in cited.content if other.text.isupper()}
    return any(
        initials in acronyms and word in match.group()
        for match in re.finditer(r"\b[A-Z]\w+(?: [A-Z]\w+)+", claim.text)
        for initials in ["".join(part[0] for part in match.group().split())]
    )


@lru_cache(maxsize=65536)
def _stem(word: str, language: str) -> str:
    return str(_stemmer(language).stemWord(word))


@lru_cache(maxsize=8)
def _stemmer(language: str) -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer(language)
