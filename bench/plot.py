"""A picture of a result: one bar for each peer and workload, as SVG, which every browser shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Any

_BAR, _GAP, _LEFT, _WIDTH, _RIGHT = 18, 6, 170, 620, 110
_OURS, _OTHERS, _LIMIT = "#2f855a", "#a0aec0", "#edf2f7"


def bars(result: Mapping[str, Any]) -> str:
    """Return the picture of what `python -m bench` has measured: messages per second, medians."""
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
    size = f'width="{_LEFT + _WIDTH + _RIGHT}" height="{y}"'
    style = "font-family:sans-serif;font-size:12px;background:white"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{style}">\n' + "\n".join(rows) + "\n</svg>\n"


def _speeds(found: Mapping[str, Any]) -> Sequence[tuple[str, float, str]]:
    """Return name, messages per second and colour of every peer and limit."""
    rounds = found["rounds"]
    speeds = []
    for place, first in enumerate(rounds[0]):
        name = first["peer"]
        speed = median(measured[place]["messages_per_second"] for measured in rounds)
        speeds.append((name, speed, _OURS if name.startswith("Muniment") else _OTHERS))
    speeds += [(one["peer"], one["messages_per_second"], _OTHERS) for one in found["once"]]
    return [*speeds, *((name, speed, _LIMIT) for name, speed in found["limits"].items())]
