"""Whether a text is Python, at the cost of what differs from the text before.

Theory of operation
    tree-sitter parses with a pinned grammar, the same for every Python that runs. It forgives wrong indentation and
    some orders of arguments, which is what goes wrong when lines of two texts are put together; so both are looked at
    besides.

    A merge tries texts that are much alike. tree-sitter is given the last text that was right, and what differs from
    it, and a text in which it meets an error is given up at once. The scan of the indentation keeps its state before
    every line: it reads what differs, and on until it is in the same state before the same line.

    Accepted though Python refuses it: what needs names (one parameter name twice). Measured in
    docs/decisions/0016-merging-three-texts.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import tree_sitter
import tree_sitter_python

from yp2p.threeway.sequences import Block, differences

# What the grammar allows and Python does not: a positional argument behind a named one, some orders of parameters.
_SUSPECTS = """
(argument_list
  (keyword_argument)
  . [(identifier) (attribute) (call) (string) (integer) (list) (tuple)] @argument)
(parameters) @parameters
(lambda_parameters) @parameters
"""
_CHUNK_BYTES = 1 << 16
# How often a parser may report progress in one merge, which it does every hundred operations or 40 microseconds: half a
# second. A megabyte of people's code is 5000.
_MAX_STEPS = 8_000
# Nodes within nodes that are looked at; beyond 2**16 the query's time is quadratic. People's code has 50.
_MAX_DEPTH = 1000
# To look at as many bytes takes as long as to begin anew.
_NEAR_BYTES = 2000
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
_FIRST_WORD = re.compile(r"\w+")


class PythonGrammar:
    """Parses the texts of one merge."""

    def __init__(self) -> None:
        self._pieces: list[str] = []  # of the last text that was right, as all that follows
        self._lines: list[str] = []
        self._starts = [0]  # of each line, in bytes
        self._states = [_State()]  # before each line, and behind the last
        self._left = _MAX_STEPS
        self._parser = tree_sitter.Parser(_language())
        self._tree: tree_sitter.Tree | None = None

    def parses(self, pieces: Sequence[str]) -> bool:
        """Whether a text is Python. Raises UnicodeEncodeError where it holds half a surrogate pair.

        Args:
            pieces: the text; where as many pieces were given the last time, only those that differ are read.
        """
        text = "".join(pieces)
        lines = text.split("\n")
        changes = _changed_pieces(self._pieces, pieces)
        if changes is None:
            changes = differences(self._lines, lines)
        states = _states(self._states, lines, changes)
        if states is None:
            return False
        sizes = [len(line) + 1 for line in lines] if text.isascii() else [len(line.encode()) + 1 for line in lines]
        starts = [0, *accumulate(sizes)]
        tree = self._parsed(text.encode() + b"\n", changes, starts)
        if tree is None:
            return False
        self._pieces, self._lines, self._starts, self._states, self._tree = list(pieces), lines, starts, states, tree
        return True

    def _parsed(self, data: bytes, changes: Sequence[Block], starts: Sequence[int]) -> tree_sitter.Tree | None:
        """The tree of a text; None where it would have an error.

        Recovery from an error takes longer than all the rest, so it is not waited for.
        """

        def read(start: int, _: object) -> bytes:
            return data[start : start + _CHUNK_BYTES]

        def is_wrong(_: int, has_error: bool) -> bool:
            self._left -= 1
            return has_error or self._left < 0

        changed = [(starts[change.new_start], starts[change.new_stop]) for change in changes]
        try:
            if self._tree is None:
                tree = self._parser.parse(read, progress_callback=is_wrong)
            else:
                known = self._edited(self._tree, changes, starts)
                tree = self._parser.parse(read, known, progress_callback=is_wrong)
                changed += [(part.start_byte, part.end_byte) for part in known.changed_ranges(tree)]
        except ValueError:  # stopped by `is_wrong`
            self._parser.reset()
            return None
        is_right = not tree.root_node.has_error and all(
            _is_in_order(tree, start, stop) for start, stop in _joined(changed)
        )
        return tree if is_right else None

    def _edited(self, tree: tree_sitter.Tree, changes: Sequence[Block], starts: Sequence[int]) -> tree_sitter.Tree:
        """A tree of the last text that knows what became of its lines."""
        tree = tree.copy()
        for change in reversed(changes):  # what is before a change has not moved yet
            start = self._starts[change.old_start]
            size, rows = starts[change.new_stop] - starts[change.new_start], change.new_stop - change.new_start
            points = (change.old_start, 0), (change.old_stop, 0), (change.old_start + rows, 0)
            tree.edit(start, self._starts[change.old_stop], start + size, *points)
        return tree


@cache
def _language() -> tree_sitter.Language:
    return tree_sitter.Language(tree_sitter_python.language())


@cache
def _suspects() -> tree_sitter.Query:
    return tree_sitter.Query(_language(), _SUSPECTS)


def _changed_pieces(old: Sequence[str], new: Sequence[str]) -> list[Block] | None:
    """What became of the lines; None unless both are in as many pieces, each of whole lines but the last."""
    if len(old) != len(new):
        return None
    changes: list[Block] = []
    row_old = row_new = 0
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        is_last = number == len(new) - 1
        if not is_last and ((one and one[-1] != "\n") or (other and other[-1] != "\n")):
            return None
        rows_old, rows_new = one.count("\n") + is_last, other.count("\n") + is_last
        if one != other:
            changes.append(Block(row_old, row_old + rows_old, row_new, row_new + rows_new))
        row_old, row_new = row_old + rows_old, row_new + rows_new
    return changes


def _joined(parts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same bytes in fewer parts: those that are near each other are one."""
    start, stop = -1, -1
    for begin, end in sorted(parts):
        if start >= 0 and begin - stop < _NEAR_BYTES:
            stop = max(stop, end)
            continue
        if start >= 0:
            yield start, stop
        start, stop = begin, end
    if start >= 0:
        yield start, stop


