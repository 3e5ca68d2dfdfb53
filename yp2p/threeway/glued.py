"""Lines of a merge by words that are put together from two, though they are two in every version."""

from __future__ import annotations

from collections.abc import Sequence


def has_glued_lines(text: str, versions: Sequence[str]) -> bool:
    """Whether two lines became one that are two in every version: where one side took a line break out, and the other
    changed the lines beside it."""
    known = {" ".join(line.split()) for version in versions for line in version.split("\n")} - {""}
    new = {" ".join(line.split()) for line in text.split("\n")} - known
    for line in new:
        for first in known:
            if not line.startswith(first) or len(first) == len(line):
                continue
            rest = line[len(first) :].lstrip()
            if not any(other.startswith(rest) or rest.startswith(other) for other in known):
                continue
            last_word, next_word = first.rpartition(" ")[2], rest.partition(" ")[0]
            if not any(f"{last_word} {next_word}" in other or last_word + next_word in other for other in known):
                return True
    return any(_is_glued_before(line, known) for line in new)


def _is_glued_before(line: str, known: set[str]) -> bool:
    """Whether a line is the end of one line, whose beginning somebody took out, and then a whole other one."""
    for last in known:
        rest = line[: -len(last)].rstrip() if line.endswith(last) else ""
        if rest and any(other.endswith(rest) for other in known):
            last_word, next_word = rest.rpartition(" ")[2], last.partition(" ")[0]
            if not any(f"{last_word} {next_word}" in other or last_word + next_word in other for other in known):
                return True
    return False
