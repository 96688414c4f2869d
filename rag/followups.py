"""What a follow-up is, and what it means without the conversation around it: by rule, for English.

A follow-up leaves out what was said before: by a pronoun ('how long does it take?'), by an ellipsis ('and in
Germany?', 'why?'), or by a definite noun that an earlier turn introduced ('when was the song released?').
Halliday & Hasan, Cohesion in English (1976): reference, ellipsis, conjunction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.claude import Turn
from rag.sparse import STOPWORDS, terms

MOST_WORDS = 12
"""Carried over by the rule: about what a question holds that says what it is about."""
MOST_STEPS = 3
"""Follow-ups that are followed back to the question they began with."""
LOOSE_TERMS = 3
"""A question of more terms of its own says enough, though a word in it points back ('also', 'the fee')."""

_WORD = re.compile(r"[^\W_]+(?:[_.\-'’][^\W_]+)*")
_EMPTY = frozenset(
    "about again all also another any anything apply bit call come correct detail details different else "
    "even ever every exactly example examples explain find first full general get getting give go good "
    "got great happen happens heard hello help hi idea info information interested just kind know known "
    "last later let like likely long lot made make many maybe mean means mention mentioned more most much "
    "must need needed never new no not now ok okay one ones only other others out over per please "
    "possible question read really right said same say second see shall show since so something sorry "
    "specific still such sure take takes talk tell thank thanks there thing things think time told too "
    "try type types understand up upon us use used using very want wanted way ways well without wonder "
    "word yeah yes yet".split()
)
"""Words that say nothing of what is asked about, beside the stop words of the search."""

_COURTESY = re.compile(
    r"^\W*(?:(?:(?:ok(?:ay)?|yes|yeah|thanks?(?: you)?(?: (?:very|so) much)?|sorry|hi|hello|please|oops|"
    r"got it|i see)\b[\s,.!;:-]+)|(?:(?:no|great|good|cool|hmm+|well|alright|all right|good to know|right|"
    r"interesting|sure|perfect|nice|oh|ah|wait)\b\s*[,.!;:-]+\s*))+",
    re.IGNORECASE,
)
_SWITCH = re.compile(
    r"^\W*(?:by the way|btw|(?:a )?(?:different|another|new|separate|unrelated) (?:question|topic|subject)|"
    r"(?:on|in) (?:another|a different|an unrelated) (?:note|matter|topic|subject)|"
    r"(?:changing|to change|change of) (?:the )?(?:subject|topic)|"
    r"something (?:completely |quite )?(?:else|different))\b",
    re.IGNORECASE,
)
_CONJUNCTION = re.compile(r"^\W*(?:and|or|but|so|also|plus|then)\b[\s,]*", re.IGNORECASE)
_ELLIPTIC = re.compile(
    r"^\W*(?:(?:what|how) (?:about|of|if|else|then)|why not|how (?:so|come)|(?:since|until|till|by) when|"
    r"(?:for|to|by|with|from) (?:whom|what|which|how (?:long|many|much))|which ones?|who else|"
    r"even|only|not|because|instead|i(?:['’]m| am| was)? (?:mean|meant|asked|asking|talking)|"
    r"(?:do )?you (?:said|say|mean|mentioned|told)|"
    r"what do you mean|are you (?:sure|certain)|is that|in that case|tell me more|more|"
    # The same openings in German, French, Spanish and Italian: beyond them the rule reads English only.
    r"und|oder|aber|warum|wieso|et|mais|pourquoi|y|pero|por qu[eé]|ma|perch[eé])\b",
    re.IGNORECASE,
)
_FRAGMENT = re.compile(
    r"^\W*(?:in|for|at|on|with|without|during|after|before|from|to|by|under|within|outside|above|below)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|can|could|will|would|shall|"
    r"should|may|must|has|have|had|am)\b",
    re.IGNORECASE,
)
_DEFINITION = re.compile(
    r"^\W*(?:(?:what|who)(?:'s|’s| is| are| was| were| does)|define|explain|describe)\s+(?!the\b)",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b(?:[A-Z][a-z]*[A-Z0-9]\w*|[A-Z]{2,}|\w+[._-]\w+)\b")

_PRONOUN = re.compile(r"\b(?:it|its|itself|they|them|their|theirs|he|him|his|she|her|hers)\b", re.IGNORECASE)
_EXPLETIVE = re.compile(
    r"\bit(?:'s|’s)?\s+(?:(?:is|was|be|really|still|also|ever|usually)\s+)*"
    r"(?:possible|allowed|ok|okay|necessary|required|mandatory|legal|safe|better|best|common|normal|important|"
    r"worth|hard|easy|difficult|feasible|fine|good|advisable|enough|true|correct|takes?|costs?|makes? sense|"
    r"matters?|means?)\b.{0,40}?\b(?:to|that|if|for|when|\w+ing)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[,;:]|\b(?:before|after|when|if|because|while|until|once|and|or|but|so|that|which|who|unless)\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\b(?:do|does|did|can|could|may|must|should|shall|will|would|are|is|were|was|when|if|why|have|has)\s+"
    r"(?:the\s+|an?\s+|all\s+|my\s+|our\s+|new\s+)?([^\W\d_]+)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\bthis\b(?!\s+(?:year|month|week|quarter|morning|company|site|website|service)\b)"
    r"|\bthese\b|\bthose\b(?!\s+(?:who|that|which|in|of|with)\b)"
    r"|(?:^\W*|\b(?:is|was|does|did|do|can|will|would|should|has|why|about|with|of|in|after|before|to|like|at|on|"
    r"for|from|by|than|and|or|if|how|doing|done)\s+)that\b(?!['’]?s? (?:the|an?|my|our|your)\b)"
    r"|\bsuch\b(?!\s+as\b)|\bones\b|\bone\b(?=\W*$|\s*[,;]|\s+(?:is|are|do|does|should|can)\b)"
    r"|\b(?:any|what|which|the|some|all)\s+others?\b|\belse\b|\bthe same\b(?!\s+(?:as|time)\b)"
    r"|\binstead\b(?!\s+of\b)|\b(?:latter|former|aforementioned|mentioned|previous|previously)\b"
    r"|\bthere\b(?=\W*$|\s*[,;])",
    re.IGNORECASE,
)
_ADDITIVE = re.compile(
    r"\b(?:also|too|as well|then|other|another|similar)\b(?!\s+(?:than|many|much|few|little)\b)",
    re.IGNORECASE,
)
_DEFINITE = re.compile(r"\bthe\s+(?=((?:[^\W_][\w'’.-]*\s*){1,3}))", re.IGNORECASE)


def needs_rewriting(question: str, turns: Sequence[Turn]) -> bool:
    """Whether `question` leans on `turns`: one that stands alone is searched for as it is, at no cost."""
    if not any(turn.role == "user" for turn in turns):
        return False
    plain = _COURTESY.sub("", question)
    own = len(_content(plain))
    if _refers(plain):
        return True
    if _SWITCH.match(plain):
        return False
    if _ELLIPTIC.match(plain):
        return True
    joined = _CONJUNCTION.match(plain)
    rest = plain[joined.end() :] if joined else plain
    if _FRAGMENT.match(rest) and not _ASKS.search(rest):
        return True
    if _says_too_little(rest, own, 3 if joined else 2):
        return True
    return own <= LOOSE_TERMS and (bool(_ADDITIVE.search(rest)) or _names_something_known(plain, turns))


def standalone_by_rule(question: str, earlier: Sequence[Turn]) -> str:
    """The question with the topic words of what it follows up in brackets; as it is if it stands alone.

    For search, without any model. A follow-up of a follow-up is led back to the question that both rest on.

    Args:
        question: what was asked now.
        earlier: the turns before it, oldest first.
    """
    if not needs_rewriting(question, earlier):
        return question
    known = {*terms(question)}
    carried: list[list[str]] = []
    left = MOST_WORDS
    for said in _followed(earlier):
        words = []
        for word in _topic_words(said):
            stems = set(terms(word))
            if left and not stems <= known:
                words.append(word)
                known |= stems
                left -= 1
        carried.insert(0, words)
    topic = " ".join(word for words in carried for word in words)
    return f"{question.strip()} ({topic})" if topic else question


def _followed(earlier: Sequence[Turn]) -> Iterator[str]:
    """The user's turns that a follow-up rests on, the last first, back to one that stands alone."""
    steps = 0
    for index in range(len(earlier) - 1, -1, -1):
        turn = earlier[index]
        if turn.role != "user" or not _content(turn.text):
            continue
        yield turn.text
        steps += 1
        if steps == MOST_STEPS or not needs_rewriting(turn.text, earlier[:index]):
            return


