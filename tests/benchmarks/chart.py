"""Stacked bars of a breakdown, as SVG that is readable on light and dark backgrounds."""

from html import escape

from benchmarks.results import Breakdown, figure_text

COLOURS = ("#8a8f98", "#2f6fb5", "#e0952f", "#b8541a", "#6aa5dd", "#5a9e6f")
"""A colour for each part: blues for the LSTM, oranges for the scores."""
WIDTH, MARGIN, BAR, GAP = 760, 16, 22, 26
TOP = 64
VALUE_WIDTH = 84
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.ground{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}}"
)


def stacked_bars(breakdown: Breakdown) -> str:
    """Return a bar for each contender, as long as its parts together, below a legend of the parts."""
    names = list(breakdown.parts)
    scale = (WIDTH - 2 * MARGIN - VALUE_WIDTH) / max(map(breakdown.whole, names))
    bars = [_bar(breakdown, name, scale, TOP + place * (BAR + GAP) + 16) for place, name in enumerate(names)]
    height = TOP + len(names) * (BAR + GAP) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(breakdown.title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        *_legend(list(breakdown.parts[names[0]])),
        *(line for bar in bars for line in bar),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend(parts: list[str]) -> list[str]:
    """Return squares in the parts' colours with their names, three per line."""
    lines = []
    for place, (part, colour) in enumerate(zip(parts, COLOURS, strict=False)):
        x, y = MARGIN + (place % 3) * 210, MARGIN + (place // 3) * 20
        lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="{y + 11}">{escape(part)}</text>')
    return lines


def _bar(breakdown: Breakdown, name: str, scale: float, y: int) -> list[str]:
    """Return a contender's name, its parts side by side, and their sum."""
    lines = [f'<text x="{MARGIN}" y="{y - 5}">{escape(name)}</text>']
    x = float(MARGIN)
    for cost, colour in zip(breakdown.medians(name).values(), COLOURS, strict=False):
        lines.append(f'<rect x="{x:.1f}" y="{y}" width="{cost * scale:.1f}" height="{BAR}" fill="{colour}"/>')
        x += cost * scale
    total = f"{figure_text(breakdown.whole(name))} {breakdown.unit}"
    lines.append(f'<text x="{x + 8:.1f}" y="{y + 16}">{escape(total)}</text>')
    return lines
