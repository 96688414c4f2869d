"""The rules of `rag/intent.py`, a table of data: each has a name, what it decides, and patterns.

`<word>` in a pattern stands for a line of `rag/intent_words.py`. The first rule that matches decides, so the
order is part of the meaning: what only looks like a request for whole documents stands first, and what sets
documents against each other stands before what gathers from many or shortens one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IntentKind = Literal["lookup", "comparison", "summary", "synthesis"]
"""A fact that a few passages hold; documents or versions against each other; one document whole; many."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Any of `patterns` makes a question one of `kind`."""

    name: str
    kind: IntentKind
    patterns: tuple[str, ...]


RULES = (
    Rule(
        "how to do something",
        "lookup",
        (
            r"\bhow (?:do|can|could|should|would|must) (?:i|we|you|one|users?)\b",
            r"\b(?:how|where) to\b",
            r"^wie (?:\w+ )?(?:ich|man|wir)\b",
            r"^comment (?:\w+(?:er|ir|re)|puis-je|peut-on|on)\b",
            r"^como (?:puedo|podemos|se|hago|comparo|resumo|\w+(?:ar|er|ir))\b",
        ),
    ),
    Rule(
        "two versions by number",
        "comparison",
        (
            r"<version>? ?v?\d+(?:\.\d+)* (?:and|to|vs\.?|versus|und|et|y) <version> v?\d",
            r"\b(?:rev|version|revision|issue) [a-z0-9.]{1,4} (?:and|to|vs\.?|versus|und|et|y|or)"
            r" (?:rev |version |revision |issue )?[a-z0-9.]{1,4}\b",
            r"\bv\d+(?:\.\d+)*\b<gap>\b(?:relative to|compared (?:to|with)|over|than|against|vs\.?) v\d",
            r"<docs> (?:of|from|for|von|de) (?:19|20)\d\d (?:and|or|to|und|et|y) (?:19|20)\d\d",
            r"(?:chang|differ|compar|new|geander|unterschied|cambi)<gap>\bv\d+(?:\.\d+)*"
            r" ?(?:and|to|vs\.?|versus|und|et|y|-) ?v?\d",
        ),
    ),
    Rule(
        "two states of a document",
        "comparison",
        (
            r"^(?=.*<relation>)(?=.*(?:<doc>|<version>)).*?<state>.{0,120}?<and>.{0,120}?<state>",
            r"(?:\bnew\b|chang|differ|remov|add|gone|missing|geander|cambi)<gap>\b(?:since|from|than|vs"
            r"|compared"
            r"|seit|depuis|desde)\b<gap>(?:previous|last|old|earlier|prior|vorig|letzt|precedent|ancien"
            r"|anterior)"
            r"[\w' ]*(?:<version>|<doc>|\bone\b)",
            r"(?:chang|modifi|geander|cambi)<gap>\b(?:between|zwischen|entre)\b<gap>(?:<version>|<docs>)",
            r"(?:chang|modifi|differ|geander|unterschied|cambi)<gap>\b(?:between|from|zwischen|entre)\b"
            r" the document<gap><and><gap>the document",
            r"\b(?:dropped|removed|deleted|added|changed)\b<gap><doc><gap>\bbetween\b",
            r"\b(?:added|removed|dropped|deleted|changed|new|different) in (?:the"
            r"|our) <state> <words>(?:<doc>|<version>)",
        ),
    ),
    Rule(
        "a number of documents, set against each other",
        "comparison",
        (
            r"^(?=.*(?:<relation>|\bwhich (?:ones?|of)\b|\bmore\b"
            r"|\bless\b)).*?<pair> (?:of )?(?:<the> )?<words>"
            r"(?:<docs>|<version>|<doc>)",
            r"\bwhich <words>(?:<doc>)<gap>\b(?:better|worse|more|less|\w+er|best)\b<gap>, [\w' ]{1,40} or\b",
        ),
    ),
    Rule(
        "named documents, set against each other",
        "comparison",
        (
            r"<start>(?:compare|comparing|comparison of|contrast|diff|redline|vergleich\w*|compare[rz]?"
            r"|compara)\b"
            r"<gap>(?:<docs>|<version>|<doc><gap><and><gap><doc>)",
            r"<the> <words><doc>(?!'s)<gap><strong>\w*<gap>(?:<the> <words><doc>|\b(?:old|new|other"
            r"|previous) one\b"
            r"|\bthe one\b|\bours\b|\btheirs\b)",
            r"<strong>\w*<gap><the> <words><doc><gap><and><gap>(?:<the> <words><doc>|\b(?:old|new"
            r"|other) one\b"
            r"|\bthe one\b|\bours\b|\btheirs\b)",
            r"<the> <words><doc><gap><and><gap><the> <words><doc>.*(?:differ|disagree|contradict|conflict)",
            r"<start>(?:compare|contrast)\b<gap><doc><gap>\b(?:with|to|against) (?:the one|that of|ours"
            r"|theirs|mine|last)\b",
            r"<the> <words>[\w-]+ (?:say )?(?:the )?(?:same as|consistent with|in line with|match|matches"
            r"|identical (?:to|with)"
            r"|deviates? from|differs? from|contradicts?|conflicts? with|agrees? with) <the> <words><doc>",
            r"<docs><gap>\bside by side\b",
            r"\bone <words><doc><gap>\bthe other\b|\b(?:facts"
            r"|what)\b<gap>\bone <words><summary>?.*\bthe other\b",
        ),
    ),
    Rule(
        "everything of a kind",
        "synthesis",
        (
            r"<start><collect><gap><all> \w",
            r"^all (?:the )?<words>\w+ (?:in|from|of) (?:<the> )?<words><doc>",
            r"\b(?:every|each) (?:place|mention|reference|occurrence|instance|passage)\b",
            r"\ball (?:the )?(?:places|mentions|references|occurrences|instances|passages)\b",
            r"<start><collect><gap>\b(?:in|from|across|within|aus|dans|en|de) <the> <words><docs>",
            r"\b(?:any|a|every) (?:mentions?|references?) (?:of|to)<gap><docs>",
            r"\b(?:count|number|breakdown|share) of <words><docs> (?:by|per)\b|\b(?:per|by) <doc>[?.! ]*$",
            r"\b(?:timeline|chronology|matrix|inventory|glossary|register)\b<gap><doc>",
        ),
    ),
    Rule(
        "which documents",
        "synthesis",
        (
            r"(?:^|[.?!] )(?:in |en |dans |a )?(?:which|welche[nr]?|quels|quelles"
            r"|que) (?:of (?:<the> )?)?<words>"
            r"(?:[\w']+ )?<docs>"
            r"(?! (?:(?:do|does|must|should|can) (?:i|we|you|one|a|an|the)\b|(?:have|has) (?:i|we|you|to)\b"
            r"|\w+ (?:ich|man)\b"
            r"|(?:are|is) (?:needed|required|necessary)|brauche|muss|faut|dois|necesito))",
            r"\bwelche (?:unserer|der) \w*<docs>",
            r"(?:^|[.?!] )(?:which|welche|quels|que) (?:of (?:<the> )?)?<words><parties>"
            r" (?:have|has|had|offer|require|demand|haben|ont|tienen)\b",
        ),
    ),
    Rule(
        "what documents say together",
        "synthesis",
        (
            r"<all>(?: of)? (?:<the> )?<words><docs><gap><says>",
            r"<says>? ?<all>(?: of)? (?:<the> )?<words><docs><gap>\b(?:zum|zu|uber|sur|sobre|about)\b",
            r"\b(?:what|how|where|if|whether) (?:do |are )?(?:our|your|my|the company's|the (?:various"
            r"|different|several"
            r"|individual)) <words><docs><gap><says>",
            r"<shorten> (?:what|how) (?:<the> )?<words><docs><gap><says>",
            r"<says> (?:unsere|nos|nuestras|nuestros) <words><docs>",
            r"\bwhat (?:do|did) <words>[\w-]+s (?:say|think|report|complain)\b<gap>\b(?:in"
            r"|across) <the> <words><docs>",
            r"\b(?:our|these|all|the) <words><docs> (?:\w+ ){0,2}(?:contradict|disagree|conflict|overlap)",
            r"\b(?:anything|something|everything|nothing) (?:in|from) (?:our|the|all|these) <words><docs>",
            r"\bhow many (?:of )?(?:our|the|these) <words><docs>",
            r"\bany <words><doc> (?:anywhere )?(?:that|which)\b",
            r"\b(?:where|what|how) do (?:<the> )?<words><docs> (?:all )?(?:dis)?agree\b",
        ),
    ),
    Rule(
        "across documents",
        "synthesis",
        (
            r"\b(?:across|throughout|among|anywhere in|from all|in all|(?:more than|at least) one of|all of"
            r"|none of|most of"
            r"|many of|several of"
            r"|uber alle|in allen|dans tou(?:te)?s|en tod[oa]s)\b(?: all"
            r"| of)*(?: <the>)? (?:[\w'-]+ ){0,3}?<docs>",
            r"\b(?:in|from|of|for|by) (?:each|every) (?:[\w'-]+ ){0,2}<doc>",
            r"(?:contradiction|inconsisten|discrepanc|conflict|overlap|widerspruch|contradiccion)\w*<gap>"
            r"\b(?:between|across|among|in|zwischen|entre)\b<gap><docs>",
            r"\b(?:\d{2,}|[6-9]|dozens of|hundreds of|ten|twelve|twenty) <words><docs>",
            r"<start>(?:go|read|look|search|comb|sift) (?:through|over)\b<gap><doc><gap>\b(?:and|for)\b",
            r"\b(?:total|combined|average|how many)\b<gap>\b(?:across|for|of|in) (?:all "
            r"|our )*(?:<the> )?<words>"
            r"(?:<docs>|<parties>)",
        ),
    ),
    Rule(
        "what recurs or develops",
        "synthesis",
        (
            r"<recurs><gap><docs>",
            r"<docs><gap><recurs>",
            r"\b(?:evolv|develop|chang|shift)\w* (?:over|across|through) (?:the |our )?<words>(?:<docs>"
            r"|\byears\b)",
            r"\bhow (?:has|have|did|does) <the><gap>(?:evolve|develop|change|shift)\w*<gap>"
            r"(?:\bover (?:time|the)\b|\bfrom (?:19|20)\d\d\b)",
        ),
    ),
    Rule(
        "a numbered part of a document",
        "lookup",
        (
            r"\b(?:section|clause|chapter|paragraph|article|page|appendix|annex|item|step|table|figure"
            r"|abschnitt"
            r"|kapitel|absatz|ziffer|seite|chapitre|paragraphe|clausula|capitulo|seccion|pagina)s?"
            r" (?:\d|[a-h]\b|[ivx]+\b)",
        ),
    ),
    Rule(
        "shorten it",
        "summary",
        (
            r"<start><shorten>\b(?! (?:how|why|when|what)\b)",
            r"<start>(?:outline|recap|digest) (?:the|this|that|our|my|last|yesterday)",
            r"\b(?:boil|condense|turn|put|get|fit|zusammen)\b<gap><doc><gap>(?:<length>|\bdown\b)",
            r"<doc><gap>\b(?:into|to|in|as) <length>",
            r"<start>brief (?:me|us)\b|<start>(?:break down|unpack|catch me up on|fill me in on"
            r"|walk me through|take me through)"
            r" <the> <words><doc>",
            r"\bzusammen(?:fassen)?\b",
        ),
    ),
    Rule(
        "a summary of it",
        "summary",
        (
            r"<start>(?:[\w-]+ ){0,2}<summary>(?: of| on| about| for| du| de| des| der| uber| vom| von| del"
            r"| please"
            r"| executif| ejecutivo| pls| plz| bitte|[.?!,:]|$)",
            r"<start>(?:\d+ |top )?(?:<main> )(?:\w+ )?<points>(?: of| in| from| des?| du| d'| der| del?"
            r"|[.?!]|$)",
            r"<start>(?:(?:wichtigsten|wesentlichen) )?<points> <main>\b",
            r"<start>(?:take-?aways|highlights|lessons|kernaussagen|kernpunkte)\b",
            r"\bwhat(?:'s|s| is) the (?:argument|thesis|message|thrust|upshot|conclusion) of (?:the|this"
            r"|that)"
            r" <words><doc>",
        ),
    ),
    Rule(
        "what it is about",
        "summary",
        (
            r"\bwhat(?:'s|s| is| are)? (?:this|that|the|these)<gap> (?:is |are )?about\b",
            r"\bwhat does (?:this|that|the) <words><doc> (?:\w+ )?say(?:,| in (?:short|brief)|\?|$)",
            r"\bwhat(?:'s|s| is) in (?:the|this|that|our|my) <words><doc>[?.! ]*$",
            r"\b(?:worum geht es|wovon handelt|was steht) (?:in|im)?\b<gap><doc>",
            r"\b(?:de quoi parle|de quoi traite|de que trata|de que va|de que habla)\b",
            r"<start>(?:explain|describe) the <words><doc>(?: to | for | like | in |[.?!,]|$)",
            r"\bwhat (?:happened|was (?:said|discussed|decided)) (?:in|at|during) <the> <words><doc>[?.! ]*$",
            r"\bwhat does (?:this|that) (?:[\w-]+ ){0,4}say[?.! ]*$",
            r"<points> (?:in|of|from) <the> <words><doc>(?:'s)? (?:is|are) (?:the )?(?:most )?(?:important"
            r"|relevant)",
            r"<start>(?:explain|describe|present) (?:this|that|the (?:whole|entire)) <words><doc>",
            r"<doc><gap>[.?!,] (?:any |your )?thoughts\b",
            r"\b(?:i|we) (?:need|have|should|ought|must) (?:to )?know (?:from|about"
            r"|of) <the> <words><doc>[?.! ]*$",
        ),
    ),
    Rule(
        "the whole of it",
        "summary",
        (
            r"<start>(?:explain|walk|take|talk|read|go|brief)\b<gap>\b(?:whole|entire|full|complete)\b",
            r"<short><gap><doc>",
            r"<doc><gap><short>",
            r"\b(?:everything|anything|all that is|all that's|what is|what's) (?:important|relevant"
            r"|noteworthy|worth"
            r" knowing)\b<gap><doc>",
            r"\b(?:have not|haven't|don't have|did not have|have no|no|nobody|no one|not the) (?:\w+ ){0,2}?"
            r"(?:time|read|reads)\b.*\b(?:need to know|have to know|should know|matters|important|main"
            r"|in short)\b",
        ),
    ),
)
