"""Whether a text is Python, at the cost of what differs from the text before.

Theory of operation
    tree-sitter parses with a pinned grammar, the same for every Python that runs. It forgives wrong indentation and
    some orders of arguments, which is what goes wrong when lines of two texts are put together; so the first is
    looked at besides (`indentation.py`), and so is the second, where tree-sitter's tree shows arguments.

    A merge tries texts that are much alike. tree-sitter is given the last text that was right, and what differs from
    it, and a text in which it meets an error is given up at once.

    Accepted though Python refuses it: what needs names (one parameter name twice). Measured in
    docs/decisions/0018-merging-three-texts.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate

import tree_sitter
import tree_sitter_python

from yp2p.threeway.indentation import Indentation
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


class PythonGrammar:
    """Parses the texts of one merge."""

    def __init__(self) -> None:
        self._pieces: list[str] = []  # of the last text that was right, as all that follows
        self._lines: list[str] = []
        self._starts = [0]  # of each line, in bytes
        self._indentation = Indentation()
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
        states = self._indentation.states(lines, changes)
        if states is None:
            return False
        sizes = [len(line) + 1 for line in lines] if text.isascii() else [len(line.encode()) + 1 for line in lines]
        starts = [0, *accumulate(sizes)]
        tree = self._parsed(text.encode() + b"\n", changes, starts)
        if tree is None:
            return False
        self._pieces, self._lines, self._starts, self._tree = list(pieces), lines, starts, tree
        self._indentation.known = states
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
