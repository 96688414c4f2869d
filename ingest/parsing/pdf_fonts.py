"""Where words end in fonts that have no space: TeX and others move the pen instead of drawing one."""

from __future__ import annotations

from typing import Any

from pypdf import PageObject
from pypdf.generic import ArrayObject, DictionaryObject, NumberObject

SPACE = 32


def forget_false_spaces(page: PageObject) -> None:
    """Give glyph 32 of composite fonts no width, so that pypdf falls back to its usual width of a space.

    In a composite font with identity encoding (PDF 32000-1, 9.7.4) the number 32 names some glyph, not the
    space. pypdf takes that glyph's width for the width of a space all the same; where it is a wide one,
    the gaps between words look too narrow to be spaces and whole lines come out as one word.
    """
    for font in _fonts(page):
        if font.get("/Subtype") != "/Type0" or not str(font.get("/Encoding")).startswith("/Identity"):
            continue
        for descendant in _array(font.get("/DescendantFonts")):
            widths = _resolved(descendant.get("/W")) if isinstance(descendant, DictionaryObject) else None
            if isinstance(widths, ArrayObject) and list(widths[-2:]) != _NO_WIDTH:
                widths.extend(_NO_WIDTH)


_NO_WIDTH = [NumberObject(SPACE), ArrayObject([NumberObject(0)])]


def _fonts(page: PageObject) -> list[DictionaryObject]:
    resources = _resolved(page.get("/Resources"))
    fonts = _resolved(resources.get("/Font")) if isinstance(resources, DictionaryObject) else None
    if not isinstance(fonts, DictionaryObject):
        return []
    return [font for value in fonts.values() if isinstance(font := _resolved(value), DictionaryObject)]


def _array(value: Any) -> list[Any]:
    resolved = _resolved(value)
    return [_resolved(item) for item in resolved] if isinstance(resolved, ArrayObject) else []


def _resolved(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value
