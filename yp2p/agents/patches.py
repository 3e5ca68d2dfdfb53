"""Edits as programs write them down, made in the text that they were made of: search/replace blocks, unified diffs.

Theory of operation
    The text is the one that the writer had read, to the character. So nothing is guessed: what is to be replaced stands
    there once, or the piece is not applied, with the reason. What such writers get wrong all the same is forgiven where
    only one thing can be meant: the numbers in the heads of a diff's hunks (where the lines stand in one place only),
    the blank of an empty line, the missing end of a last line, and line ends: in a text whose lines all end in CRLF a
    piece without any CR means them.

Invariants
    * A piece is applied whole or not at all; pieces of a diff never overlap.
    * No line of a diff is joined with another one: only the last line of a text has no end.
    * A line of a block is either one of its marks, in its place, or text: what could be both is refused.
    * Work is bounded by a budget of comparisons, whatever the pieces and the text are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from yp2p.errors import UsageError

# An edit of more pieces is a text of its own.
MAX_PIECES = 1000
# Comparisons of lines, or thousands of characters looked through: about a second.
_BUDGET = 5_000_000
_SHOWN_CHARS = 200
_HUNK = re.compile(r"@@+(?: -([0-9]{1,9})(?:,([0-9]{1,9}))? \+([0-9]{1,9})(?:,([0-9]{1,9}))?)? ?@@|@@ *\.\.\. *@@|@@$")
# Behind it git writes its version, at the end of the mail that a diff is in (RFC 3676 §4.3).
_SIGNATURE = "-- "
_SEARCH, _DIVIDER, _REPLACE = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"


@dataclass(frozen=True, slots=True)
class Refused:
    """A piece that was not applied: its number, from 1, why, and how it begins."""

    number: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Patched:
    """What became of a text, and which pieces were not applied."""

    text: str
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """Replace what stands once in a text."""

    search: str
    replace: str


def read_blocks(text: str) -> list[Block]:
    """The blocks that a program wrote.

    ::

        <<<<<<< SEARCH
        what stands there
        =======
        what is to stand there
        >>>>>>> REPLACE

    Raises:
        UsageError: these are none, or a mark stands where it could be text.
    """
    blocks: list[Block] = []
    search: list[str] = []
    replace: list[str] = []
    part = 0  # 0 between blocks, 1 in what is searched, 2 in what replaces it
    for number, line in enumerate(text.split("\n"), 1):
        mark = line.rstrip()
        if part == 0 and mark == _SEARCH:
            search, replace, part = [], [], 1
        elif part == 1 and mark == _DIVIDER:
            part = 2
        elif part == 2 and mark == _REPLACE:
            blocks.append(Block("".join(search), "".join(replace)))
            part = 0
        elif part == 0 and mark:
            raise UsageError(f"line {number} of the blocks is {line[:60]!r}; a block begins with {_SEARCH!r}")
        elif mark in (_SEARCH, _DIVIDER, _REPLACE):
            due = _DIVIDER if part == 1 else _REPLACE
            raise UsageError(
                f"line {number} of the blocks is {mark!r}, in a block that has no {due!r} yet; a text with such a line"
                " in it can be given as JSON, as a list of search and replace"
            )
        elif part:
            (search if part == 1 else replace).append(line + "\n")
    if part:
        raise UsageError(f"the last block has no {_DIVIDER if part == 1 else _REPLACE!r}")
    if not blocks:
        raise UsageError(f"there is no block; one begins with {_SEARCH!r}")
    return blocks


def with_blocks(base: str, blocks: Sequence[Block]) -> Patched:
    """Make blocks in a text, each in what the ones before made of it. Raises UsageError: they are too many."""
    _check_count(len(blocks))
    end = _line_end(base)
    text, left, refused = base, 1000 * _BUDGET, list[Refused]()
    for number, block in enumerate(blocks, 1):
        search, replace = (_with_ends(part, end) for part in (block.search, block.replace))
        left -= len(text) + len(search)
        reason = "it is too much to look for in a text of this size" if left < 0 else ""
        if not search and text:
            reason = "it searches for nothing; only in an empty text that means all of it"
        if reason:
            refused.append(_refused(number, reason, search))
            continue
        search, replace = _at_the_end(text, search, replace)
        at = text.find(search)
        if at < 0:
            refused.append(_refused(number, "what it searches for is not in the version that it was made of", search))
        elif text.find(search, at + 1) >= 0 and search:
            refused.append(_refused(number, "what it searches for is there more than once: give more of it", search))
        else:
            text = text[:at] + replace + text[at + len(search) :]
    return Patched(text, tuple(refused))


def _at_the_end(text: str, search: str, replace: str) -> tuple[str, str]:
    """A block of whole lines also means the last line of a text, which has no end."""
    for end in ("\r\n", "\n"):
        bare = search.removesuffix(end)
        if bare not in ("", search) and search not in text and text.endswith(bare):
            return bare, replace.removesuffix(end)
    return search, replace


@dataclass(slots=True)
class _Hunk:
    """A hunk of a diff: where its head says it begins (from 0), its lines before and after."""

    number: int
    at: int | None
    old: list[str]
    new: list[str]

    @property
    def shown(self) -> str:
        return "".join(self.old or self.new)


def with_diff(base: str, diff: str) -> Patched:
    """Apply a unified diff of one file to the text that it was made of. Raises UsageError: it is none."""
    hunks = list(_read_hunks(diff, _line_end(base)))
    if not hunks:
        raise UsageError("there is no hunk in the diff; each begins with a line like '@@ -1,3 +1,4 @@'")
    lines = _split(base)
    places = _Places(lines)
    placed: list[tuple[int, _Hunk]] = []
    refused: list[Refused] = []
    for hunk in hunks:
        found = places.find(hunk)
        if isinstance(found, str):
            refused.append(_refused(hunk.number, found, hunk.shown))
        elif found + len(hunk.old) < len(lines) and hunk.new and not hunk.new[-1].endswith("\n"):
            refused.append(_refused(hunk.number, "its last line has no end, and the text goes on there", hunk.shown))
        else:
            placed.append((found, hunk))
    result: list[str] = []
    at = 0
    for start, hunk in sorted(placed, key=lambda one: one[0]):
        if start < at:
            refused.append(_refused(hunk.number, "it overlaps another hunk", hunk.shown))
            continue
        result += [*lines[at:start], *hunk.new]
        at = start + len(hunk.old)
    refused.sort(key=lambda one: one.number)
    result += lines[at:]
    # Behind a last line that had no end others may stand now.
    result[:-1] = [line if line.endswith("\n") else line + (_line_end(base) or "\n") for line in result[:-1]]
    return Patched("".join(result), tuple(refused))


def _read_hunks(diff: str, end: str) -> Iterator[_Hunk]:
    # A line of the text that has no end is marked as such; that the diff itself ends without one says nothing.
    lines = _split(diff if diff.endswith("\n") else diff + (_line_end(diff) or "\n"))
    files = number = row = 0
    while row < len(lines):
        plain = lines[row].rstrip("\r\n")
        head = _HUNK.match(plain)
        if head is None:
            # Between the hunks: the names of the file. Two of them are two files.
            files += plain.startswith("--- ")
            if files > 1 or (files and number and plain.startswith("--- ")):
                raise UsageError("the diff is of several files; give one at a time, or all of them by --batch")
            row += 1
            continue
        number += 1
        _check_count(number)
        row, hunk = _read_hunk(lines, row + 1, head, number)
        if not end:
            yield hunk
        else:
            yield _Hunk(number, hunk.at, *([_with_ends(line, end) for line in part] for part in (hunk.old, hunk.new)))


def _read_hunk(lines: Sequence[str], row: int, head: re.Match[str], number: int) -> tuple[int, _Hunk]:
    """The hunk whose lines begin at a row, and the row behind it. Its head may count wrong."""
    size_old, size_new = (int(head[n] or 1) if head[1] else 0 for n in (2, 4))
    at = int(head[1]) - (1 if size_old else 0) if head[1] else None
    old: list[str] = []
    new: list[str] = []
    last: tuple[list[str], ...] = ()
    while row < len(lines):
        line = lines[row]
        is_due = len(old) < size_old or len(new) < size_new
        if _HUNK.match(line.rstrip("\r\n")) or (not is_due and _is_between(lines, row)):
            break
        match line[:1]:
            case "-":
                last = (old,)
            case "+":
                last = (new,)
            case " ":
                last = (old, new)
            case "\n" | "\r":  # an empty line that lost its blank
                last, line = (old, new), " " + line
            case "\\":
                for part in last:
                    part[-1] = part[-1].removesuffix("\n").removesuffix("\r")
                row += 1
                continue
            case _:
                break
        for part in last:
            part.append(line[1:])
        row += 1
    return row, _Hunk(number, at, old, new)


def _is_between(lines: Sequence[str], row: int) -> bool:
    """Whether a line is none of a hunk: the head of another file, the signature of a mail, or the blank lines at the
    end."""
    behind = lines[row + 1] if row + 1 < len(lines) else ""
    if lines[row].startswith("--- ") and behind.startswith("+++ "):
        return True
    if lines[row].rstrip("\r\n") == _SIGNATURE and behind.strip("\r\n") and behind[0] not in " +-\\@":
        return True
    return not any(line.strip("\r\n") for line in lines[row:])


class _Places:
    """Where the lines of hunks stand in a text."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._left = _BUDGET
        self._rows: dict[str, list[int]] = {}
        for row, line in enumerate(lines):
            self._rows.setdefault(line, []).append(row)

    def find(self, hunk: _Hunk) -> int | str:
        """The row where a hunk belongs, or why there is none. A last line without its end is given one in both."""
        if not hunk.old:
            if hunk.at is None or hunk.at > len(self._lines):
                return "it has no line that tells where it belongs"
            return hunk.at
        found = self._rows_of(hunk.old)
        if not found and hunk.old[-1].endswith("\n") and self._lines and self._lines[-1] == _bare(hunk.old[-1]):
            is_kept = bool(hunk.new) and hunk.new[-1] == hunk.old[-1]
            hunk.old[-1] = _bare(hunk.old[-1])
            if is_kept:
                hunk.new[-1] = hunk.old[-1]
            found = self._rows_of(hunk.old)
        if self._left < 0:
            return "it is too much to look for in a text of this size"
        if not found:
            return "its lines are not in the version that it was made of"
        if hunk.at in found:
            return hunk.at
        return found[0] if len(found) == 1 else "its lines are there more than once, and none of it where it says"

    def _rows_of(self, wanted: list[str]) -> list[int]:
        found: list[int] = []
        for row in self._rows.get(wanted[0], ()):
            self._left -= len(wanted)
            if self._left < 0:
                return []
            if self._lines[row : row + len(wanted)] == wanted:
                found.append(row)
        return found


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    return [*(line + "\n" for line in lines[:-1]), *([lines[-1]] if lines[-1] else [])]


def _bare(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _line_end(text: str) -> str:
    """CRLF where all lines of a text end so; else nothing."""
    returns = text.count("\r\n")
    return "\r\n" if returns and returns == text.count("\n") else ""


def _with_ends(part: str, end: str) -> str:
    return part.replace("\n", end) if end and "\r" not in part else part


def _check_count(pieces: int) -> None:
    if pieces > MAX_PIECES:
        raise UsageError(f"an edit has at most {MAX_PIECES:,} pieces; give the whole text instead")


def _refused(number: int, reason: str, text: str) -> Refused:
    return Refused(number, reason, text[:_SHOWN_CHARS])


def reasons(refused: Iterable[Refused]) -> str:
    """In one sentence."""
    return "; ".join(f"piece {one.number}: {one.reason}" for one in refused)
