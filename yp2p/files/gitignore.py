"""Patterns in gitignore syntax, matched without backtracking, so that no pattern takes long.

A member of a folder writes its `.yp2pignore`, and names files. One regular expression for a whole path tries every way
to share the path among the stars: 32 bytes of pattern and three names of 40 letters take minutes, holding the
interpreter's lock. So a pattern is matched name by name, and neither within a name nor among the names anything is
tried twice: what stands between two stars is taken where it comes first, which leaves the most to what follows.

A pattern is asked of the path alone. What is beneath an ignored directory is for the caller to know, who asks for the
directories first (as git does; so no pattern lifts what is beneath one).

Source: gitignore(5), wildmatch.c of git. Where git never matches a pattern (a bracket or an escape without an end),
it is refused here, so that somebody is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

# A pattern can stand for each name of the longest path; its stars make it no longer than this.
MAX_PATTERN_CHARS = 4096
# A pattern with `**` is tried at each directory of a path. So many names of patterns, all in all, take some 20 ms.
MAX_NAMES = 10_000

_ANY_DIRECTORIES = None
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r" \t\n\r\f\v", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_POSIX_CLASS = re.compile(r"\[:(\w*):\]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: whether it is an exception (`!`), and for directories alone; its names, or the one at any depth."""

    lifts: bool
    directory: bool
    anchored: bool
    expressions: tuple[str | None, ...]

    @classmethod
    def parse(cls, line: str) -> Pattern | None:
        """None for a comment or a line without a pattern. Raises ValueError: it stands for nothing."""
        if line.startswith("#"):
            return None
        line = _without_trailing_spaces(line)
        lifts = line.startswith("!")
        body = line[lifts:]
        if len(body) > MAX_PATTERN_CHARS:
            raise ValueError(f"it has {len(body)} characters, more than {MAX_PATTERN_CHARS}")
        directory = body.endswith("/")
        body = body.removesuffix("/")
        anchored = "/" in body
        names = list(_names(body.removeprefix("/") if anchored else body))
        if anchored and names[0] == "**" and len(names) == 2 and names[1] != "**":
            names, anchored = names[1:], False  # `**/name` is `name`
        if names in ([], [""]):
            return None
        parsed = tuple(_ANY_DIRECTORIES if anchored and name == "**" else expression(name) for name in names)
        return cls(lifts, directory, anchored, parsed)


def _without_trailing_spaces(line: str) -> str:
    bare = line.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if escapes % 2 and len(bare) < len(line) else bare


def _names(body: str) -> Iterator[str]:
    """The names of a pattern; several `**` in a row are one."""
    for name, same in groupby(body.split("/")):
        yield from ("**",) if name == "**" else same


def expression(glob: str) -> str:
    """A regular expression for whole names that this pattern of a name stands for. Raises ValueError.

    What follows a star is taken where it comes first, for good (an atomic group), but for what ends the name.
    """
    first, *others = _pieces(glob)
    if not others:
        return first
    *between, last = others
    return first + "".join(f"(?>.*?{piece})" for piece in between) + f".*{last}"


def _pieces(glob: str) -> list[str]:
    """Regular expressions of what is between the stars; each stands for so many characters, and no others."""
    pieces, at = [""], 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif character == "?":
            pieces[-1] += "."
        elif character == "[":
            found, at = _bracket(glob, at)
            pieces[-1] += found
        else:
            if character == "\\":
                if at == len(glob):
                    raise ValueError("a backslash ends it, and escapes nothing")
                character = glob[at]
                at += 1
            pieces[-1] += re.escape(character)
    return pieces


def _bracket(glob: str, at: int) -> tuple[str, int]:
    """The expression of a bracket that begins before `at`, and where it ends."""
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    parts: list[str] = []
    is_first = True
    while is_first or glob[at : at + 1] != "]":
        is_first = False
        found = _POSIX_CLASS.match(glob, at)
        if found is not None:
            if found[1] not in _CLASSES:
                raise ValueError(f"there is no class [:{found[1]}:]")
            parts.append(_CLASSES[found[1]])
            at = found.end()
            continue
        low, at = _one(glob, at)
        high = low
        if glob[at : at + 1] == "-" and glob[at + 1 : at + 2] not in ("]", ""):
            high, at = _one(glob, at + 1)
        # Of a range from behind git takes the first character.
        parts.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low))
    return f"[{'^' if negated else ''}{''.join(parts)}]", at + 1


def _one(glob: str, at: int) -> tuple[str, int]:
    """A character of a bracket, and what is behind it."""
    if glob[at : at + 1] == "\\":
        at += 1
    if at >= len(glob):
        raise ValueError("a bracket in it is never closed")
    return glob[at], at + 1


class _Names:
    """Patterns of one name at any depth, one after the other in a file, that all say the same: one expression."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        found = "|".join(dict.fromkeys(pattern.expressions[0] or "" for pattern in patterns))
        self._any = re.compile(f"(?s:{found})")

    def matches(self, names: Sequence[str]) -> bool:
        return self._any.fullmatch(names[-1]) is not None


class _Path:
    """A pattern of a path from the folder's root."""

    def __init__(self, pattern: Pattern) -> None:
        names = [None if name is None else re.compile(f"(?s:{name})") for name in pattern.expressions]
        self._is_open = names[-1] is None  # all that is beneath
        self._runs: list[list[re.Pattern[str]]] = [[]]  # names one beneath the other, between any directories
        for name in names:
            if name is None:
                self._runs.append([])
            else:
                self._runs[-1].append(name)

    def matches(self, names: Sequence[str]) -> bool:
        first, *others = self._runs
        at, end = len(first), len(names)
        if not _is_at(first, names, 0):
            return False
        if not others:
            return at == end
        if self._is_open:
            end -= 1  # `a/**` is what is beneath a, and not a
        else:
            *others, last = others
            end -= len(last)
            if end < at or not _is_at(last, names, end):
                return False
        for run in others:
            while at + len(run) <= end and not _is_at(run, names, at):
                at += 1
            at += len(run)
            if at > end:
                return False
        return True


def _is_at(run: Sequence[re.Pattern[str]], names: Sequence[str], at: int) -> bool:
    return at + len(run) <= len(names) and all(
        name.fullmatch(names[number]) is not None for number, name in enumerate(run, at)
    )


class Patterns:
    """Patterns in the order of their lines, of which the last one that matches decides. Raises ValueError."""

    def __init__(self, lines: Iterable[str]) -> None:
        parsed = [pattern for line in lines if (pattern := Pattern.parse(line)) is not None]
        names = sum(len(pattern.expressions) for pattern in parsed)
        if names > MAX_NAMES:
            raise ValueError(f"there are {names} names in the patterns, more than {MAX_NAMES}")
        rules: list[tuple[bool, bool, _Names | _Path]] = []
        for (lifts, directory, anchored), same in groupby(parsed, lambda p: (p.lifts, p.directory, p.anchored)):
            alike = list(same)
            found: list[_Names | _Path] = [_Path(pattern) for pattern in alike] if anchored else [_Names(alike)]
            rules += ((lifts, directory, one) for one in found)
        self._rules = rules[::-1]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def decide(self, path: str, *, directory: bool) -> bool | None:
        """Whether the path is ignored; None where no pattern is about it."""
        names = path.split("/")
        for lifts, is_for_directories, rule in self._rules:
            if (directory or not is_for_directories) and rule.matches(names):
                return not lifts
        return None
