"""Charts of results as SVG: bars for peers, lines for series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Any

_BAR, _GAP, _LEFT, _WIDTH, _RIGHT = 18, 6, 170, 620, 110
_MARGIN, _HEIGHT = 12, 60
_OURS, _OTHERS, _LIMIT = "#2f855a", "#a0aec0", "#edf2f7"


def bars(result: Mapping[str, Any]) -> str:
    """Return a chart of the results of `python -m bench`: median messages per second."""
    rows: list[str] = []
    y = 30
    for found in result["results"]:
        speeds = _speeds(found)
        longest = max(speed for _, speed, _ in speeds)
        rows.append(f'<text x="8" y="{y}" font-weight="bold">{escape(found["workload"])}, messages/s</text>')
        y += 12
        for name, speed, colour in speeds:
            width = max(1, round(_WIDTH * speed / longest))
            middle = y + _BAR - 5
            rows.append(f'<text x="{_LEFT - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>')
            rows.append(f'<rect x="{_LEFT}" y="{y}" width="{width}" height="{_BAR}" fill="{colour}"/>')
            rows.append(f'<text x="{_LEFT + width + 6}" y="{middle}">{speed:,.0f}</text>')
            y += _BAR + _GAP
        y += 30
    return _svg(rows, y)


def lines(series: Mapping[str, Sequence[tuple[float, float]]], below: str, *, logarithmic: bool = False) -> str:
    """Return one small chart per series of points, stacked vertically; `below` labels the horizontal axis.

    Every vertical axis starts at 0, so that a flat line looks flat.
    """
    rows: list[str] = []
    y = 30
    for name, points in series.items():
        top = max((value for _, value in points), default=0) or 1
        scale = math.log10 if logarithmic else float
        xs = [scale(x) for x, _ in points]
        span = (max(xs) - min(xs)) or 1
        path = " ".join(
            f"{_MARGIN + _WIDTH * (x - min(xs)) / span:.1f},{y + _HEIGHT - _HEIGHT * value / top:.1f}"
            for x, (_, value) in zip(xs, points, strict=True)
        )
        rows += [
            f'<text x="{_MARGIN}" y="{y - 6}">{escape(name)}</text>',
            f'<line x1="{_MARGIN}" y1="{y + _HEIGHT}" x2="{_MARGIN + _WIDTH}" y2="{y + _HEIGHT}" stroke="{_OTHERS}"/>',
            f'<polyline points="{path}" fill="none" stroke="{_OURS}" stroke-width="2"/>',
            f'<text x="{_MARGIN + _WIDTH + 6}" y="{y + 10}">{top:,.4g}</text>',
            f'<text x="{_MARGIN + _WIDTH + 6}" y="{y + _HEIGHT}">0</text>',
        ]
        y += _HEIGHT + 32
    ends = [min((x for points in series.values() for x, _ in points), default=0)]
    ends.append(max((x for points in series.values() for x, _ in points), default=0))
    rows.append(f'<text x="{_MARGIN}" y="{y}">{ends[0]:,.4g} to {ends[1]:,.4g} {escape(below)}</text>')
    return _svg(rows, y + 20)


def _svg(rows: Sequence[str], height: int) -> str:
    size = f'width="{_LEFT + _WIDTH + _RIGHT}" height="{height}"'
    style = "font-family:sans-serif;font-size:12px;background:white"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{style}">\n' + "\n".join(rows) + "\n</svg>\n"


def _speeds(found: Mapping[str, Any]) -> Sequence[tuple[str, float, str]]:
    """Return the name, messages per second and colour of each peer and limit."""
    rounds = found["rounds"]
    speeds = []
    for place, first in enumerate(rounds[0]):
        name = first["peer"]
        speed = median(measured[place]["messages_per_second"] for measured in rounds)
        speeds.append((name, speed, _OURS if name.startswith("Muniment") else _OTHERS))
    speeds += [(one["peer"], one["messages_per_second"], _OTHERS) for one in found["once"]]
    return [*speeds, *((name, speed, _LIMIT) for name, speed in found["limits"].items())]