def _is_in_order(tree: tree_sitter.Tree, start: int, stop: int) -> bool:
    """Whether arguments and parameters near some bytes are in an order that Python allows."""
    cursor = tree_sitter.QueryCursor(_suspects())
    cursor.set_max_start_depth(_MAX_DEPTH)
    cursor.set_byte_range(max(0, start - 1), stop + 1)
    found = cursor.captures(tree.root_node)
    return "argument" not in found and all(map(_are_parameters, found.get("parameters", ())))


def _are_parameters(node: tree_sitter.Node) -> bool:
    """Whether these parameters may stand in this order."""
    stars = 0
    has_default = False
    for child in node.named_children:
        kind = child.type
        if kind == "typed_parameter" and child.named_children:
            kind = child.named_children[0].type
        if kind in ("list_splat_pattern", "keyword_separator"):
            stars += 1
        elif kind in ("default_parameter", "typed_default_parameter"):
            has_default = True
        elif kind in ("identifier", "tuple_pattern") and has_default and not stars:
            return False
    return stars <= 1


@dataclass(frozen=True, slots=True)
class _State:
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


def _states(known: Sequence[_State], lines: Sequence[str], changes: Sequence[Block]) -> list[_State] | None:
    """The state before each line and behind the last; None where a line is wrong.

    Args:
        known: the same of a text that was right.
        changes: what became of the lines of that text.
    """
    found = list(known[: changes[0].old_start + 1 if changes else len(known)])
    for number, change in enumerate(changes):
        stop = changes[number + 1].new_start if number + 1 < len(changes) else len(lines)
        shift = change.old_stop - change.new_stop
        for row in range(change.new_start, stop):
            if row >= change.new_stop and known[row + shift] == found[-1]:
                found += known[row + shift + 1 : stop + shift + 1]
                break
            state = _after(found[-1], lines[row])
            if state is None:
                return None
            found.append(state)
    last = found[-1]
    if last.is_inside_line() or last.is_opened or any(word == "try" for _, _, word in last.levels):
        return None
    return found


def _after(state: _State, line: str) -> _State | None:
    """The state behind a line; None where it is wrong."""
    line = line.removesuffix("\r")
    if not state.is_inside_line():
        code = line.lstrip(" \t\f")
        if not code or code[0] == "#":
            return state
        space = line[: len(line) - len(code)]
        first = _FIRST_WORD.match(code)
        indent, word = (len(space.expandtabs()), len(space)), first.group() if first is not None else ""
    else:
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
        return _State(state.levels, state.is_opened, quote, depth, is_continued, indent, word)
    levels = _levels(state, *indent, word)
    if levels is None:
        return None
    return _State(levels, code.endswith(":"))


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


def _levels(state: _State, column: int, column_of_tabs: int, word: str) -> tuple[tuple[int, int, str], ...] | None:
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
