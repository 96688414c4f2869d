"""The process that runs PDFium: native code on untrusted files, so it is confined and may die at any time.

It reads requests from standard input and writes replies to standard output. Each is a frame: two lengths,
a JSON object, and bytes. What it says is data to its parent and nothing else: a pickle from here would let
a file that takes over PDFium take over the service as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import math
import os
import resource
import signal
import struct
import sys
from array import array
from typing import Any, BinaryIO

LENGTHS = struct.Struct("!IQ")
MEMORY_LIMIT = 2 << 30
"""Bytes of address space; a file that needs more is not drawn."""
MOST_PIXELS = 16_000_000
LONGEST_SIDE = 8_000
MOST_LETTERS = 200_000
ALARM_SECONDS = 20
"""Ends the process even inside of native code, should its parent be gone and not do it."""
_DEVICE = 1_000_000


class Refused(Exception):
    """Why there is no picture; `code` is `no_page` or `failed`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def main() -> None:
    """Serve until the input ends."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # a library that prints must not end up in a reply
    import pypdfium2 as pdfium

    _confine()
    documents: dict[str, Any] = {}
    _send(sink, {"ready": pdfium.PDFIUM_INFO.version}, b"")
    while (request := _receive(source)) is not None:
        asked, body = request
        signal.alarm(ALARM_SECONDS)
        try:
            told, made = _answer(documents, asked, body)
        except Refused as error:
            told, made = {"error": error.code, "detail": str(error)}, b""
        except MemoryError:
            told, made = {"error": "failed", "detail": "it takes more memory than there is for one page"}, b""
        except Exception as error:  # a file may break PDFium in any way
            told, made = {"error": "failed", "detail": f"PDFium cannot draw it ({type(error).__name__})"}, b""
        signal.alarm(0)
        _send(sink, told, made)


def _confine() -> None:
    """Little memory, no new files, no core dumps, lower priority; Ctrl-C is for the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    limits = ((resource.RLIMIT_AS, MEMORY_LIMIT), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for kind, limit in limits:
        _, hard = resource.getrlimit(kind)
        wanted = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(ValueError, OSError):  # not every system knows each of them
            resource.setrlimit(kind, (wanted, wanted))


def _answer(documents: dict[str, Any], asked: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    import pypdfium2 as pdfium

    key = asked.get("key", "")
    match asked["do"]:
        case "nothing":
            return {}, b""
        case "open":
            documents[key] = pdfium.PdfDocument(body)
            return {"pages": len(documents[key])}, b""
        case "close":
            documents.pop(key).close()
            return {}, b""
    document = documents[key]
    if not 1 <= asked["page"] <= len(document):
        raise Refused("no_page", f"the document has {len(document)} pages")
    page = document[asked["page"] - 1]
    try:
        width, height = page.get_size()
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise Refused("failed", "the page has no size")
        if asked["do"] == "draw":
            return {}, _draw(page, width, height, asked["width"])
        return {}, array("d", (width, height)).tobytes() + _letters(page)
    finally:
        page.close()


def _draw(page: Any, width: float, height: float, wanted: int) -> bytes:
    """The page as PNG, `wanted` pixels wide, or less where that would be too many pixels."""
    scale = min(
        wanted / width, LONGEST_SIDE / width, LONGEST_SIDE / height, math.sqrt(MOST_PIXELS / width / height)
    )
    # Forms are left out: they are what scripts in a PDF work on.
    bitmap = page.render(scale=scale, may_draw_forms=False)
    try:
        with io.BytesIO() as made:
            bitmap.to_pil().convert("RGB").save(made, "PNG", compress_level=4)
            return made.getvalue()
    finally:
        bitmap.close()


def _letters(page: Any) -> bytes:
    """The code of each letter, then the box of each: left, top, right, bottom, as fractions of the page."""
    import pypdfium2.raw as c

    across, down, shift_x, shift_y = _to_picture(page)
    text = page.get_textpage()
    try:
        count = min(text.count_chars(), MOST_LETTERS)
        codes, boxes = array("I"), array("f")
        for index in range(count):
            codes.append(c.FPDFText_GetUnicode(text, index))
            left, bottom, right, top = text.get_charbox(index, loose=True)
            xs = [across[0] * x + across[1] * y + shift_x for x, y in ((left, bottom), (right, top))]
            ys = [down[0] * x + down[1] * y + shift_y for x, y in ((left, bottom), (right, top))]
            boxes.extend((min(xs), min(ys), max(xs), max(ys)))
    finally:
        text.close()
    return codes.tobytes() + boxes.tobytes()


def _to_picture(page: Any) -> tuple[tuple[float, float], tuple[float, float], float, float]:
    """From the page's own coordinates to fractions of the picture; the page may be turned or cropped."""
    import pypdfium2.raw as c

    def at(x: float, y: float) -> tuple[float, float]:
        column, row = ctypes.c_int(), ctypes.c_int()
        c.FPDF_PageToDevice(page, 0, 0, _DEVICE, _DEVICE, 0, x, y, column, row)
        return column.value / _DEVICE, row.value / _DEVICE

    side = 1000.0
    (x0, y0), (x1, y1), (x2, y2) = at(0, 0), at(side, 0), at(0, side)
    return ((x1 - x0) / side, (x2 - x0) / side), ((y1 - y0) / side, (y2 - y0) / side), x0, y0


def _receive(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    head = source.read(LENGTHS.size)
    if len(head) < LENGTHS.size:
        return None
    told, body = LENGTHS.unpack(head)
    return json.loads(source.read(told)), source.read(body)


def _send(sink: BinaryIO, told: dict[str, Any], body: bytes) -> None:
    words = json.dumps(told).encode()
    sink.write(LENGTHS.pack(len(words), len(body)) + words)
    sink.write(body)
    sink.flush()


if __name__ == "__main__":
    main()
