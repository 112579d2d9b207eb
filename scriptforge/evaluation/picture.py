"""A profile as a picture: a band for the range of people's pages, and the model's means inside or outside it.

Each figure has its own scale, chosen so that people's range has the same position and width in every row. The
picture is a self-contained SVG without scripts, legible on a light and on a dark background. The same profile
gives the same bytes.
"""

from html import escape

from scriptforge.characters import shown
from scriptforge.evaluation.page import Measure
from scriptforge.evaluation.profile import Figure, Profile

_WIDTH, _MARGIN = 790, 20
_TOP, _ROW, _BOTTOM = 92, 24, 46
_LANE, _LANE_WIDTH = 300, 330
"""Left end and width of the scales, in units of the picture."""

_REACH = 1.5
"""How far the scale extends on either side of people's range, in widths of that range."""

_BAND = _LANE_WIDTH / (1 + 2 * _REACH)
_LOW = _LANE + _REACH * _BAND
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}"
    ".title{font-size:18px;font-weight:bold}.quiet{fill:#57606a;font-size:12px}"
    ".ground{fill:#fff}.band{fill:#3b82c4;opacity:.16}.rule{stroke:#8a8f98;opacity:.3}"
    ".people{stroke:#3b82c4;stroke-width:2}.within{fill:#3b82c4}.outside{fill:#c4702b}"
    "text.outside{fill:#a85a1c}"
    "@media(prefers-color-scheme:dark){text{fill:#c9d1d9}.quiet{fill:#8b949e}.ground{fill:#0d1117}"
    ".band{opacity:.3}text.outside{fill:#e0952f}}"
)


def draw_profile(profile: Profile, title: str) -> str:
    """Return a profile as SVG.

    Args:
        profile: the profile to draw.
        title: the title, such as the name of the run; may be untrusted text.
    """
    title, rows = shown(title), profile.rows
    height = _TOP + len(rows) * _ROW + _BOTTOM
    middle, bottom = _LOW + _BAND / 2, _TOP + len(rows) * _ROW
    summary = (
        f"{100 * profile.share_within:.0f} % of what a reader notices on a page of {profile.lines} lines"
        " is as on pages of people"
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' aria-label="{escape(title)}: {summary}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
        _text(_MARGIN, 34, title, "title"),
        _text(_MARGIN, 56, summary, "quiet"),
        _text(middle, _TOP - 10, "nine pages of ten of people", "quiet", "middle"),
        _text(_WIDTH - _MARGIN, _TOP - 10, "model (people)", "quiet", "end"),
        f'<rect class="band" x="{_LOW:.1f}" y="{_TOP}" width="{_BAND:.1f}" height="{bottom - _TOP}"/>',
    ]
    for number, (measure, figure) in enumerate(rows):
        lines += _row(measure, figure, _TOP + number * _ROW + _ROW / 2)
    legend = "line: the mean page of people · dot: the mean page of the model · triangle: further out"
    return "\n".join([*lines, _text(_MARGIN, bottom + 26, legend, "quiet"), "</svg>"]) + "\n"


def _row(measure: Measure, figure: Figure, y: float) -> list[str]:
    """Return the SVG elements of one figure, drawn at height `y`."""
    state = "within" if figure.is_within else "outside"
    values = f"{measure.shown(figure.model)} ({measure.shown(figure.people)})"
    people = _LANE + _LANE_WIDTH * _place(figure, figure.people)
    drawn = [
        _text(_MARGIN, y + 4, measure.label),
        f'<path class="rule" d="M{_LANE} {y:.1f}h{_LANE_WIDTH}"/>',
        f'<path class="people" d="M{people:.1f} {y - 6:.1f}v12"/>',
        _text(_WIDTH - _MARGIN, y + 4, values, state, "end"),
    ]
    if figure.model is None:
        return drawn
    place = _place(figure, figure.model)
    x = _LANE + _LANE_WIDTH * place
    if 0 < place < 1:
        return [*drawn, f'<circle class="{state}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>']
    tip = 7 if place == 1 else -7
    return [*drawn, f'<path class="{state}" d="M{x + tip:.1f} {y:.1f}l{-2 * tip} -6v12z"/>']


def _place(figure: Figure, value: float) -> float:
    """Return the position of a value on the scale of its figure, clamped to 0 to 1."""
    if figure.low == figure.high:
        return 0.5 + ((value > figure.low) - (value < figure.low)) / 2
    bands = (value - figure.low) / (figure.high - figure.low)
    return min(max((bands + _REACH) / (1 + 2 * _REACH), 0.0), 1.0)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
