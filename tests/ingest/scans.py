"""Scans: the pages of a PDF as pictures, as a scanner gives them."""

from __future__ import annotations

import io

import numpy as np
import pypdfium2 as pdfium
from PIL import Image


def scan_of(pdf: bytes, *, quarters: int = 0, crooked: float = 0.0, dots_an_inch: int = 120) -> bytes:
    """A PDF of the pictures of its pages, noisy and grey.

    The paper lay in the scanner turned clockwise by so many quarters, and by `crooked` degrees more.
    """
    document = pdfium.PdfDocument(pdf)
    noise = np.random.default_rng(0)
    pictures = []
    for page in document:
        drawn = page.render(scale=dots_an_inch / 72).to_pil().convert("L")
        drawn = drawn.rotate(-crooked, fillcolor=255, resample=Image.Resampling.BICUBIC)
        drawn = drawn.rotate(-90 * quarters, expand=True)
        grey = np.asarray(drawn) * 0.85 + 25 + noise.normal(0, 6, (drawn.height, drawn.width))
        pictures.append(Image.fromarray(grey.clip(0, 255).astype(np.uint8)))
    document.close()
    out = io.BytesIO()
    pictures[0].save(
        out, "PDF", save_all=True, append_images=pictures[1:], resolution=dots_an_inch, quality=60
    )
    return out.getvalue()
