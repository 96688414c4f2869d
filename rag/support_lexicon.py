"""Word lists by which sentences are compared: function words, negators, opposites, words that widen a claim.

English, German and Spanish in one list each, since their words rarely clash.
"""

from __future__ import annotations

from rag.sparse import STOPWORDS

FUNCTION_WORDS = {
    "english": STOPWORDS,
    "german": frozenset(
        "der die das den dem des ein eine einen einem einer eines und oder ist sind wird werden wurde "
        "im in am an auf aus bei bis für mit nach von vom zu zum zur über um als auch dass es er sie "
        "wenn wer man sich noch diese dieser dieses dürfen darf kann können muss müssen soll vor hat "
        "haben".split()
    ),
    "spanish": frozenset(
        "el la los las un una unos unas de del y o en es son por para con que se su sus al lo le no "
        "como más a ha han ser está están hay cada".split()
    ),
}
LIGHT_WORDS = frozenset(
    "also any both each either else even further get got just let like made make may might must need "
    "one other own same shall since so still then thus used use using very via well yet within upon "
    "however therefore because while whereas though although first whether every all only per".split()
)
NEGATORS = frozenset(
    "not no never none neither nor without nobody nothing nowhere hardly lack lacks lacking unless "
    "impossible unable forbidden forbids prohibited prohibits banned disallowed fail fails failed "
    "unwise inadvisable discouraged unencrypted nicht kein keine keinen keiner keinem nie niemals "
    "ohne verboten unzulässig nunca sin ninguno ninguna jamás tampoco prohibido".split()
)
_OPPOSITES = """
before prior beforehand advance ahead precede preceding vorher antes
    | after afterwards following danach nach después
increase increased increases raise raised grow grows rise rises
    | decrease decreased decreases lower lowered reduce reduced reduces fall falls drop dropped
minimum least mindestens mínimo | maximum most höchstens spätestens máximo
above over exceed exceeds more greater larger longer higher | below under fewer less smaller shorter lower
include includes included including | exclude excludes excluded omit omits omitted excluding
enable enabled enables | disable disabled disables
later newer | earlier older
latest newest | oldest earliest
long | short
accept accepted accepts approve approved approves | reject rejected rejects refuse refused refuses postponed
start starts started begin begins began continue continues | stop stops stopped end ends ended
keep keeps kept retain | delete deletes deleted lose lost
true | false
faster quicker | slower
same | different
local locally | remote
permanent permanently | temporary temporarily
common | rare
required mandatory | optional
plain | encrypted
commit committed | rolled
together | separately
public publicly | private privately
valid | invalid
"""
OPPOSITES = tuple(
    (frozenset(left.split()), frozenset(right.split()))
    for left, right in (pair.split("|") for pair in _OPPOSITES.replace("\n    ", " ").strip().splitlines())
)
_ALL = (
    "all every any everyone anyone everything entire whole alle alles jede jeder jedes todos todas cualquier"
)
WIDENING = tuple(
    (frozenset(words.split()), frozenset(f"{words} {as_good}".split()))
    for words, as_good in (
        (_ALL, "each"),
        ("always immer siempre", "all every any whenever"),
        ("must muss müssen debe", "shall need needs require requires required have has should may only"),
        ("only nur solo exclusively", "just alone solely but other"),
        ("completely guaranteed permanently never", "not no fully totally"),
    )
)
"""Words that widen a claim, each with those that license them in the cited text."""
