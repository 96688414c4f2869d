"""OCR: words read right on scans of the sample library's PDFs, and seconds a page: python -m bench.ocr

Pages are drawn at 200 dots an inch, laid in askew, greyed, made noisy and compressed; what they say is known
from the PDFs. Peer, where it is installed: Tesseract on the same pictures. Words count without their order.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pypdfium2 as pdfium

from ingest.parsing import parse_bytes
from ingest.parsing.ocr import read_page
from ingest.parsing.pdf_scans import lines_of
from tests.ingest.scans import scan_of

LIBRARY = Path(__file__).parents[1] / "data" / "library"
OF_EACH = 4
DOTS_AN_INCH = 200
_WORD = re.compile(r"\w+")


@dataclass
class Sums:
    """Of one reader over all pages."""

    seconds: list[float] = field(default_factory=list)
    right: int = 0
    said: int = 0
    there: int = 0

    def add(self, text: str, truth: str, seconds: float) -> None:
        said, there = (Counter(_WORD.findall(each.lower())) for each in (text, truth))
        self.right += (said & there).total()
        self.said += said.total()
        self.there += there.total()
        self.seconds.append(seconds)

    def row(self, name: str) -> str:
        found, true = self.right / self.there, self.right / max(self.said, 1)
        return f"| {name} | {found:.4f} | {true:.4f} | {statistics.median(self.seconds):.1f} |"


def main() -> None:
    ours, peer = Sums(), Sums()
    tesseract = shutil.which("tesseract")
    with tempfile.TemporaryDirectory(prefix="citebox-bench-ocr-") as folder:
        read_page(_scan(Path(folder), _single(LIBRARY / "debian-faq.pdf", 5), 0.0), 1)  # loads the models
        for number, (page, truth) in enumerate(pages()):
            path = _scan(Path(folder), page, crooked=(-0.8, -0.3, 0.4, 0.7)[number % 4])
            started = time.perf_counter()
            read = read_page(path, 1)
            text = "\n".join(line.text for line in lines_of(read))
            ours.add(text, truth, time.perf_counter() - started)
            if tesseract:
                picture = path.with_suffix(".png")
                with pdfium.PdfDocument(path) as document:
                    document[0].render(scale=DOTS_AN_INCH / 72).to_pil().save(picture)
                started = time.perf_counter()
                ran = subprocess.run(
                    [tesseract, str(picture), "-", "--dpi", str(DOTS_AN_INCH)],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                peer.add(ran.stdout, truth, time.perf_counter() - started)
    print(f"{len(ours.seconds)} pages, {ours.there} words")
    print("| reader | words that were read | of what was read, right | seconds a page, median |")
    print("|---|---|---|---|")
    print(ours.row("Citebox (RapidOCR, PP-OCRv6)"))
    if tesseract:
        version = subprocess.run([tesseract, "--version"], check=True, capture_output=True, text=True).stdout
        print(peer.row(f"{version.split(chr(10))[0]} (peer)"))


def pages() -> Iterator[tuple[bytes, str]]:
    """Pages of the library's PDFs, evenly taken, each with what it says."""
    for path in sorted(LIBRARY.glob("*.pdf")):
        count = len(parse_bytes(path.read_bytes(), path.name).pages)
        for index in range(OF_EACH):
            page = _single(path, (2 * index + 1) * count // (2 * OF_EACH))
            with pdfium.PdfDocument(page) as document:
                truth = document[0].get_textpage().get_text_range()
            if truth.strip():
                yield page, truth


def _single(path: Path, index: int) -> bytes:
    """One page as a PDF of its own."""
    with pdfium.PdfDocument(path) as document, pdfium.PdfDocument.new() as single:
        single.import_pages(document, [index])
        target = Path(tempfile.mkstemp(suffix=".pdf")[1])
        try:
            single.save(target)
            return target.read_bytes()
        finally:
            target.unlink()


def _scan(folder: Path, page: bytes, crooked: float) -> Path:
    path = folder / "page.pdf"
    path.write_bytes(scan_of(page, crooked=crooked, dots_an_inch=DOTS_AN_INCH))
    return path


if __name__ == "__main__":
    main()
