"""Which characters may enter the stored text: what a reader can see, encodable as UTF-8."""

from __future__ import annotations

import re

# Ligatures are typography: a search for "office" has to find "oﬃce".
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_LINE_BREAKS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_SPACES = "\u00a0\u202f\u2007\u2000-\u2006\u2008-\u200a\u205f"
# Soft hyphens, zero-width marks, direction controls and tag characters are invisible: they hide
# instructions from the person who reads the citation, and they break words for search.
_INVISIBLE = (
    "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
_CONTROLS = "\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"

_BREAK = re.compile(rf"\r\n?|[{_LINE_BREAKS}]")
_SPACE = re.compile(rf"[{_SPACES}]")
_DROP = re.compile(rf"[{_INVISIBLE}{_CONTROLS}]")
_LIGATURE = re.compile(f"[{''.join(_LIGATURES)}]")
_RUN = re.compile(r"\s+")


def clean(text: str) -> str:
    """Keep what can be seen: line ends become LF, odd spaces become spaces, the invisible goes.

    Characters are not otherwise normalised (no NFC), so that a quote matches the file's own letters.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _BREAK.sub("\n", text)
    text = _SPACE.sub(" ", text)
    text = _DROP.sub("", text)
    return _LIGATURE.sub(lambda found: _LIGATURES[found[0]], text)


def one_line(text: str) -> str:
    """The text cleaned and on one line: for headings, titles, table cells and error messages."""
    return _RUN.sub(" ", clean(text)).strip()


_JUNK_TITLE = re.compile(
    r"""^(
        \(?(untitled|anonymous|unspecified).* | unknown | title
      | document\d* | dokument\d* | no\ title | none | null | n/a
      | microsoft\ (word|powerpoint|excel)\b.* | (slide|page|sheet|layout)\s*\d+ | powerpoint\ .*
      | [a-z]:\\.* | /.* | file:.* | .*\.(docx?|pdf|tex|dvi|ps|html?|pptx?|xlsx?|indd|qxd|rtf|odt|txt|md)
      | \W* | .
    )$""",
    re.IGNORECASE | re.VERBOSE,
)


def usable_title(candidate: object, limit: int = 200) -> str | None:
    """The candidate when it names a document; None when it is what a program left there by default."""
    title = one_line(candidate) if isinstance(candidate, str) else ""
    return None if len(title) > limit or _JUNK_TITLE.match(title) else title
