"""The vocabulary of `rag/intent_rules.py`: what people call documents, their states, and asking for them.

Everything is lower case without accents, as questions are when they are read. English is fullest; German,
French and Spanish have the main words.
"""

from __future__ import annotations

_DOCUMENTS = """
document doc pdf report manual contract policy guide guideline paper whitepaper book handbook playbook
runbook agreement lease tender filing 10-k 10k 10-q 10q specification spec proposal offer bid quotation
draft entwurf study thesis dissertation transcript statement article by-law bylaw regulation licence license
brochure leaflet booklet catalogue prospectus postmortem post-mortem memo memorandum standard faq readme
notice letter email e-mail source sop rfp rfi rfq msa sla nda dpa mou deck presentation briefing dossier
template translation newsletter charter statute directive audit evaluation appraisal review survey interview
meeting call ticket complaint submission sheet syllabus purchase_order
job_description board_pack case_file user_story
rapport contrat manuel reglement accord devis convention courrier dossier avenant offre
informe contrato politica guia acuerdo acta convenio oferta documento pliego poliza
"""
_ONLY_ONE = """
minutes guidance constitution protocol strategy terms notes act thing text
(?:discharge|executive|management)_summary
(?:recovery|business|action|project|continuity|care|strategic)_plan
\\w*(?:dokument|bericht|vertrag|handbuch|richtlinie|leitfaden|gutachten|satzung|angebot|protokoll|vereinbarung
|entwurf|ordnung|konzept|vertrage?s|berichte?s|handbuche?s)
politique directive proces-verbal compte_rendu articulo informacion
"""
_ONLY_MANY = """
policies studies theses
release_notes meeting_notes responses entries quejas reclamaciones plaintes beschwerden
\\w*(?:dokumenten?|berichten?|vertragen?|handbuchern?|richtlinien|angeboten?|protokollen?
|vereinbarungen|entwurfen?|unterlagen|interviews|umfragen|gutachten)
politiques manuales comptes_rendus polizas encuestas enquetes
"""


def _any_of(words: str) -> str:
    return "|".join(words.replace("\n|", "|").split()).replace("_", " ")


_ONE = f"{_any_of(_DOCUMENTS)}|{_any_of(_ONLY_ONE)}"
_MANY = "|".join(f"{word}s" for word in _any_of(_DOCUMENTS).split("|")) + "|" + _any_of(_ONLY_MANY)

