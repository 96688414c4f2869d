"""A folder as people have them: good documents, and every kind of broken one."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from tests.ingest import files
from tests.ingest.scans import scan_of

ANSWER = "The library of the Wren office closes at nine in the evening."
QUESTION = "When does the library of the Wren office close?"

GOOD = {
    "handbook.md": f"# Wren handbook\n\n{ANSWER}\n\n## Loans\n\nA loan lasts four weeks.\n".encode(),
    "faq.html": b"<html><head><title>Questions</title></head><body><h1>Questions</h1>"
    b"<p>Lost keys are reported to the porter at once.</p></body></html>",
    "memo.docx": files.docx_report(title="Leave policy"),
    "notes.txt": b"The minutes are kept in the blue cabinet.\n",
    "report.pdf": files.pdf_report(),
    "half-scanned.pdf": files.pdf_of_texts(["A page of words about the cellar of the Wren office.", ""]),
    "scan.pdf": scan_of(files.pdf_of_texts(["The seal of the Wren office is kept in the iron safe."])),
    "deep/er/notes.txt": b"The second minutes are kept in the red cabinet.\n",
}


def scanned() -> bytes:
    """A PDF whose only page is a picture."""
    out = io.BytesIO()
    drawing = canvas.Canvas(out)
    drawing.drawImage(ImageReader(Image.new("RGB", (60, 80), "white")), 0, 0, 500, 700)
    drawing.showPage()
    drawing.save()
    return out.getvalue()


# The file, and words that its reason must hold.
BROKEN = {
    "cut.pdf": (files.pdf_report()[:1500], ""),
    "empty.txt": (b"", "empty"),
    "encrypted.pdf": (files.pdf_encrypted("secret"), "password"),
    "huge.txt": (b"words " * 200_000, "RAG_MAX_FILE_MB"),
    "no-pdf.pdf": (b"<html><body>not found</body></html>", ""),
    "picture.md": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, ""),
    "scanned.pdf": (scanned(), "text"),
    "word-as-text.txt": (files.docx_of("Words."), ""),
}
MAX_FILE_MB = "1"


def make(folder: Path) -> Path:
    """Write the good and the broken files, and a few that no one would want to ingest."""
    for name, data in GOOD.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, (data, _) in BROKEN.items():
        (folder / name).write_bytes(data)
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / ".hidden.md").write_text("hidden")
    return folder
