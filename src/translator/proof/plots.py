"""Plots of differences as inline SVG, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

FLOOR = -18
"""The exponent that a difference of zero is drawn at."""
ROW, LEFT, WIDTH = 18, 260, 900
MOST = 150
"""How many bars are drawn: around the first large one where there are more."""


def exponent(value: float) -> float:
    """The power of ten that a difference is drawn at; what cannot be measured stands at the end."""
    if math.isinf(value) or math.isnan(value):
        return 2.0
    return min(2.0, max(FLOOR, math.log10(value))) if value > 0 else float(FLOOR)


def bars(layers: Sequence[tuple[str, float]], tolerance: float) -> str:
    """One bar for each part, in the order of the calls."""
    first = next((i for i, (_, gap) in enumerate(layers) if gap > tolerance), 0)
    start = max(0, min(first - MOST // 2, len(layers) - MOST))
    shown = layers[start : start + MOST]
    height = ROW * len(shown) + 24
    out = [_svg(height, "Relative difference of what each part returns")]
    out += _axis(height - 20, tolerance)
    for i, (path, gap) in enumerate(shown):
        y, end = i * ROW, _x(exponent(gap))
        kind = "wrong" if gap > tolerance else "right"
        out.append(
            f'<g><title>{escape(path)}: {gap:.2e}</title><text x="{LEFT - 6}" y="{y + 13}" text-anchor="end">'
            f'{escape(_short(path))}</text><rect class="{kind}" x="{LEFT}" y="{y + 3}" '
            f'width="{max(1.0, end - LEFT):.1f}" height="{ROW - 6}"/></g>'
        )
    note = f"<p>{len(layers) - len(shown)} more parts are not drawn</p>" if len(layers) > len(shown) else ""
    return "".join([*out, "</svg>", note])


EXPECTED = ", expected"
"""The end of the name of a group whose differences decide nothing."""


def histogram(groups: Mapping[str, Sequence[float]], tolerance: float) -> str:
    """For each group a row of its differences: how many stand at each power of ten, by the size of the dots."""
    height = ROW * 1.6 * len(groups) + 24
    out = [_svg(height, "How large the differences are, by kind")]
    out += _axis(height - 20, tolerance)
    for i, (name, values) in enumerate(groups.items()):
        y = (i + 0.5) * ROW * 1.6
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(name)} ({len(values)})</text>')
        counts: dict[int, int] = {}
        for value in values:
            place = round(exponent(value) * 2)
            counts[place] = counts.get(place, 0) + 1
        for place, count in sorted(counts.items()):
            kind = "wrong" if place / 2 > math.log10(tolerance) else "right"
            kind = "listed" if name.endswith(EXPECTED) else kind
            radius = 3 + 7 * math.sqrt(count / len(values))
            out.append(
                f'<circle class="{kind}" cx="{_x(place / 2):.1f}" cy="{y:.1f}" r="{radius:.1f}">'
                f"<title>{count} near 1e{place / 2:g}</title></circle>"
            )
    return "".join([*out, "</svg>"])


def _svg(height: float, label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'


def _axis(bottom: float, tolerance: float) -> list[str]:
    out = []
    for power in range(FLOOR, 3, 2):
        x = _x(power)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{bottom:.1f}"/>')
        text = "0" if power == FLOOR else f"1e{power}"
        out.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{text}</text>')
    x = _x(math.log10(tolerance))
    out.append(f'<line class="limit" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{bottom:.1f}"/>')
    return out


def _x(power: float) -> float:
    return LEFT + (power - FLOOR) / (2 - FLOOR) * (WIDTH - LEFT - 30)


def _short(path: str) -> str:
    return path if len(path) <= 36 else "..." + path[-33:]