VOCABULARY: dict[str, str] = {
    # One document or more; several documents.
    "doc": rf"\b(?:{_ONE}|{_MANY})\b",
    "docs": rf"\b(?:{_MANY})\b",
    # Those who have documents, where the question means the documents of each.
    "parties": r"\b(?:suppliers|vendors|customers|clients|tenants|partners|contractors|subsidiaries|branches"
    r"|lieferanten|kunden|fournisseurs|clients|proveedores|clientes)\b",
    # Where a request can begin, and the courtesies before its verb.
    "start": r"(?:^|[.?!;:,] )(?:(?:hi|hello|ok|so|now|and|please|pls|plz|kindly|just|quickly|briefly|yes"
    r"|(?:can|could|would|will) (?:you|u|someone|somebody|anyone)|(?:can|could|may) i (?:get|have)"
    r"|i(?:'d| would) like|i want|i need|we need|you to|to|let's|give|get|show|write|make|prepare|create"
    r"|draft"
    r"|tell|me|us|a|an|the|some|what(?:'s|s| is| are)"
    r"|schreibe?|erstelle?|mach|redigez?|redige|escribe|prepara|elabora|bitte|mal|kurz|kurze|kannst du"
    r"|konnen sie|ich brauche|gib|mir|uns|was (?:ist|sind)|die|der|das|den"
    r"|eine[nr]?|ein|peux-tu|pouvez-vous|fais|faire|faites|donne|donner|donnez|moi|nous|il me faut|un|une"
    r"|le|la"
    r"|les|quels?|quelles?|sont|est|puedes|podrias|por favor|haz|hazme|dame|necesito|quiero|cuales|cual|son"
    r"|es"
    r"|los|las|el)[ ,]+){0,8}",
    # Within one sentence, and a few words that begin no phrase of their own.
    "gap": r"(?:[^.?!]|[.](?=\d)){0,120}?",
    "words": r"(?:(?!(?:in|of|under|by|from|for|with|on|and|a|an)\b)[\w'-]+ ){0,4}?",
    "the": r"(?:the|these|those|this|that|our|my|your|both|its|(?<!what)(?<!that)(?<!let)(?<!it)\b[\w-]+'s"
    r"|der|die|das"
    r"|den|dem|unsere[nrm]?|le|la|les|l'|nos|ces|notre|el|los|las|nuestr[oa]s?|estos|estas)",
    "pair": r"\b(?:two|three|four|five|2|3|4|5|both|beiden?|zwei|drei|vier|deux|trois|quatre|dos|tres"
    r"|cuatro|ambos"
    r"|ambas)\b",
    # One of several states of a document, and what joins two of them.
    "state": r"\b(?:old|older|new|newer|previous|earlier|former|prior|last year's|this year's|current"
    r"|latest|revised"
    r"|updated|amended|original|signed|final|first|second|draft|translation|template|english|german|french"
    r"|spanish"
    r"|(?:19|20)\d\d|alten?|neuen?|vorige[nr]?|fruhere[nr]?|entwurf|entwurfs|endfassung|ancien|ancienne"
    r"|nouveau"
    r"|nouvelle|precedente?|actuel|actuelle|antigu[oa]|nuev[oa]|anterior|actual)\b",
    "and": r"\b(?:and|or|vs|versus|from|than|against|with|to|as|that|und|gegenuber|zu|mit|als|von|vom|et|a"
    r"|avec"
    r"|que|de|del|y|con)\b",
    "version": r"\b(?:versions?|editions?|revisions?|rev|issues|\w*fassung(?:en)?|ausgaben?|version(?:en|es)"
    r"|edicion(?:es)?)\b",
    # Words that set one thing against another; `strong` ones say nothing else.
    "strong": r"(?:\bdiffer(?!ence between an? )|\bdisagree|\bcontradict|\bconflict|\bdeviat|\bmatch"
    r"|\bsame as\b"
    r"|\bidentical|\bsimilar|\bhow far apart|\bdistingu|\bconsistent with|\bside by side|\bredline"
    r"|\bcontrast|\bdelta\b|\bline up"
    r"|\bdiff\b"
    r"|\bconform to|\bunterschied|\bunterscheid|\bvergleich|\babweich|\bwidersprech|\bidentisch|\bdifferen"
    r"|\bdiffer"
    r"|\bcontredi|\bidentique|\bdiverge|\bdifier|\bdiferenc|\bcontradic|\bidentic|\bcomparison\b"
    r"|\bcomparaison\b)",
    "relation": r"(?:<strong>|\b(?:vs|versus|same|new in|agree|removed|add|added|missing|lacks?|dropped"
    r"|stricter"
    r"|cheaper|better|leaves? out|left out)\b|chang|compar|geander|anderung|modifi|cambi)",
    # What a document, or all of them, can do with a subject.
    "says": r"\b(?:say|says|tell|mention|mentions|contain|contains|cover|covers|address|addresses|state"
    r"|define|require"
    r"|requires|treat|handle|talk|speak|refer|regulate|discuss|describe|deal|include|includes|allow|forbid"
    r"|prohibit"
    r"|sagen|enthalten|erwahnen|regeln|disent|mentionnent|contiennent|prevoient|dicen|mencionan|contienen"
    r"|establecen)\b",
    "all": r"\b(?:all|every|each|any|everything|everywhere|samtliche[nr]?|alle[nr]?|jede[nrs]?|tous|toutes"
    r"|chaque"
    r"|tod[oa]s|cada)\b",
    "collect": r"\b(?:list|find|collect|gather|enumerate|extract|compile|identify|show|name|pull out|tabulate"
    r"|list out|all|every|give|liste|nenne|nennen|finde|suche|sammle|zeige|enumere|enumerer|liste[rz]?"
    r"|trouve[rz]?"
    r"|releve[rz]?|donne|cite[rz]?|enumera|lista|encuentra|recopila|busca|extrae)\b",
    "recurs": r"\b(?:recurring|recurrent|in common|(?:keep|keeps) (?:coming|cropping|popping) up|come up"
    r"|comes up"
    r"|crop up|crops up|again and again|repeatedly|most (?:often|frequently|frequent|common|commonly|about)"
    r"|about most"
    r"|common (?:problems|issues|causes|complaints|threads?)|themes|patterns|trends|immer wieder|haufigsten"
    r"|reviennent|revient|recurrents?|le plus souvent|recurrentes?|se repiten?|con mas frecuencia)\b",
    # A whole in few words, by verb and by noun; and what it consists of.
    "shorten": r"\b(?:sum+[ae]r+[iy]+[sz]e|sum+[ae]r+[iy][sz]ing|sum up|condense|boil|abridge|shorten"
    r"|distil+|compress"
    r"|simplify|tl;?dr|fass|fasse|fassen|zusammenfass\w*|resume[rz]?|resume-moi|resumez-moi|resumir|resumeme"
    r"|sintetiza)\b",
    "summary": r"\b(?:sum+[ae]ry|sum+[ae]ries|synopsis|overview|gist|outline|abstract|recap|tl;?dr|digest"
    r"|essence"
    r"|run-?down|bullets|bullet points|essentials|basics|nuts and bolts|key terms|big picture|cliff ?notes"
    r"|one-pager|highlights|talking points|upshot|short version|short of it"
    r"|(?:kurz)?zusammenfassung|uberblick|ubersicht|kurzfassung|resume|synthese|apercu|resumen|sintesis)\b",
    "main": r"\b(?:main|key|major|central|essential|core|principal|biggest|most (?:important|relevant"
    r"|significant)"
    r"|wichtigsten?|wesentlichen?|zentralen?|principaux|principales|essentiels?|essentielles|cles|principales"
    r"|clave)\b",
    "points": r"\b(?:points?(?! of contact)|ideas|findings|take-?aways|arguments?|conclusions?|messages?"
    r"|results"
    r"|lessons|thesis|thrust|punkten?|aussagen?|ergebnissen?|inhalten?|kernpunkte|idees|conclusions|resultats"
    r"|puntos|ideas|conclusiones|resultados)\b",
    # How short it should be, or that all of it is meant.
    "short": r"\b(?:up to speed|big picture|nutshell|in short|in brief|in essence|essentially|overall"
    r"|as a whole"
    r"|in general|short version|plain (?:english|language|words)|simple (?:terms|words|language)"
    r"|layman's terms"
    r"|im wesentlichen|im kern|kurz gesagt|in kurze|en bref|en gros|pour l'essentiel|en resumen"
    r"|en pocas palabras"
    r"|en general)\b",
    "length": r"(?:\b(?:half an? |one |two |three |four |five |six |eight |ten |twelve |a |an |a few "
    r"|single |\d+ )[ -]?(?:\w+[ -])?(?:page|pages|pager"
    r"|paragraphs?"
    r"|sentences?|bullets?|bullet points|lines|words|slides?|minutes)\b|\btalking points\b"
    r"|\bbullet points\b)",
}
