"""Text from the picture of a PDF's page: PDFium draws it, RapidOCR with PP-OCRv6 reads it.

Both are native code on untrusted files, so this runs in the parser's process only (`ingest.workers`).
https://rapidai.github.io/RapidOCRDocs
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.ocr_order import in_reading_order
from rag.scanned import ScannedLine, ScannedPage, turned

LONGEST_SIDE = 2000
"""Pixels of the drawn page: A4 at 171 dots an inch. The reader makes larger pictures smaller by itself."""
INK = 0.0002
"""Part of a page's pixels that must be dark before anything is sought on it."""
DARK = 170
COVERED = 0.5
"""Part of a page that pictures must cover for it to be scanned although it has letters: a stamp, say."""
CELLS = 40
"""In which a page is divided, each way, to see what pictures cover."""
FORMS = 5
"""Levels of forms within forms in which pictures are looked for."""
SURE = 0.8
"""Mean score of the lines below which the page may lie on its side or on its head."""
CROOKED = 0.05
"""Degrees below which a page stands straight."""
FEWEST = 5
"""Lines that must agree before a page is said to be crooked."""

Picture = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read on one picture: boxes are four corners each, in points from the middle of the picture."""

    quarters: int
    texts: Sequence[str]
    scores: Sequence[float]
    corners: np.ndarray[Any, np.dtype[np.float64]]

    @property
    def worth(self) -> float:
        """Letters that were read surely and upright: of four ways to hold a page, one has most."""
        letters = zip(self.texts, self.scores, strict=True)
        return sum(len(text) * max(score - 0.5, 0) for text, score in letters) if self._upright else 0.0

    @property
    def sure(self) -> bool:
        letters = sum(map(len, self.texts))
        if not letters:
            return True  # nothing is there to be turned
        mean = sum(len(t) * s for t, s in zip(self.texts, self.scores, strict=True)) / letters
        return mean >= SURE and self._upright

    @property
    def _upright(self) -> bool:
        """Whether lines are wider than high; the reader reads others too, but in a wrong order."""
        wide = np.linalg.norm(self.corners[:, 1] - self.corners[:, 0], axis=1)
        high = np.linalg.norm(self.corners[:, 3] - self.corners[:, 0], axis=1)
        long = [len(text) > 4 for text in self.texts]
        return not any(long) or bool(np.mean((high > wide)[long]) < 0.5)


def read_page(path: Path, number: int) -> ScannedPage:
    """What is written on the picture that page `number` (from 1) is.

    Raises:
        pdfium.PdfiumError: PDFium cannot draw it.
    """
    with pdfium.PdfDocument(path) as document:
        page = document[number - 1]
        width, height = page.get_size()
        drawn = _draw(page, width, height)
    if float(np.mean(drawn.min(axis=2) < DARK)) < INK:
        return ScannedPage(number, width, height, 0.0, ())
    points = height / drawn.shape[0]
    read = _read(drawn, 0, points)
    if not read.sure:
        others = (_read(np.rot90(drawn, -quarters), quarters, points) for quarters in (1, 3, 2))
        read = max((read, *others), key=lambda one: one.worth)
    return _page(number, width, height, read)


def is_scan(path: Path, number: int) -> bool:
    """Whether pictures cover most of a page, so that what it has in letters is not what one reads there.

    Raises:
        pdfium.PdfiumError: PDFium cannot read it.
    """
    with pdfium.PdfDocument(path) as document:
        page = document[number - 1]
        width, height = page.get_size()
        covered = np.zeros((CELLS, CELLS), dtype=bool)
        for item in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=FORMS):
            left, bottom, right, top = _on_page(item)
            across = slice(_cell(left / width), _cell(right / width))
            covered[slice(_cell(bottom / height), _cell(top / height)), across] = True
    return bool(covered.mean() >= COVERED)


def _on_page(item: Any) -> tuple[float, float, float, float]:
    """The bounds of an object, which are those in the form that it is drawn in: left, bottom, right, top."""
    bounds = item.get_bounds()
    form = item.container
    while form is not None:
        bounds = form.get_matrix().on_rect(*bounds)
        form = form.container
    left, bottom, right, top = bounds
    return left, bottom, right, top


def _cell(share: float) -> int:
    """Which cell of a page a place falls in, from the left or from the bottom; those outside at its edge."""
    return round(min(max(share, 0.0), 1.0) * CELLS)


def _draw(page: Any, width: float, height: float) -> Picture:
    """The page as red, green and blue; forms are left out, as they are what scripts in a PDF work on."""
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise pdfium.PdfiumError("the page has no size")
    bitmap = page.render(scale=LONGEST_SIDE / max(width, height), may_draw_forms=False)
    try:
        return np.array(bitmap.to_pil().convert("RGB"))
    finally:
        bitmap.close()


def _read(drawn: Picture, quarters: int, points: float) -> _Read:
    """The picture as it is read; `points` is the side of a pixel, `quarters` how it was turned before."""
    found = _engine()(np.ascontiguousarray(drawn[:, :, ::-1]))
    if found.boxes is None or not len(found.boxes):
        return _Read(quarters, (), (), np.zeros((0, 4, 2)))
    middle = np.array([drawn.shape[1] / 2, drawn.shape[0] / 2])
    corners = (np.asarray(found.boxes, dtype=np.float64) - middle) * points
    return _Read(quarters, found.txts, found.scores, corners)


def _page(number: int, width: float, height: float, read: _Read) -> ScannedPage:
    crooked = _skew(read)
    lines = []
    for text, corners in zip(read.texts, read.corners, strict=True):
        straight = [turned(x, y, -crooked) for x, y in corners]
        xs, ys = [x for x, _ in straight], [y for _, y in straight]
        # The mean of the two highest corners, and of the two lowest: boxes of long lines are askew.
        top, bottom = sum(sorted(ys)[:2]) / 2, sum(sorted(ys)[2:]) / 2
        lines.append(ScannedLine(text, *(round(float(side), 2) for side in (min(xs), top, max(xs), bottom))))
    turn = round(90 * read.quarters - crooked, 3)
    return ScannedPage(number, width, height, turn, tuple(in_reading_order(lines)))


def _skew(read: _Read) -> float:
    """By how many degrees, clockwise, the lines run down: the median of the longer half of them."""
    if len(read.texts) < FEWEST:
        return 0.0
    edges = read.corners[:, 1] - read.corners[:, 0]
    lengths = np.linalg.norm(edges, axis=1)
    longer = edges[lengths >= np.median(lengths)]
    angle = median(math.degrees(math.atan2(y, x)) for x, y in longer)
    return float(angle) if CROOKED <= abs(angle) <= 20 else 0.0


@cache
def _engine() -> Any:
    """RapidOCR with the models that its package carries; which way up a page is, is found out above.

    Lines are sought on a smaller picture and read one by one, as a batch is as wide as its longest line: half
    the time, and as many words right (docs/benchmarks.md, OCR).
    """
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Det.limit_type": "max",
            "Det.limit_side_len": 1280,
            "Rec.rec_batch_num": 1,
        }
    )
