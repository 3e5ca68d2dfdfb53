"""What a save changed: lines first, then words.

Theory of operation
    A diff by characters finds the shortest edit, which is not the one a person made: if two people change 1200 to 1800
    and to 2400, the merge is 8400, and lines that were inserted side by side come out cut into each other. So each
    distinct line is one symbol, and the diff runs over symbols. Where a removed line and an added line are at
    least 60 % alike, the line was edited: inside it the symbols are words (`\\w+`) and single other characters.
    No hunk begins or ends inside a word, and nothing is trimmed except at line ends.

    Which symbols are common is decided in `threeway/sequences.py`, the same on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yp2p.threeway.sequences import Block, differences

_ALIKE = 0.6
# Pairing the lines of one block costs rows x columns comparisons of 10 us; beyond this the block is replaced whole.
_MAX_PAIRINGS = 4096
# The same for all blocks of a text, the first ones first: half a second. A text whose lines were shuffled has hundreds.
_MAX_ALL_PAIRINGS = 12 * _MAX_PAIRINGS
# Words are looked at in lines up to this length; a minified file is one line of a megabyte.
_MAX_WORD_LINE = 20_000
_WORDS = re.compile(r"\w+|\W")


@dataclass(frozen=True, slots=True)
class Hunk:
    """Replace the code points `start:stop` of the old text by `text`."""

    start: int
    stop: int
    text: str


def split_lines(text: str) -> list[str]:
    """Lines with their ends; only a line feed ends a line."""
    lines = text.split("\n")
    last = lines.pop()
    result = [line + "\n" for line in lines]
    if last:
        result.append(last)
    return result


def _likeness(old: str, new: str) -> float:
    """0 to 1: twice the characters in words that both lines share, by the length of both."""
    total = len(old) + len(new)
    if 2 * min(len(old), len(new)) < _ALIKE * total or max(len(old), len(new)) > _MAX_WORD_LINE:
        return 0.0
    words_old, words_new = _WORDS.findall(old), _WORDS.findall(new)
    known = set(words_old)
    if 2 * sum(len(word) for word in words_new if word in known) < _ALIKE * total:
        return 0.0  # whatever their order
    kept = len(old) - sum(
        len(word) for block in differences(words_old, words_new) for word in words_old[block.old_start : block.old_stop]
    )
    return 2 * kept / total


def _pair_lines(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Which old line became which new line: the alignment, in order, with the most likeness."""
    rows, columns = len(old), len(new)
    if rows * columns > _MAX_PAIRINGS:
        return []
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    alike = [[0.0] * columns for _ in range(rows)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            likeness = _likeness(old[i], new[j])
            alike[i][j] = likeness if likeness >= _ALIKE else 0.0
            paired = best[i + 1][j + 1] + alike[i][j] if alike[i][j] else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], paired)
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < rows and j < columns:
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _word_hunks(old: str, new: str, at: int) -> Iterator[Hunk]:
    words_old, words_new = _WORDS.findall(old), _WORDS.findall(new)
    starts = [0]
    for word in words_old:
        starts.append(starts[-1] + len(word))
    for block in differences(words_old, words_new):
        yield Hunk(
            at + starts[block.old_start],
            at + starts[block.old_stop],
            "".join(words_new[block.new_start : block.new_stop]),
        )


def _block_hunks(old: Sequence[str], new: Sequence[str], at: int, *, is_paired: bool) -> Iterator[Hunk]:
    """The hunks of one block of lines that begins at code point `at`.

    Args:
        is_paired: whether lines that are alike are one line that was edited.
    """
    pairs = _pair_lines(old, new) if old and new and is_paired else []
    i = j = 0
    for pair_old, pair_new in [*pairs, (len(old), len(new))]:
        size = sum(map(len, old[i:pair_old]))
        if size or j < pair_new:
            yield Hunk(at, at + size, "".join(new[j:pair_new]))
        at += size
        if pair_old < len(old) and pair_new < len(new):
            yield from _word_hunks(old[pair_old], new[pair_new], at)
            at += len(old[pair_old])
        i, j = pair_old + 1, pair_new + 1