def _content(text: str) -> list[str]:
    """The terms of `text` that say what it is about."""
    return [term for word in _topic_words(text) for term in terms(word)[:1]]


def _topic_words(text: str) -> list[str]:
    words = (match.group() for match in _WORD.finditer(text))
    return [
        word for word in words if word.lower() not in _EMPTY and _bare(word) not in STOPWORDS and terms(word)
    ]


def _bare(word: str) -> str:
    """Without the ending of a contraction: `what's` is `what`, `don't` is `do`."""
    return re.sub(r"(?:n['’]t|['’]\w+)$", "", word.lower())


def _refers(question: str) -> bool:
    if _REFERENCE.search(question):
        return True
    expletive = {
        match.start() for match in _EXPLETIVE.finditer(question) if len(_content(question[match.end() :])) > 1
    }
    return any(
        match.start() not in expletive and not _resolved_within(question, match)
        for match in _PRONOUN.finditer(question)
    )


def _resolved_within(question: str, pronoun: re.Match[str]) -> bool:
    """Whether the question itself names what the pronoun means: in a clause before, or as its subject."""
    before = question[: pronoun.start()]
    if any(_content(before[: boundary.start()]) for boundary in _CLAUSE.finditer(before)):
        return True
    if pronoun.group().lower() not in ("its", "their", "his", "her"):
        return False
    return any(_content(subject.group(1)) for subject in _SUBJECT.finditer(before))


def _says_too_little(question: str, own: int, enough: int) -> bool:
    """Fewer than `enough` terms of its own; a name, or the question what something is, needs but one."""
    if own >= enough:
        return False
    return own == 0 or not (_DEFINITION.match(question) or _NAME.search(question))


def _names_something_known(question: str, turns: Sequence[Turn]) -> bool:
    """Whether a noun with 'the' is one that the last question or its answer spoke of."""
    last = next(index for index in range(len(turns) - 1, -1, -1) if turns[index].role == "user")
    known = {term for turn in turns[last:] for term in _content(turn.text)}
    return any(known.intersection(_content(match.group(1))) for match in _DEFINITE.finditer(question))
