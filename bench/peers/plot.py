"""The plot of a comparison: for each set, how much of the proofs each system finds, as an SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

Bar = tuple[str, float, float]
"""System and search, recall@3 from 0 to 1, and median milliseconds."""

WIDTH, LABEL, LINE, GAP = 860, 330, 22, 46
BARS = 380
OURS, THEIRS = "#2b6cb0", "#a0aec0"


def plot(sets: Mapping[str, Sequence[Bar]], ours: str = "Citebox") -> str:
    """One panel a set, one bar a system; the bar is recall@3, the milliseconds stand at its end."""
    height = sum(GAP + LINE * len(bars) for bars in sets.values()) + 10
    title = "recall@3 by system (the median milliseconds of a search at the end of each bar)"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{title}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    top = 0
    for name, bars in sets.items():
        parts.append(f'<text x="8" y="{top + 28}" font-weight="bold">{escape(name)}: {title}</text>')
        top += GAP - 6
        for label, recall, ms in bars:
            colour = OURS if label.startswith(ours) else THEIRS
            width = recall * BARS
            parts += [
                f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(label)}</text>',
                f'<rect x="{LABEL}" y="{top + 2}" width="{width:.1f}" height="{LINE - 6}" fill="{colour}"/>',
                f'<text x="{LABEL + width + 6:.1f}" y="{top + 14}">{recall:.3f}, {ms:.0f} ms</text>',
            ]
            top += LINE
        top += 6
    return "\n".join([*parts, "</svg>", ""])
