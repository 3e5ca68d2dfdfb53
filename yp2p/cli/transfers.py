"""What is sent and received, as a table: a line a file and device."""

from __future__ import annotations

from typing import Any

from yp2p.cli.options import size_text
from yp2p.cli.rates import left_text
from yp2p.cli.table import table


def transfer_table(status: dict[str, Any], most: int) -> list[str]:
    """The lines of a table, and how many more there are; nothing where nothing is on its way."""
    transfers = status["transfers"]
    if not transfers:
        return []
    has_several = len(status["folders"]) > 1
    rows = [
        [one["direction"], _what(one, has_several=has_several), one["device"], _done(one),
         f"{size_text(one['bytes_per_s'])}/s", left_text(one["seconds_left"])]
        for one in transfers[:most]
    ]  # fmt: skip
    found = table(["On its way", "File", "Device", "Done", "Rate", "Left"], rows, right=("Done", "Rate", "Left"))
    if len(transfers) > most:
        found.append(f"and {len(transfers) - most:,} more (`yp2p status --json` lists all)")
    return found


def _what(one: dict[str, Any], *, has_several: bool) -> str:
    name = one["path"] or f"{one['files']:,} {one['kind']}"
    return f"{one['folder']}: {name}" if has_several else name


def _done(one: dict[str, Any]) -> str:
    done = size_text(one["bytes_done"])
    return done if one["bytes_total"] is None else f"{done} of {size_text(one['bytes_total'])}"
