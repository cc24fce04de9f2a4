"""Charts as SVG text: columns in groups, and bars in groups.  Nothing here knows what is measured.

Each brings its own background and follows the reader's choice of light or dark, so that it reads well on any page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; } .quiet { fill: #59636e; font-size: 12px; } .strong { font-weight: 600; }
.paper { fill: #ffffff; } .ours { fill: #0969da; } .other { fill: #a3adb8; }
.line { stroke: #d1d9e0; fill: none; } .spread { stroke: #1f2328; stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .paper { fill: #0d1117; } .ours { fill: #4493f8; }
  .other { fill: #656c76; } .line { stroke: #3d444d; } .spread { stroke: #f0f6fc; }
}
""".strip()

WIDTH, MARGIN = 760, 24
PLOT_HEIGHT, TOP, BOTTOM = 240, 92, 36
ROW, LETTER_WIDTH, FIGURE_WIDTH = 22, 7.2, 150


@dataclass(frozen=True)
class Bar:
    """One value with its spread.  says: what is written beside it."""

    name: str
    value: float
    low: float
    high: float
    says: str
    is_ours: bool


@dataclass(frozen=True)
class Group:
    """Bars that are compared with each other.  below: lines under its name."""

    name: str
    bars: Sequence[Bar]
    below: Sequence[str] = ()


def figure(value: float) -> str:
    """Three digits, or more where they stand before the point."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def columns(title: str, unit: str, groups: Sequence[Group]) -> str:
    """Groups side by side, values upwards."""
    height = TOP + PLOT_HEIGHT + BOTTOM + 16 * max(len(group.below) for group in groups)
    top = _round_up(max(bar.high for group in groups for bar in group.bars))
    base = TOP + PLOT_HEIGHT
    parts = [*_frame(title, height), *_legend(groups[0].bars), _text(MARGIN, TOP - 16, unit, "quiet")]
    for step in range(5):
        value = top * step / 4
        y = base - PLOT_HEIGHT * step / 4
        parts.append(f'<path class="line" d="M{MARGIN + 44} {y:.1f}H{WIDTH - MARGIN}"/>')
        parts.append(_text(MARGIN + 36, y + 4, f"{value:,.4g}", "quiet", "end"))
    share = (WIDTH - 2 * MARGIN - 44) / len(groups)
    for number, group in enumerate(groups):
        middle = MARGIN + 44 + share * (number + 0.5)
        width = min(64.0, share * 0.7 / len(group.bars))
        left = middle - width * len(group.bars) / 2
        for place, bar in enumerate(group.bars):
            scale = PLOT_HEIGHT / top
            x = left + place * width
            parts.append(_box(x + 2, base - bar.value * scale, width - 4, bar.value * scale, bar))
            parts.append(_spread_upright(x + width / 2, base - bar.high * scale, base - bar.low * scale))
            parts.append(_text(x + width / 2, base - bar.high * scale - 6, bar.says, "strong" * bar.is_ours, "middle"))
        parts.append(_text(middle, base + 20, group.name, "strong", "middle"))
        for line, text in enumerate(group.below):
            parts.append(_text(middle, base + 38 + 16 * line, text, "quiet", "middle"))
    return _svg(height, title, parts)


def bars(title: str, unit: str, groups: Sequence[Group]) -> str:
    """Groups one below the other, each with a scale of its own, values to the right."""
    height = 66 + sum(34 + ROW * len(group.bars) for group in groups) + 12
    parts = [*_frame(title, height), _text(MARGIN, 52, unit, "quiet")]
    y = 66.0
    name_width = 8 + LETTER_WIDTH * max(len(bar.name) for group in groups for bar in group.bars)
    room = WIDTH - 2 * MARGIN - name_width - FIGURE_WIDTH
    for group in groups:
        parts.append(_text(MARGIN, y + 18, group.name, "strong"))
        y += 28
        scale = room / max(bar.high for bar in group.bars)
        left = MARGIN + name_width
        for bar in group.bars:
            parts.append(_text(left - 8, y + 15, bar.name, "strong" * bar.is_ours, "end"))
            parts.append(_box(left, y + 3, bar.value * scale, ROW - 6, bar))
            parts.append(_spread_level(y + ROW / 2, left + bar.low * scale, left + bar.high * scale))
            parts.append(_text(left + bar.high * scale + 8, y + 15, bar.says, "strong" * bar.is_ours))
            y += ROW
        y += 6
    return _svg(height, title, parts)


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
        f'role="img" aria-label="{escape(title)}">\n<style>\n{STYLE}\n</style>\n{body}\n</svg>\n'
    )


def _frame(title: str, height: float) -> Iterator[str]:
    yield f'<rect class="paper" width="{WIDTH}" height="{height:g}" rx="8"/>'
    yield _text(MARGIN, 32, title, "title")


def _legend(shown: Sequence[Bar]) -> Iterator[str]:
    x = float(MARGIN)
    for bar in shown:
        yield _box(x, 46, 12, 12, bar)
        yield _text(x + 18, 57, bar.name)
        x += 44 + 6.4 * len(bar.name)


def _box(x: float, y: float, width: float, height: float, bar: Bar) -> str:
    shade = "ours" if bar.is_ours else "other"
    return f'<rect class="{shade}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"/>'


def _spread_upright(x: float, top: float, bottom: float) -> str:
    ends = f"M{x - 4:.1f} {top:.1f}h8M{x - 4:.1f} {bottom:.1f}h8"
    return f'<path class="spread" d="M{x:.1f} {top:.1f}V{bottom:.1f}{ends}"/>'


def _spread_level(y: float, left: float, right: float) -> str:
    ends = f"M{left:.1f} {y - 4:.1f}v8M{right:.1f} {y - 4:.1f}v8"
    return f'<path class="spread" d="M{left:.1f} {y:.1f}H{right:.1f}{ends}"/>'


def _text(x: float, y: float, text: str, shade: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{shade}" text-anchor="{anchor}">{escape(text)}</text>'


def _round_up(value: float) -> float:
    """The next number that quarters well."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= value)
