"""What is seen when a sentence is laid beside what it cites: the signals that `rag.support` weighs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from rag.embedding import Vectors
from rag.support_facts import facts, missing_facts
from rag.support_words import (
    Word,
    Wording,
    exchanged,
    in_order,
    language_of,
    new_names,
    novel_words,
    polarity,
    reordered,
    strengthened,
    wording,
)

Lookup = Callable[[Sequence[str]], Vectors]
"""Unit vectors of texts, shape (texts, dimension)."""

RELATED, UNRELATED = 0.82, 0.6
"""Cosines of two words, built-in embedding model: from the first on they mean the same, up to the second
they have nothing in common. Chosen by looking at pairs of words, not fitted."""
NEAR_COPY = 0.7
"""Share of a claim's words in the cited order, from which another word is a change of the text."""
CLEAR_COSINE = 0.9
CLEAR_LOGIT = 4.0
"""Above these a text is surely about the same; how much above says nothing about whether it is right."""


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals of one sentence, 0 when nothing is seen; all but the last two speak against it."""

    identifiers: float
    names: float
    poles: float
    odd: float
    negated_once: float
    strengthened: float
    exchanged: float
    reordered: float
    edited: float
    similarity: float
    relevance: float

    @property
    def values(self) -> dict[str, float]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The signals, the reasons for those that speak against the sentence, the words of it
    that the cited text has in no form, and the facts that are plainly false."""

    signals: Signals
    reasons: dict[str, str]
    unsaid: tuple[str, ...]
    false_facts: tuple[str, ...]


def compare(
    claim_text: str,
    cited_text: str,
    context: str,
    *,
    lookup: Lookup,
    similarity: float,
    relevance: float | None,
) -> Comparison:
    """Lay a sentence beside the text it cites.

    `context` may lend words, numbers and names to the cited text. `similarity` is the cosine of the two,
    `relevance` the cross-encoder's logit or None.
    """
    whole = f"{context}\n{cited_text}" if context else cited_text
    language = language_of(f"{claim_text} {cited_text}")
    claim, cited, wide = (wording(text, language) for text in (claim_text, cited_text, whole))
    missing = list(missing_facts(facts(claim_text), facts(whole), whole))
    identifiers = [reason for kind, reason in missing if kind == "identifier"]
    names = new_names(claim, wide)
    turned = polarity(claim, cited)
    strong = strengthened(claim, cited)
    surely, pair = exchanged(claim, cited)
    novel = novel_words(claim, wide)
    kept = in_order(claim, cited)
    near_copy = kept >= NEAR_COPY
    strangeness, strangest = _strangest(novel, claim, wide, lookup) if novel and near_copy else (0.0, "")
    signals = Signals(
        identifiers=min(2.0, len(identifiers)),
        names=float(bool(names)),
        poles=float(bool(turned.poles)),
        odd=float(turned.odd),
        negated_once=float(turned.negated_once),
        strengthened=float(bool(strong)),
        exchanged=surely,
        reordered=reordered(claim, cited) if near_copy and kept < 1 and not novel else 0.0,
        edited=strangeness,
        similarity=min(similarity, CLEAR_COSINE),
        relevance=min(relevance, CLEAR_LOGIT) if relevance is not None else 0.0,
    )
    reasons = {
        "identifiers": "; ".join(identifiers),
        "names": f"the name {', '.join(names)} is not in the cited text",
        "poles": "; ".join(f"it says '{ours}', the cited text '{theirs}'" for ours, theirs in turned.poles),
        "odd": "it denies what the cited text says, or the other way round",
        "negated_once": "only one of the two has a 'not'",
        "strengthened": f"the cited text does not say '{', '.join(strong)}'",
        "exchanged": f"'{pair[0]}' and '{pair[1]}' have changed places" if pair else "",
        "reordered": "the same words stand in another order",
        "edited": f"'{strangest}' is not in the cited text",
    }
    seen = {name: reason for name, reason in reasons.items() if signals.values[name] > 0}
    false_facts = tuple(reason for kind, reason in missing if kind != "identifier")
    return Comparison(signals, seen, tuple(word.text for word in novel), false_facts)


def _strangest(novel: Sequence[Word], claim: Wording, cited: Wording, lookup: Lookup) -> tuple[float, str]:
    """The new word that is least like any word it may stand for, and how little: 0 a synonym, 1 unlike all.

    It can only stand for words of the cited text that the claim does without.
    """
    replaced = list(dict.fromkeys(word.text.lower() for word in novel_words(cited, claim)))
    if not replaced:
        return 1.0, novel[0].text
    nearest = (lookup([word.text.lower() for word in novel]) @ lookup(replaced).T).max(axis=1)
    worst = int(nearest.argmin())
    strangeness = (RELATED - float(nearest[worst])) / (RELATED - UNRELATED)
    return min(1.0, max(0.0, strangeness)), novel[worst].text
