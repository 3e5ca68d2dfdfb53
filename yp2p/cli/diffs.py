"""Diffs on a terminal."""

from __future__ import annotations

from yp2p.cli.output import say

_COLOURS = {"@": "cyan", "+": "green", "-": "red"}


def print_diff(path: str, lines: list[str], *, limit: int | None = None, names: tuple[str, str] | None = None) -> None:
    """Print a unified diff, coloured on a terminal; no more than `limit` lines of it."""
    if not lines:
        return
    one, two = names or (path, path)
    for line in (f"--- {one}", f"+++ {two}"):
        say(line, bold=True)
    for line in lines[:limit]:
        say(line, colour=_COLOURS.get(line[:1]))
    if limit is not None and len(lines) > limit:
        say(f"... and {len(lines) - limit} lines more")
