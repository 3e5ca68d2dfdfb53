"""Tables for people: columns as wide as what is in them, two spaces between."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from yp2p.printable import printable

_GAP = "  "


def width(text: str) -> int:
    """How many cells of a terminal a text takes: wide characters two, marks none (Unicode annex 11)."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in printable(text)
    )


def writer_text(devices: Sequence[str], names: Sequence[str]) -> str:
    """Who wrote something: the devices, and who edited by name there."""
    return ", ".join(devices) + (f" ({', '.join(names)})" if names else "")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> list[str]:
    """Lines of a table.

    Args:
        right: the headers of those columns that hold numbers.
    """
    cells = [list(header), *map(list, rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        line = []
        for column, text in enumerate(row):
            room = " " * (widths[column] - width(text))
            line.append(room + text if header[column] in right else text + room)
        lines.append(_GAP.join(line).rstrip())
    return lines
