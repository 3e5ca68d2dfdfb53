"""Blocks that one side re-indented and the other changed: the change goes into the block as it stands now.

A side re-indents a block when it puts it into an `if`, a `with`, a function or another element, or takes it out.
Compared without white space at their beginnings its lines are the same ones. What the other side put in, took out or
replaced among them is done there, in lines that are indented as their neighbours are now, and taken back where it
stood: so it is a change of one side alone. A neighbour of an added line is the line before it that is indented as much,
or the one behind it; a line that is indented deeper than both belongs to the one before it that is indented less.

A side that re-indented the very lines itself changed the same thing: that is for other rules. Unless the whole text has
another unit of indentation here: then its lines are as deep here as it made them there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from yp2p.threeway.lines import Three, groups
from yp2p.threeway.sequences import Block, blocks

_Pair = tuple[str, str, str]

# One line of fewer letters that is indented otherwise is chance: a brace, `else:`.
_DISTINCT_LETTERS = 6
# How far a line that is indented as much is looked for, and a line of a file with other indentation in all.
_NEAR_LINES = 200


def follow_indentation(three: Three) -> Three | None:
    """The three texts, in which what one side changed in a block that the other one re-indented is changed there.

    Returns:
        None where there is no such block.
    """
    found = three
    for is_theirs in (False, True):
        mover, editor = (found.theirs, found.ours) if is_theirs else (found.ours, found.theirs)
        by_mover, by_editor = (found.by_theirs, found.by_ours) if is_theirs else (found.by_ours, found.by_theirs)
        asked = [change for _, changes, others in groups(by_mover, by_editor) if changes for change in others]
        if not asked:
            continue
        followed = list(_Reindented(found.base, mover, editor).followed(asked))
        if not followed:
            continue
        new_mover, new_editor = list(mover), list(editor)
        for change, at, size, lines in reversed(followed):
            new_mover[at : at + size] = lines
            new_editor[change.new_start : change.new_stop] = found.base[change.old_start : change.old_stop]
        found = Three(found.base, new_editor, new_mover) if is_theirs else Three(found.base, new_mover, new_editor)
    return found if found is not three else None


class _Reindented:
    """A side that may have re-indented something, and the other one, which may have changed something there.

    Attributes:
        place: where each line of the base is in the side that may have, as far as its words are the same.
    """

    def __init__(self, base: Sequence[str], mover: Sequence[str], editor: Sequence[str]) -> None:
        self._base, self._mover, self._editor = base, mover, editor
        self.place = _places(base, mover)
        self._rows = _reindented_rows(base, mover, self.place)
        self._old_to_new = _everywhere(base, mover, self.place) if self._rows else {}
        old = {_indent(base[row]) for row in self.place if base[row].strip()} if self._rows else set()
        # The whole text has another unit of indentation: `if` and what is in it are as they were to each other.
        self._is_whole = all(not indent or self._old_to_new.get(indent, indent) != indent for indent in old)

    def followed(self, changes: Sequence[Block]) -> Iterator[tuple[Block, int, int, list[str]]]:
        """Those of the other side's changes that are made in re-indented lines, in order: where each of them is made
        in this side, of how many lines, and what then stands there."""
        done = -1
        for change in changes if self._rows else ():
            found = self._made_here(change)
            if found is not None and found[0] >= done:
                yield change, *found
                done = found[0] + found[1]

    def _made_here(self, change: Block) -> tuple[int, int, list[str]] | None:
        rows = range(change.old_start, change.old_stop)
        if any(row not in self.place for row in rows):
            return None  # this side changed them as well
        lines = self._editor[change.new_start : change.new_stop]
        old = {self._base[row].strip(): self._base[row] for row in rows if self._base[row].strip()}
        if not self._is_whole and any(old.get(line.strip(), line) != line for line in lines):
            return None  # the other side re-indented them as well
        if rows:
            if not self._rows.intersection(rows):
                return None
            if not lines and not self._rows.intersection((rows[0] - 1, rows[-1] + 1)):
                return None  # all of it is gone: what is around it would be empty
            first, stop = self.place[rows[0]], self.place[rows[-1]] + 1
            return (first, stop - first, self._relaid(change, lines)) if stop - first == len(rows) else None
        if _is_apart(lines) and not any(line.strip() for line in self._base[change.old_start :]):
            return None  # something new at the end of the file, behind the block
        relaid = self._relaid(change, lines)
        if relaid == lines:
            return None
        at = self._gap(change.old_start, relaid)
        return None if at is None else (at, 0, relaid)

    def _gap(self, row: int, lines: Sequence[str]) -> int | None:
        """Where lines stand in this side that the other one put in before a row of the base."""
        before, behind = self.place.get(row - 1), self.place.get(row)
        if before is not None and behind is not None and behind - before > 1:
            # This side put in something there: `with lock:`, or `else:`. A line goes to what is indented as it is.
            indents = [_indent(line) for line in lines if line.strip()]
            return behind if _indent(self._mover[behind]) == indents[-1] != _indent(self._mover[before]) else before + 1
        if before is not None:
            return before + 1
        if behind is not None:
            return behind
        near = (at for at in range(row - 1, max(-1, row - _NEAR_LINES), -1) if at in self.place)
        found = next(near, None)
        return None if found is None else self.place[found] + 1

    def _relaid(self, change: Block, lines: Sequence[str]) -> list[str]:
        """Lines of the other side, indented as their neighbours are in this one."""
        known = self._pairs(max(0, change.old_start - _NEAR_LINES), change.old_start)
        own = self._pairs(change.old_start, change.old_stop)
        behind = self._pairs(change.old_stop, min(len(self._base), change.old_stop + _NEAR_LINES))
        is_apart = _is_apart(lines)
        relaid: list[str] = []
        for line in lines:
            if not line.strip():
                relaid.append(line)
                continue
            old, head = _indent(line), _head(line)
            new = self._new_indent(old, head, (known, own, behind), is_apart=is_apart)
            relaid.append(new + line[len(old) :])
            known.append((old, new, head))
        return relaid

    def _pairs(self, start: int, stop: int) -> list[_Pair]:
        """Of lines of the base that are in this side, and not empty: how they are indented there and here, and how they
        begin."""
        rows = (row for row in range(start, stop) if row in self.place and self._base[row].strip())
        return [(_indent(line := self._base[row]), _indent(self._mover[self.place[row]]), _head(line)) for row in rows]

    def _new_indent(self, old: str, head: str, around: tuple[Sequence[_Pair], ...], *, is_apart: bool) -> str:
        """The indentation here of a line that begins with `head`.

        Args:
            around: the lines before it, those in whose place it stands, and those behind it.
            is_apart: an empty line parts it from those before it, and none from those behind it.
        """
        known, own, behind = around
        for before, after, _ in own:
            if before == old:
                return after
        near_up = islice(reversed(known), _NEAR_LINES)
        up = next((pair for pair in near_up if old.startswith(pair[0])), None)
        down = next((pair for pair in behind if old.startswith(pair[0])), None)
        siblings = [pair for pair in (up, down) if pair is not None and pair[0] == old]
        if siblings:
            alike = [pair for pair in siblings if pair[2] == head]
            return (alike[0] if len(alike) == 1 else siblings[-1] if is_apart else siblings[0])[1]
        if up is None:
            return self._old_to_new.get(old, old)
        deeper = self._old_to_new.get(old, "")
        if deeper.startswith(up[1]) and deeper != up[1]:
            return deeper
        return up[1] + self._scaled(old[len(up[0]) :])

    def _scaled(self, deeper: str) -> str:
        """Further indentation, where this side has tabs and the other one spaces, or the other way round, or more or
        fewer spaces everywhere."""
        for old, new in self._old_to_new.items():
            if old.strip(" ") == "" and new.strip("\t") == "" and new and len(old) % len(new) == 0 and old:
                return deeper.replace(" " * (len(old) // len(new)), "\t")
            if old.strip("\t") == "" and new.strip(" ") == "" and old and len(new) % len(old) == 0 and new:
                return deeper.replace("\t", " " * (len(new) // len(old)))
        sizes = {(len(old), len(new)) for old, new in self._old_to_new.items() if old and not (old + new).strip(" ")}
        old_size, new_size = min(sizes, default=(1, 1))
        is_even = self._is_whole and all(old * new_size == new * old_size for old, new in sizes)
        return " " * (len(deeper) * new_size // old_size) if is_even and not deeper.strip(" ") else deeper


def _places(base: Sequence[str], side: Sequence[str]) -> dict[int, int]:
    """Where each line of the base is in a side, whatever it is indented by."""
    found: dict[int, int] = {}
    at = shift = 0
    end = Block(len(base), len(base), len(side), len(side))
    for change in chain(blocks([line.lstrip() for line in base], [line.lstrip() for line in side]), (end,)):
        found |= {row: row + shift for row in range(at, change.old_start)}
        at, shift = change.old_stop, change.new_stop - change.old_stop
    return found


def _everywhere(base: Sequence[str], side: Sequence[str], place: Mapping[int, int]) -> dict[str, str]:
    """What became of an indentation that became the same one everywhere."""
    found: dict[str, str | None] = {}
    for row, to in place.items():
        if base[row].strip():
            old, new = _indent(base[row]), _indent(side[to])
            if found.setdefault(old, new) != new:
                found[old] = None
    return {old: new for old, new in found.items() if new is not None}


def _reindented_rows(base: Sequence[str], side: Sequence[str], place: Mapping[int, int]) -> set[int]:
    """The lines of the base that are indented otherwise in a side, but for a single one that has hardly a letter."""
    found: set[int] = set()
    run: list[int] = []
    for row in range(len(base) + 1):
        to = place.get(row)
        if to is not None and (not base[row].strip() or _indent(base[row]) != _indent(side[to])):
            run.append(row)
            continue
        letters = [count for count in (sum(map(str.isalnum, base[at])) for at in run) if count]
        if len(letters) > 1 or sum(letters) >= _DISTINCT_LETTERS:
            found.update(at for at in run if base[at].strip())
        run = []
    return found


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _is_apart(lines: Sequence[str]) -> bool:
    """Whether an empty line parts lines from those before them, and none from those behind."""
    return len(lines) > 1 and not lines[0].strip() and bool(lines[-1].strip())


def _head(line: str) -> str:
    """How a line begins: a letter stands for all of them."""
    first = line.lstrip()[:1]
    return "a" if first.isalnum() or first == "_" else first
