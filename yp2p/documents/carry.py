"""Carrying a change over to a document that has some of it already.

Theory of operation
    A save is diffed against its base, and the difference is applied there. That goes wrong where the file knows more
    than its base: the store was brought back from a backup and the files were not, or the same change (a pull, a
    formatter) was made on other devices, which have gone on from there. Part of what the file has beyond its base then
    is in the document already, and would come twice.

    So where most of what either has beyond the base is the same lines, the file is compared with the document instead,
    line by line, and the base tells what a difference means:

    ===================  ==================  =======================================
    in the document      in the file         what is done
    ===================  ==================  =======================================
    there, from base     gone                the file took it out: take it out
    there, new           not there           others put it in: leave it
    gone, was in base    there               others took it out: leave it out
    not there            there, new          the file put it in: put it in
    there, new           there, new          both have it: once is enough
    ===================  ==================  =======================================

Invariants
    * Nothing is put into the middle of a line: lines that both changed stay as two lines.
    * No new line of either side is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from yp2p.documents.diff import Hunk, LineBlock, line_blocks, split_lines

# Fewer letters in a line are chance: a brace, a blank, `return`.
_DISTINCT_LETTERS = 6


def carry_over(base: str, file: str, document: str) -> list[Hunk] | None:
    """What to replace in `document`; None when it has too little of what `file` has beyond `base`."""
    base_lines, file_lines, lines = split_lines(base), split_lines(file), split_lines(document)
    file_origin, origin = _origins(base_lines, file_lines), _origins(base_lines, lines)
    blocks = line_blocks(lines, file_lines)
    if not _share_most_news(blocks, lines, origin, file_origin):
        return None
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    in_file, in_document = set(file_origin) - {None}, set(origin) - {None}
    found: list[Hunk] = []
    for block in blocks:
        removed = {origin[row] for row in range(block.old_start, block.old_stop)} - {None}
        added = {file_origin[row] for row in range(block.new_start, block.new_stop)} - {None}
        # A line of the base that the file has elsewhere stays where others have it.
        found += [
            Hunk(starts[row], starts[row + 1], "")
            for row in range(block.old_start, block.old_stop)
            if origin[row] is not None and (origin[row] not in in_file or origin[row] in added)
        ]
        text = "".join(
            file_lines[row]
            for row in range(block.new_start, block.new_stop)
            if file_origin[row] is None or (file_origin[row] in in_document and file_origin[row] in removed)
        )
        if text:
            at = starts[block.old_stop]
            if at == len(document) and document and not document.endswith("\n"):
                text = "\n" + text
            elif at < len(document) and not text.endswith("\n"):
                text += "\n"
            found.append(Hunk(at, at, text))
    return found


def _origins(base: Sequence[str], lines: Sequence[str]) -> list[int | None]:
    """For each line, which one of the base it is; None for a new one."""
    origins: list[int | None] = []
    at = 0
    for block in line_blocks(base, lines):
        origins += range(at, block.old_start)
        origins += [None] * (block.new_stop - block.new_start)
        at = block.old_stop
    return [*origins, *range(at, len(base))]


def _share_most_news(
    blocks: Sequence[LineBlock], lines: Sequence[str], origin: Sequence[int | None], file_origin: Sequence[int | None]
) -> bool:
    """Whether most of what one of them has beyond the base is what the other one has as well."""
    times = Counter(lines)
    shared = at = shift = 0
    for block in [*blocks, LineBlock(len(lines), len(lines), len(file_origin), len(file_origin))]:
        for row in range(at, block.old_start):
            is_news = origin[row] is None and file_origin[row + shift] is None
            if is_news and times[lines[row]] == 1 and sum(map(str.isalnum, lines[row])) >= _DISTINCT_LETTERS:
                shared += 1
        at, shift = block.old_stop, block.new_stop - block.old_stop
    news = min(origin.count(None), file_origin.count(None))
    return shared > 0 and 2 * shared >= news
