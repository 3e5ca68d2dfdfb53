"""How much of a newer version of a text is in a save, and whether the save looks like a change of an older one.

All of it is counted in letters and digits of whole lines, so that an added brace or blank line weighs nothing beside a
sentence; where a change has none (only braces, only blank lines), its characters count instead. White space at either
end of a line counts for nothing: a save with other line ends or another indentation has kept the lines. So has one that
moved them, or only added words to a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from yp2p.documents.diff import Hunk, hunks, line_blocks, split_lines

# Lines times lines that are compared word by word at most: 10 ms.
_MAX_PAIRINGS = 4096
# A line of which more letters than this share are taken out is not that line any more.
_EDITED = 0.4


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a save has of two versions.

    Attributes:
        lacks: share (0 to 1) of what the newer version changed that the save does not have: lines that it added or
            rewrote and that are missing or cut in the save, and lines that it removed and that are there, also edited.
        keeps: share (0 to 1) of the lines that both versions have that the save has as well; 1 where there is none.
        covers: whether the save changed every line that the newer version changed. Lines that the newer version only
            added are not covered.
    """

    lacks: float
    keeps: float
    covers: bool


def overlap(older: str, newer: str, save: str) -> Overlap:
    """Compare a save with two versions that it may have been made of.

    Two diffs with the save by words and one of the versions by lines; of texts of more than 200,000 characters this
    belongs in a worker thread.
    """
    exact = older, newer, save
    older, newer, save = map(_stripped, exact)
    if older == newer and exact[0] != exact[1]:
        return _overlap_of_layout(*map(split_lines, exact))
    old, new = _Lines(older), _Lines(newer)
    cut_old, cut_new = old.cut_by(hunks(older, save)), new.cut_by(hunks(newer, save))
    in_old, in_new = cut_old.keys(), cut_new.keys()
    elsewhere = set(split_lines(save))
    blocks = line_blocks(old.lines, new.lines)
    replaced = {row for block in blocks for row in range(block.old_start, block.old_stop)}
    added = {row for block in blocks for row in range(block.new_start, block.new_stop)}
    removed = {
        row for block in blocks if block.new_start == block.new_stop for row in range(block.old_start, block.old_stop)
    }
    common = set(range(len(old.lines))) - replaced
    use_letters = bool(new.letters(added) + old.letters(removed))
    total = new.weight(added, use_letters) + old.weight(removed, use_letters)
    gone = {
        row for row in removed & in_old
        if not _letters(old.lines[row]) or cut_old[row] > _EDITED * _letters(old.lines[row])
    }  # fmt: skip
    lacking = new.weight(added & in_new, use_letters) + old.weight(removed - gone, use_letters)
    lost = {row for row in in_old if old.lines[row] not in elsewhere}
    common_letters = bool(old.letters(common))
    all_common = old.weight(common, common_letters)
    extended = _extended([(row, old.lines[row]) for row in common & lost], elsewhere - set(old.lines))
    return Overlap(
        lacks=lacking / total if total else 0.0,
        keeps=old.weight(common - (lost - extended), common_letters) / all_common if all_common else 1.0,
        covers=bool(blocks) and all(block.old_start < block.old_stop for block in blocks) and replaced <= lost,
    )


def _extended(rows: Sequence[tuple[int, str]], lines: Set[str]) -> set[int]:
    """The rows of which some line has every word, in their order, and more. (Of many, none is looked at.)"""
    if len(rows) * len(lines) > _MAX_PAIRINGS:
        return set()
    words = [(row, line.split()) for row, line in rows]
    there = [line.split() for line in lines]
    return {row for row, own in words if own and any(_has_in_order(other, own) for other in there)}


def _has_in_order(words: Sequence[str], own: Sequence[str]) -> bool:
    left = iter(words)
    return all(word in left for word in own)


def _overlap_of_layout(older: Sequence[str], newer: Sequence[str], save: Sequence[str]) -> Overlap:
    """Where the newer version changed nothing but line ends or indentation: whether the save has those."""
    there, words = set(save), {line.strip() for line in save}
    changed = [one for one, other in zip(newer, older, strict=False) if one != other]
    lacking = sum(len(line) for line in changed if line not in there)
    kept = sum(len(line) for line in older if line.strip() in words)
    return Overlap(lacking / max(1, sum(map(len, changed))), kept / max(1, sum(map(len, older))), covers=False)


def _stripped(text: str) -> str:
    return "".join(line.strip() + "\n" for line in text.split("\n"))


class _Lines:
    """The lines of a text, and where they are."""

    def __init__(self, text: str) -> None:
        self.lines = split_lines(text)
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line))
        self._text = text

    def cut_by(self, changes: Sequence[Hunk]) -> dict[int, int]:
        """The rows that these changes take something out of, and how many letters: of a line without letters all."""
        cut: dict[int, int] = {}
        row = 0
        for hunk in changes:
            while self._starts[row + 1 : row + 2] and self._starts[row + 1] <= hunk.start:
                row += 1
            at = row
            while at < len(self.lines) and self._starts[at] < hunk.stop:
                start, stop = max(self._starts[at], hunk.start), min(self._starts[at + 1], hunk.stop)
                letters = _letters(self._text[start:stop])
                if letters or (not _letters(self.lines[at]) and start < stop):
                    cut[at] = cut.get(at, 0) + letters
                at += 1
        return cut

    def letters(self, rows: Iterable[int]) -> int:
        return sum(_letters(self.lines[row]) for row in rows)

    def weight(self, rows: Iterable[int], use_letters: bool) -> int:
        return self.letters(rows) if use_letters else sum(len(self.lines[row]) for row in rows)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))
