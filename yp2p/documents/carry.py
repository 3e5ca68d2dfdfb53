"""Carrying a change over to a document that has some of it already.

Theory of operation
    A save is diffed against its base, and the difference is applied there. That goes wrong where the file knows more
    than its base: the store was brought back from a backup and the files were not, or the same change (a pull, a
    formatter) was made on other devices, which have gone on from there. Part of what the file has beyond its base then
    is in the document already, and would come twice.

    So where the document has, beyond the base, what the file has beyond the base as well, the file is compared with
    the document instead, and the base tells what a difference means:

    ===================  ==================  =======================================
    in the document      in the file         what is done
    ===================  ==================  =======================================
    there, from base     gone                the file took it out: take it out
    there, new           not there           others put it in: leave it
    gone, was in base    there               others took it out: leave it out
    not there            there, new          the file put it in: put it in
    there, new           there, new          both have it: once is enough
    ===================  ==================  =======================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yp2p.documents.diff import Hunk, hunks

# Less than this in common is chance: a brace, a blank, `return`.
_DISTINCT_CHARS = 8


def carry_over(base: str, file: str, document: str) -> list[Hunk] | None:
    """What to replace in `document`; None when it has nothing of what `file` has beyond `base`."""
    document_origin = _origins(hunks(base, document), len(base), document)
    file_origin = _origins(hunks(base, file), len(base), file)
    differences = hunks(document, file)
    if not _shares_news(differences, document, document_origin, file_origin):
        return None
    kept = {place for place in document_origin if place is not None}
    found: list[Hunk] = []
    shift = 0
    for hunk in differences:
        found += [Hunk(start, stop, "") for start, stop in _from_base(document_origin, hunk.start, hunk.stop)]
        begin = hunk.start + shift
        text = "".join(
            letter
            for letter, place in zip(hunk.text, file_origin[begin : begin + len(hunk.text)], strict=True)
            if place is None or place in kept
        )
        if text:
            found.append(Hunk(hunk.stop, hunk.stop, text))
        shift += len(hunk.text) - (hunk.stop - hunk.start)
    return found


def _origins(changes: Sequence[Hunk], size: int, text: str) -> list[int | None]:
    """For each character of `text`, which one of the base it is; None for a new one."""
    origins: list[int | None] = []
    at = 0
    for hunk in changes:
        origins += range(at, hunk.start)
        origins += [None] * len(hunk.text)
        at = hunk.stop
    origins += range(at, size)
    assert len(origins) == len(text)
    return origins


def _from_base(origins: Sequence[int | None], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The stretches between two places that come from the base."""
    at = start
    while at < stop:
        end = at
        while end < stop and origins[end] is not None:
            end += 1
        if end > at:
            yield at, end
        at = max(end, at + 1)


def _shares_news(
    differences: Sequence[Hunk], document: str, document_origin: Sequence[int | None], file_origin: Sequence[int | None]
) -> bool:
    """Whether both have something new in common."""
    at = shift = 0
    for hunk in [*differences, Hunk(len(document), len(document), "")]:
        run = 0
        for place in range(at, hunk.start):
            is_news = document_origin[place] is None and file_origin[place + shift] is None
            if not is_news:
                run = 0
            elif not document[place].isspace():
                run += 1
                if run >= _DISTINCT_CHARS:
                    return True
        shift += len(hunk.text) - (hunk.stop - hunk.start)
        at = hunk.stop
    return False
