"""Whether a text is Python, at the cost of what differs from the text before.

Theory of operation
    tree-sitter parses with a pinned grammar, the same for every Python that runs. It forgives wrong indentation and
    some orders of arguments, which is what goes wrong when lines of two texts are put together; so the first is
    looked at besides (`indentation.py`), and so is what tree-sitter's tree shows of the second (`python_refusals.py`).

    A merge tries texts that are much alike. So a text is read in parts, which begin where a function or class of a
    module or of a class does, and each part is parsed once in a merge: of a text that differs from the last one in
    one function that function alone is read. Such a part parses alone, in classes without a name around it, if and
    only if it does in its place. A part in which tree-sitter meets an error is given up at once.

    Measured in docs/decisions/0018-merging-three-texts.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import tree_sitter

from yp2p.threeway.indentation import Indentation, State
from yp2p.threeway.python_refusals import is_refused, language
from yp2p.threeway.sequences import Block, differences

# Where a part may begin.
_HEAD = re.compile(r"[ \t\f]*(?:(?:def|class|async)\b|@)")
# How often a parser may report progress in one merge, which it does every hundred operations or 40 microseconds: half a
# second. A megabyte of people's code is 5000.
_MAX_STEPS = 8_000


class PythonGrammar:
    """Parses the texts of one merge."""

    def __init__(self) -> None:
        self._pieces: list[str] = []  # of the last text that was right, as all that follows
        self._lines: list[str] = []
        self._indentation = Indentation()
        self._known: dict[str, bool] = {}  # the parts that were parsed, and whether they are right
        self._left = _MAX_STEPS
        self._parser = tree_sitter.Parser(language())

    def parses(self, pieces: Sequence[str]) -> bool:
        """Whether a text is Python. Raises UnicodeEncodeError where it holds half a surrogate pair.

        Args:
            pieces: the text; where it has as many pieces as the last one had, only those that differ are compared.
        """
        found = _changed_pieces(self._pieces, self._lines, pieces)
        if found is not None:
            lines, changes = found
        else:
            lines = "".join(pieces).split("\n")
            changes = differences(self._lines, lines)
        states = self._indentation.states(lines, changes)
        if states is None or not all(map(self._is_right, _parts(lines, states, changes, self._indentation.known))):
            return False
        self._pieces, self._lines = list(pieces), lines
        self._indentation.known = states
        return True

    def _is_right(self, part: str) -> bool:
        if part not in self._known:
            self._known[part] = self._parse(part.encode())
        return self._known[part]

    def _parse(self, data: bytes) -> bool:
        """Whether a part parses. Recovery from an error takes longer than all the rest, so it is not waited for."""

        def is_wrong(_: int, has_error: bool) -> bool:
            self._left -= 1
            return has_error or self._left < 0

        try:
            tree = self._parser.parse(lambda start, _: data[start:], progress_callback=is_wrong)
        except ValueError:  # stopped by `is_wrong`
            self._parser.reset()
            return False
        return not tree.root_node.has_error and not is_refused(tree, data)


def _changed_pieces(
    old: Sequence[str], lines: Sequence[str], new: Sequence[str]
) -> tuple[list[str], list[Block]] | None:
    """The new lines, and what became of the old ones.

    None unless both texts are in as many pieces, each of whole lines but the last, or are in one.
    """
    if len(old) != len(new) or len(new) == 1:
        return None
    found: list[str] = []
    changes: list[Block] = []
    row = kept = 0  # in the old lines, and how many of them were dealt with
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        is_last = number == len(new) - 1
        if not is_last and ((one and one[-1] != "\n") or (other and other[-1] != "\n")):
            return None
        rows = one.count("\n") + is_last
        if one != other:
            found += lines[kept:row]
            start = len(found)
            found += other.split("\n")
            if not is_last:
                found.pop()
            changes.append(Block(row, row + rows, start, len(found)))
            kept = row + rows
        row += rows
    return found + list(lines[kept:]), changes


def _parts(
    lines: Sequence[str], states: Sequence[State], changes: Sequence[Block], known: Sequence[State]
) -> Iterator[str]:
    """The parts of a text that differ from those of the last one that was right, each with the classes around it.

    Args:
        states: what is open before each line; `known` is that of the last text.
        changes: what became of the lines of the last text.
    """
    if not changes:
        return
    row = max(0, changes[0].new_start - 1)
    while row and _level(lines[row], states[row]) is None:
        row -= 1
    start, level = row, _level(lines[row], states[row]) or 0
    stop, shift = changes[-1].new_stop, changes[-1].old_stop - changes[-1].new_stop

    def part(end: int) -> str:
        around = "".join(f"{' ' * column}class _:\n" for column, _, _ in states[start].levels[:level])
        return "".join([around, "\n".join(lines[start:end]), "\n"])

    for row in range(start + 1, len(lines)):
        if (found := _level(lines[row], states[row])) is not None:
            yield part(row)
            start, level = row, found
            if row >= stop and states[row] is known[row + shift]:
                return
    yield part(len(lines))


def _level(line: str, state: State) -> int | None:
    """How many classes are around a line where a part may begin; None for others."""
    return state.level_of(line) if _HEAD.match(line) else None
