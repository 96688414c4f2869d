"""The letters of a page that OCR read. It knows the places of lines; a letter gets its share of its line."""

from __future__ import annotations

from array import array

from rag.pictures.marks import Box, Letters
from rag.scanned import ScannedLine, ScannedPage

LINE_END = ord("\n")


def letters_of_scan(page: ScannedPage) -> Letters:
    """The lines as letters, each as wide as the others of its line."""
    codes, boxes = array("I"), array("f")
    for line in page.lines:
        width = (line.right - line.left) / max(len(line.text), 1)
        for index, letter in enumerate(line.text):
            codes.append(ord(letter))
            left = line.left + index * width
            boxes.extend(_box(page, line, left, left + width))
        codes.append(LINE_END)
        boxes.extend((0.0, 0.0, 0.0, 0.0))
    return Letters(page.width, page.height, codes, boxes)


def _box(page: ScannedPage, line: ScannedLine, left: float, right: float) -> Box:
    """Around a part of a line, as the page is shown: left, top, right, bottom."""
    middle = (left + right) / 2
    # Corners of a line that runs downhill would make the box as high as its neighbours: its middle does not.
    (x, y), (up_x, up_y), (side_x, side_y) = (
        page.shown(middle, (line.top + line.bottom) / 2),
        page.shown(middle, line.top),
        page.shown(right, (line.top + line.bottom) / 2),
    )
    across = max(abs(up_x - x), abs(side_x - x))
    down = max(abs(up_y - y), abs(side_y - y))
    return x - across, y - down, x + across, y + down
