"""What a file is: its extension says what it claims, its first bytes say what it holds."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePath

from rag.definitions import CODE_ENDINGS
from rag.documents import CODE
from rag.errors import EmptySource, SourceDamaged, SourceEncrypted, UnsupportedFormat

PDF = "application/pdf"
MARKDOWN = "text/markdown"
HTML = "text/html"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
TEXT = "text/plain"

MEDIA_TYPES = {
    ".pdf": PDF,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".docx": DOCX,
    ".txt": TEXT,
    ".text": TEXT,
    ".rst": TEXT,
    ".log": TEXT,
    **dict.fromkeys(CODE_ENDINGS, CODE),
}
SUPPORTED = frozenset(MEDIA_TYPES)

_FORMAT_NAMES = {PDF: "a PDF", HTML: "an HTML page", DOCX: "a Word document (.docx)"}
_USUAL_EXTENSION = {PDF: ".pdf", HTML: ".html", DOCX: ".docx"}

# Formats that are recognised only to say what the file is.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh9", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf'\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"AT&TFORM", "a DjVu document"),
)
_ZIP_MEMBERS = (
    ("word/document.xml", DOCX, "a Word document (.docx)"),
    ("xl/workbook.xml", None, "an Excel workbook"),
    ("ppt/presentation.xml", None, "a PowerPoint presentation"),
    ("META-INF/container.xml", None, "an EPUB book"),
    ("content.xml", None, "an OpenDocument file"),
)
_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.I | re.S
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def extension_of(name: str) -> str:
    """The extension in lower case with its dot, or an empty string."""
    return PurePath(name).suffix.lower()


def media_type_of(name: str, data: bytes) -> str:
    """The media type by which the file is parsed, once its content agrees with its extension.

    Raises:
        EmptySource: no bytes, or only blank ones.
        UnsupportedFormat: the extension is not supported, or the content is of another format.
        SourceEncrypted: an Office file behind a password.
        SourceDamaged: the extension promises a PDF or a Word document and the content is neither.
    """
    if not data.strip(b"\x00 \t\r\n\x0c\xef\xbb\xbf\xff\xfe"):
        raise EmptySource("is empty")
    extension = extension_of(name)
    claimed = MEDIA_TYPES.get(extension)
    if claimed is None:
        raise UnsupportedFormat(
            f"{extension} files are not supported" if extension else "has no extension that tells its format",
            remedy=f"supported are {' '.join(sorted(SUPPORTED))}",
        )
    found, description = _held(data, extension)
    if found == claimed:
        return claimed
    if found == HTML and claimed == CODE:
        return claimed  # a template, such as of PHP, may begin as a page
    if found is not None:
        # Markdown and text may well begin with a little HTML, but not with a whole page.
        raise UnsupportedFormat(
            f"is named {extension} but holds {_FORMAT_NAMES[found]}",
            remedy=f"rename it to {_USUAL_EXTENSION[found]}",
        )
    if description is not None:
        raise UnsupportedFormat(f"is named {extension} but holds {description}", remedy=_remedy(description))
    if claimed == PDF:
        raise SourceDamaged("is not a PDF: it does not begin with %PDF", remedy="export or download it again")
    if claimed == DOCX:
        raise SourceDamaged(
            "is not a Word document: it is not a zip archive", remedy="open it in Word and save it as .docx"
        )
    return claimed


def _held(data: bytes, extension: str) -> tuple[str | None, str | None]:
    """The supported media type that the bytes show, else the name of another known format."""
    head = data[:4096]
    # Readers accept a PDF that begins after some junk; only a file named .pdf gets that benefit.
    if (
        (b"%PDF-" in head[:1024])
        if extension == ".pdf"
        else head.lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(b"%PDF-")
    ):
        return PDF, None
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _held_in_zip(data)
    if head.startswith(_OLE):
        _explain_ole(data, extension)
    for signature, description in _SIGNATURES:
        if head.startswith(signature):
            return None, description
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return None, "a WebP image"
    if head[4:8] == b"ftyp":
        return None, "a video or HEIC image"
    if _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")):
        return HTML, None
    return None, None


def _held_in_zip(data: bytes) -> tuple[str | None, str | None]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError, UnicodeError) as error:
        raise SourceDamaged(
            "is a zip archive that is cut off or damaged", remedy="copy or download it again"
        ) from error
    for member, media_type, description in _ZIP_MEMBERS:
        if member in names:
            return media_type, None if media_type else description
    return None, "a zip archive"


def _explain_ole(data: bytes, extension: str) -> None:
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise SourceEncrypted(
            "is protected by a password", remedy="open it, remove the password and save it again"
        )
    raise UnsupportedFormat(
        f"is named {extension} but holds an old Office file (such as .doc)",
        remedy="open it in Word and save it as .docx",
    )


def _remedy(description: str) -> str | None:
    if "archive" in description:
        return "unpack it first"
    if "image" in description:
        return "convert it to a PDF, whose pages are read by OCR"
    return None
