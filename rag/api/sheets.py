"""Tables as CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence

from fastapi.responses import StreamingResponse

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""What a cell that a spreadsheet may run begins with: https://owasp.org/www-community/attacks/CSV_Injection"""


def csv_reply(name: str, head: Sequence[str], rows: AsyncIterator[Iterable[object]]) -> StreamingResponse:
    """The rows as a file to be saved; every cell is text that does nothing."""

    async def lines() -> AsyncIterator[str]:
        yield "\ufeff" + _line(head)  # or Excel takes it for Latin-1
        async for row in rows:
            yield _line(row)

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _line(cells: Iterable[object]) -> str:
    sink = io.StringIO()
    csv.writer(sink, quoting=csv.QUOTE_ALL).writerow([_cell(cell) for cell in cells])
    return sink.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
