"""The indentation of Python: whether each line stands where the ones before it allow.

Looked at are the indentation of each logical line, what may follow a `try`, and `return`, `break` and `continue`. Of
a text that is much like the last one that was right, only what differs is read, and on until the lines leave open
what the same lines left open before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from yp2p.threeway.sequences import Block

# Open blocks, as in Python itself.
_MAX_LEVELS = 100
_STRING_START = re.compile(r"'''|\"\"\"|['\"#]")
_STRING_END = {quote: re.compile(rf"(?:[^\\]|\\.)*?{quote}") for quote in ("'''", '"""', "'", '"')}
# Statements that stand in certain blocks only, and what these begin with.
_JUMPS = {
    "return": ("def", "async"),
    "break": ("for", "while", "async"),
    "continue": ("for", "while", "async"),
}
# Words that decide on what follows them or stands in their block; of other lines the first word does not matter.
_KEYWORDS = frozenset({"@", "try", "except", "else", "finally", "def", "async", "class", "for", "while", *_JUMPS})
# Words that no line inside of brackets begins with.
_STATEMENT = re.compile(r"[ \t\f]*(?:def|class|return|import|raise|pass|with|while|try|del|global)\b(?!\s*=)")
_FIRST_WORD = re.compile(r"\w+|@")


@dataclass(frozen=True, slots=True)
class State:
    """What the lines so far leave open."""

    # Of each open block its indentation, with tabs of eight columns and of one, and what began the last line in it.
    levels: tuple[tuple[int, int, str], ...] = ((0, 0, ""),)
    is_opened: bool = False  # the line before ends with a colon
    quote: str = ""  # the string that goes on
    depth: int = 0  # of open brackets
    is_continued: bool = False  # the line before ends with a backslash
    # Of the logical line that goes on: its indentation and its first word.
    indent: tuple[int, int] = (0, 0)
    word: str = ""

    def is_inside_line(self) -> bool:
        return bool(self.quote or self.depth or self.is_continued)

    def level_of(self, line: str) -> int | None:
        """How many classes are around a line that begins a statement of a class or module.

        None for other lines, for the first one of a block, and for one that belongs to the decorator before it.
        """
        if self.is_inside_line() or self.is_opened:
            return None
        column = len(line[: len(line) - len(line.lstrip(" \t\f"))].expandtabs())
        for level, (at, _, last) in enumerate(self.levels):
            if at == column:
                return level if last != "@" else None
            if last != "class":
                return None
        return None


class Indentation:
    """Reads the texts of one merge.

    Attributes:
        known: what was open before each line of the last text that was right, and behind it.
    """

    def __init__(self) -> None:
        start = State()
        self.known: list[State] = [start]
        self._kept = {start: start}  # equal states are one object
        self._next: dict[tuple[int, str], State | None] = {}

    def states(self, lines: Sequence[str], changes: Sequence[Block]) -> list[State] | None:
        """What is open before each line and behind the last; None where a line is wrong.

        Args:
            changes: what became of the lines of the last text that was right.
        """
        found = self.known[: changes[0].old_start + 1 if changes else len(self.known)]
        for number, change in enumerate(changes):
            stop = changes[number + 1].new_start if number + 1 < len(changes) else len(lines)
            shift = change.old_stop - change.new_stop
            state = found[-1]
            for row in range(change.new_start, stop):
                if row >= change.new_stop and self.known[row + shift] is state:
                    found += self.known[row + shift + 1 : stop + shift + 1]
                    break
                after = self._after(state, lines[row])
                if after is None:
                    return None
                state = after
                found.append(state)
        last = found[-1]
        if last.is_inside_line() or last.is_opened or any(word == "try" for _, _, word in last.levels):
            return None
        return found

    def _after(self, state: State, line: str) -> State | None:
        key = id(state), line
        if key not in self._next:
            after = _after(state, line)
            self._next[key] = None if after is None else self._kept.setdefault(after, after)
        return self._next[key]


def _after(state: State, line: str) -> State | None:
    """The state behind a line; None where it is wrong."""
    line = line.removesuffix("\r")
    if not state.is_inside_line():
        code = line.lstrip(" \t\f")
        if not code or code[0] == "#":
            return state
        space = line[: len(line) - len(code)]
        first = _FIRST_WORD.match(code)
        indent = len(space.expandtabs()), len(space)
        word = first.group() if first is not None and first.group() in _KEYWORDS else ""
    else:
        if state.depth and not state.quote and _STATEMENT.match(line):
            return None  # a bracket that nobody closes: the rest of the text need not be read
        indent, word = state.indent, state.word
    read = _without_strings(line, state.quote)
    if read is None:
        return None
    code, quote = read
    code = code.rstrip()
    depth = state.depth
    if not code.isalnum():
        opened = code.count("(") + code.count("[") + code.count("{")
        closed = code.count(")") + code.count("]") + code.count("}")
        depth = max(0, depth + opened - closed)
    is_continued = not quote and code.endswith("\\")
    if quote or depth or is_continued:
        return State(state.levels, state.is_opened, quote, depth, is_continued, indent, word)
    levels = _levels(state, *indent, word)
    if levels is None:
        return None
    return State(levels, code.endswith(":"))


def _without_strings(line: str, quote: str) -> tuple[str, str] | None:
    """The code of a line, with `0` for each string, and the quote of the string that goes on; None where one cannot."""
    if not quote and '"' not in line and "'" not in line and "#" not in line:
        return line, ""
    parts: list[str] = []
    at = 0
    while True:
        if quote:
            end = _STRING_END[quote].match(line, at)
            if end is None:
                goes_on = len(quote) == 3 or (len(line) - len(line.rstrip("\\"))) % 2
                return ("".join([*parts, "0"]), quote) if goes_on else None
            parts.append("0")
            at, quote = end.end(), ""
        start = _STRING_START.search(line, at)
        if start is None or start.group() == "#":
            parts.append(line[at : start.start() if start is not None else len(line)])
            return "".join(parts), ""
        parts.append(line[at : start.start()])
        at, quote = start.end(), start.group()


def _levels(state: State, column: int, column_of_tabs: int, word: str) -> tuple[tuple[int, int, str], ...] | None:
    """The open blocks behind a logical line; None where it does not stand as the ones before it allow."""
    levels = state.levels
    if state.is_opened:
        if column <= levels[-1][0] or column_of_tabs <= levels[-1][1] or len(levels) >= _MAX_LEVELS:
            return None
        return (*levels, (column, column_of_tabs, word)) if _may_begin(word, levels) else None
    while column < levels[-1][0]:
        if levels[-1][2] == "try":
            return None
        levels = levels[:-1]
    if (column, column_of_tabs) != levels[-1][:2] or not _may_follow(word, levels[-1][2]):
        return None
    if word in _JUMPS and not _may_begin(word, levels[:-1]):
        return None
    return (*levels[:-1], (column, column_of_tabs, word))


def _may_begin(word: str, levels: Sequence[tuple[int, int, str]]) -> bool:
    """Whether a block may begin with a line that begins with a word, inside of blocks that others began."""
    if word not in _JUMPS:
        return _may_follow(word, "")
    for _, _, opener in reversed(levels):
        if opener in _JUMPS[word]:
            return True
        if opener in ("def", "class"):
            return False
    return False


def _may_follow(word: str, before: str) -> bool:
    """Whether a line that begins with a word may stand behind one that begins with another, in one block."""
    if word == "except":
        return before in ("try", "except")
    if word == "finally":
        return before in ("try", "except", "else")
    return before != "try"