def hunks(old: str, new: str, limit: int = 1000, *, by_words: bool = True) -> list[Hunk]:
    """The replacements that turn `old` into `new`, in order, at most `limit` of them.

    Where there would be more, neighbours are joined into larger replacements.

    Args:
        by_words: whether an edited line is edited word by word, and not replaced whole.
    """
    if old == new:
        return []
    lines_old, lines_new = split_lines(old), split_lines(new)
    starts = [0]
    for line in lines_old:
        starts.append(starts[-1] + len(line))
    blocks = differences(lines_old, lines_new)
    found: list[Hunk] = []
    pairings = 0
    for block in blocks:
        size = (block.old_stop - block.old_start) * (block.new_stop - block.new_start)
        pairings += size if size <= _MAX_PAIRINGS else 0
        found += _block_hunks(
            lines_old[block.old_start : block.old_stop],
            lines_new[block.new_start : block.new_stop],
            starts[block.old_start],
            is_paired=by_words and pairings <= _MAX_ALL_PAIRINGS,
        )
    return found if len(found) <= limit else _joined(old, found, limit)


def line_blocks(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """Which lines became which, in order."""
    return differences(old, new)


def _joined(old: str, found: list[Hunk], limit: int) -> list[Hunk]:
    """The same change in at most `limit` hunks."""
    step = -(-len(found) // limit)
    result: list[Hunk] = []
    for first in range(0, len(found), step):
        group = found[first : first + step]
        parts: list[str] = []
        at = group[0].start
        for hunk in group:
            parts += [old[at : hunk.start], hunk.text]
            at = hunk.stop
        result.append(Hunk(group[0].start, group[-1].stop, "".join(parts)))
    return result


def apply_hunks(old: str, changes: Sequence[Hunk]) -> str:
    """What `old` becomes."""
    parts: list[str] = []
    at = 0
    for hunk in changes:
        parts += [old[at : hunk.start], hunk.text]
        at = hunk.stop
    return "".join([*parts, old[at:]])


def extent(found: Sequence[Hunk]) -> int:
    """How many code points were taken out and put in."""
    return sum(hunk.stop - hunk.start + len(hunk.text) for hunk in found)


def unified(old: str, new: str, context: int = 3) -> list[str]:
    """What became of a text as the hunks of a unified diff, without the lines that name the files."""
    lines_old, lines_new = split_lines(old), split_lines(new)
    groups: list[list[Block]] = []
    for block in differences(lines_old, lines_new):
        if groups and block.old_start - groups[-1][-1].old_stop <= 2 * context:
            groups[-1].append(block)
        else:
            groups.append([block])
    found: list[str] = []
    for group in groups:
        first, last = group[0], group[-1]
        before = min(context, first.old_start)
        after = min(context, len(lines_old) - last.old_stop)
        at_old, at_new = first.old_start - before, first.new_start - before
        size_old, size_new = last.old_stop + after - at_old, last.new_stop + after - at_new
        found.append(f"@@ -{_place(at_old, size_old)} +{_place(at_new, size_new)} @@")
        at = at_old
        for block in group:
            found += [" " + _shown(line) for line in lines_old[at : block.old_start]]
            found += ["-" + _shown(line) for line in lines_old[block.old_start : block.old_stop]]
            found += ["+" + _shown(line) for line in lines_new[block.new_start : block.new_stop]]
            at = block.old_stop
        found += [" " + _shown(line) for line in lines_old[at : last.old_stop + after]]
    return found


def _place(start: int, size: int) -> str:
    """Where a hunk is, as diffs count: from 1, and the line before it where it has none."""
    return f"{start + 1 if size else start},{size}"


def _shown(line: str) -> str:
    return line.removesuffix("\n") if line.endswith("\n") else line + "\n\\ No newline at end of file"
