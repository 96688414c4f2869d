"""The documents that the browser tests ask about, and the questions whose answers they hold."""

from __future__ import annotations

from html import escape
from pathlib import Path

from reportlab.pdfgen import canvas

SAMPLE = Path(__file__).parents[2] / "data" / "library"
SAMPLE_FILES = (
    "sqlite-how-to-corrupt-a-database.html",
    "sudo-troubleshooting.md",
    "restic-removing-snapshots.html",
)

BACKUPS = "How many days are backups of the payroll database kept?"
BACKUPS_QUOTE = "Backups of the payroll database are kept for ninety days."
FESTIVAL = "Which drink is served at the summer festival?"
FESTIVAL_QUOTE = "At the summer festival only elderflower lemonade 🍋 is served as a drink."
PARKING = "Who assigns the parking places in the courtyard?"
PARKING_QUOTE = "The parking places in the courtyard are assigned by the porter."
SAMPLE_QUESTION = "Can I back up a database by copying the file while it is in use?"
UNKNOWN = "What is the airspeed velocity of an unladen swallow?"

HOSTILE_TITLE = '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>'
HOSTILE = "Who keeps the ledger of the lighthouse?"
HOSTILE_QUOTE = (
    "The ledger of the lighthouse is kept by <script>window.pwned=3</script> "
    'and by <img src=x onerror="window.pwned=4">.'
)

_HANDBOOK = f"""# Operations handbook

## Backups

{BACKUPS_QUOTE} The copies lie in a vault on another site.

Restores are tested on the first Monday of each month. The result of the test is filed by the night shift.

## Access

A new account needs the word of a team lead. Accounts of people who leave are closed on the same day.
"""

_FESTIVAL = f"""# Festivals 🎉🎉🎉

{"A paragraph full of joy 🎈🥳 and of flags 🏳️‍🌈. " * 40}

## Drinks 🍹

{FESTIVAL_QUOTE} The kitchen opens at noon.
"""

_HOSTILE = f"""<!doctype html><html><head><title>{escape(HOSTILE_TITLE)}</title></head><body>
<h1>{escape(HOSTILE_TITLE)}</h1>
<p>{escape(HOSTILE_QUOTE)} See <a href="javascript:window.pwned=5">javascript:window.pwned=5</a>.</p>
</body></html>"""


def write_library(folder: Path) -> list[Path]:
    """Write the documents and return their paths, with those of the sample library that go along."""
    folder.mkdir(parents=True)
    texts = {"handbook.md": _HANDBOOK, "festivals.md": _FESTIVAL, "lighthouse.html": _HOSTILE}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    _write_pdf(folder / "house-rules.pdf")
    return [folder, *(SAMPLE / name for name in SAMPLE_FILES)]


def _write_pdf(path: Path) -> None:
    pages = [
        ["The front door is locked at nine in the evening.", "The bell rings for the whole house."],
        [PARKING_QUOTE, "A place that is not used for a month goes back."],
        ["Bicycles stand in the shed behind the house."],
    ]
    drawing = canvas.Canvas(str(path), invariant=1)
    drawing.setTitle("House rules")
    for lines in pages:
        for index, line in enumerate(lines):
            drawing.drawString(72, 720 - 40 * index, line)
        drawing.showPage()
    drawing.save()
