"""The merge of three texts: a base, and what two sides made of it apart.

Theory of operation
    By lines first, as git does it (`lines.py`): where that is clean, the result is that, exactly, and nothing is
    told. Where git would ask there are *places*. Line ends that one side changed are changed in the whole text; a
    block that one side moved and the other changed is changed where it went (`moves.py`); notebooks merge by cells
    (`notebooks.py`); of a file that a program writes anew each time one side stands (`state.py`). Every other place is
    resolved by words, then by whole lines (`places.py`), and where the whole then does not parse though both sides
    did, otherwise (`parsing.py`).

Invariants
    * `ours` and `theirs` can change places: the text is the same.
    * The answer depends on the three texts and the name alone: budgets count steps, never seconds. `VERSION`
      changes whenever the answer to any three texts does, or a repair (`documents/meeting.py`).
    * Each place where git would ask is told once, with both versions; nothing else is told.
    * No marker of a conflict is written.

The texts come from members of a folder, who may be hostile: time and memory are bounded in all that is called here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from yp2p.threeway.balance import Balance
from yp2p.threeway.copies import without_copies
from yp2p.threeway.languages import is_code, language_of
from yp2p.threeway.lines import Clean, Place, Three, all_texts, ended, joined, merge_lines, places, split_lines
from yp2p.threeway.moves import follow_moves
from yp2p.threeway.notebooks import merge_notebooks
from yp2p.threeway.order import NEAR_LINES, Neighbours
from yp2p.threeway.parsing import Parses, parsing
from yp2p.threeway.places import Around, Budget, Piece, resolve
from yp2p.threeway.reindented import follow_indentation
from yp2p.threeway.sequences import Block, differences
from yp2p.threeway.state import whole_side
from yp2p.threeway.tally import Tally, tally

VERSION = 14
# Languages in which what is between `[` and `]` or `{` and `}` has commas between its members.
_WITH_LISTS = frozenset({"python", "json", "toml", "yaml"})
# What parts members of lists at the ends of lines, in program text that is not parsed.
_SEPARATORS = (",", " \\")


@dataclass(frozen=True, slots=True)
class Told:
    """A place where git would ask.

    Attributes:
        line: where it begins in the result, from 1.
        stands: the text that stands there; it may be empty.
        ours: what one side had there.
        theirs: what the other side had there.
    """

    line: int
    stands: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged text, and the places where git would ask, in order."""

    text: str
    told: tuple[Told, ...] = ()


def merge(path: str, base: str, ours: str, theirs: str, back: Collection[str] = ()) -> Merged:
    """Merge what two sides made of a text.

    Args:
        path: the name of the file; it tells the language.
        back: lines, without white space at their ends, that were gone in the base, and that both sides brought back:
            they stand once, wherever either side has them.
    """
    if ours == theirs or theirs == base:
        return Merged(ours)
    if ours == base:
        return Merged(theirs)
    if ours > theirs:  # an order that does not depend on who is who
        swapped = merge(path, base, theirs, ours, back)
        return replace(swapped, told=tuple(replace(t, ours=t.theirs, theirs=t.ours) for t in swapped.told))
    three = Three(split_lines(base), split_lines(ours), split_lines(theirs))
    parts = merge_lines(three)
    if not places(parts):
        return Merged(_single(path, three, joined(parts, ()), back))
    end = _new_line_end(base, ours, theirs)
    if end is None:
        return _decided(path, three, parts, back)
    plain = _plain(path, back, *(text.replace("\r\n", "\n") for text in (base, ours, theirs)))
    text = plain.replace("\n", end)
    return Merged(text, _located(three, parts, text))


def _plain(path: str, back: Collection[str], base: str, ours: str, theirs: str) -> str:
    """The merge of texts as they are, line ends included."""
    three = Three(split_lines(base), split_lines(ours), split_lines(theirs))
    parts = merge_lines(three)
    if not places(parts):
        return _single(path, three, joined(parts, ()), back)
    return _decided(path, three, parts, back).text


def _single(path: str, three: Three, text: str, back: Collection[str]) -> str:
    """A clean merge, with lines that both brought back once."""
    single = without_copies(three, split_lines(text), (), back) if back else None
    if single is None:
        return text
    parses = _checker(path, ["".join(three.ours), "".join(three.theirs)])
    return "".join(single) if parses is None or parses.parses_at_last(single) else text


def _new_line_end(base: str, ours: str, theirs: str) -> str | None:
    """What ends all lines of the result, where one side changed that of all lines, or both the same way; else None."""
    end, end_ours, end_theirs = map(_line_end, (base, ours, theirs))
    if end is None or end_ours is None or end_theirs is None or end == end_ours == end_theirs:
        return None
    return end_ours if end_ours != end else end_theirs


def _line_end(text: str) -> str | None:
    """What ends all lines of a text; None where they differ."""
    returns, feeds = text.count("\r\n"), text.count("\n")
    return "\n" if not returns else "\r\n" if returns == feeds else None


def _decided(path: str, three: Three, parts: Sequence[Clean | Place], back: Collection[str]) -> Merged:
    """The merge where git would ask."""
    texts = base, ours, theirs = ["".join(lines) for lines in (three.base, three.ours, three.theirs)]
    if language_of(path) == "notebook":
        book = merge_notebooks(base, ours, theirs, lambda *cell: merge("cell.py", *cell).text)
        if book is not None:
            return Merged(book, _located(three, parts, book))
    is_ours = whole_side(language_of(path), three, parts)
    if is_ours is not None:
        whole = texts[1] if is_ours else texts[2]
        return Merged(whole, _told(parts, ["".join(p.ours if is_ours else p.theirs) for p in places(parts)]))
    sizes = _extent(three.by_ours), _extent(three.by_theirs)
    is_larger = None if sizes[0] == sizes[1] else sizes[0] > sizes[1]
    around = Around(
        Neighbours(), is_larger, Budget(), language_of(path) in _WITH_LISTS, _SEPARATORS if is_code(path) else ()
    )
    asked = _Asked(three, parts, back, around, _checker(path, texts[1:]))
    best: Merged | None = None
    fewest = Tally(0, 0)
    for used in _ways(three, parts):
        found = _in_this_way(asked, used)
        if found is None:
            continue
        count = tally(three.base, three.ours, three.theirs, found.text)
        if best is None or count.is_better(fewest):
            best, fewest = found, count
        if not fewest.doubled:
            return best
    if best is None:
        whole = max(texts[1:])
        return Merged(whole, _located(three, parts, whole))
    return best


@dataclass(frozen=True, slots=True)
class _Asked:
    """A merge where git would ask: the texts, git's parts, and what all ways to merge share."""

    three: Three
    parts: Sequence[Clean | Place]
    back: Collection[str]
    around: Around
    parses: Parses | None


def _ways(three: Three, parts: Sequence[Clean | Place]) -> Iterator[Sequence[Clean | Place]]:
    """The parts of the result in each way to merge: first with what one side changed in lines that the other one
    re-indented done there; then without."""
    followed = follow_indentation(three)
    if followed is not None:
        yield from _ways_to_move(followed, merge_lines(followed))
    yield from _ways_to_move(three, parts)


def _ways_to_move(three: Three, parts: Sequence[Clean | Place]) -> Iterator[Sequence[Clean | Place]]:
    """The parts in each way: first with what moved from one place to another followed, if git would ask less then than
    without what moved; then without moves, then with those inside of one place as well."""
    followed = follow_moves(three, _one_line)
    used = merge_lines(followed) if followed is not None else None
    if followed is not None and used is not None:
        taken = sum(map(len, (three.base, three.ours, three.theirs)))
        taken -= sum(map(len, (followed.base, followed.ours, followed.theirs)))
        places_now, lines_now = _asks(used)
        places_before, lines_before = _asks(parts)
        if places_now < places_before or (places_now == places_before and lines_now + taken < lines_before):
            yield used
            used = None
    yield parts
    if used is not None:
        yield used
    followed = follow_moves(three, _one_line, also_in_place=True)
    if followed is not None:
        yield merge_lines(followed)


def _in_this_way(asked: _Asked, used: Sequence[Clean | Place]) -> Merged | None:
    """The merge with these parts; None where nothing that parses was found."""
    three, parses = asked.three, asked.parses
    chosen = _chosen(asked, used)
    if chosen is None:
        return None
    texts = all_texts(used, chosen)
    text = "".join(texts)
    chosen = [text for text, part in zip(texts, used, strict=True) if isinstance(part, Place)]
    single = without_copies(three, split_lines(text), _rows_of(used, chosen), asked.back)
    if single is not None and (parses is None or parses.parses_at_last(single)):
        text = "".join(single)
        return Merged(text, _located(three, asked.parts, text))
    return Merged(text, _told(used, chosen) if used is asked.parts else _located(three, asked.parts, text))


def _one_line(base: str, ours: str, theirs: str) -> str | None:
    """What becomes of one line, with an end; None where that is more than a line."""
    of_base, of_ours, of_theirs = (text if text.endswith("\n") else text + "\n" for text in (base, ours, theirs))
    pieces = resolve(of_base, of_ours, of_theirs, Around(Neighbours((), ()), None, Budget()))
    lines = split_lines("".join(piece.stands for piece in pieces))
    return lines[0] if len(lines) == 1 else None


def _checker(path: str, sides: Sequence[str]) -> Parses | None:
    """What tells whether the result parses; None where it need not."""
    if language_of(path) is None:
        balance = Balance(sides) if is_code(path) else None
        return balance if balance is not None and balance.is_needed else None
    from yp2p.threeway.checker import Checker  # the parsers take memory: only who parses loads them

    checker = Checker(path, sides)
    return checker if checker.is_needed else None


def _chosen(asked: _Asked, parts: Sequence[Clean | Place]) -> list[str] | None:
    """What stands at each place; None where nothing that parses was found."""
    parses = asked.parses
    resolved = [
        resolve(
            "".join(part.base),
            "".join(part.ours),
            "".join(part.theirs),
            replace(asked.around, lines=_neighbours(parts, number)),
        )
        for number, part in enumerate(parts)
        if isinstance(part, Place)
    ]
    wanted = ["".join(ended([piece.stands for piece in pieces])) for pieces in resolved]
    if parses is None or parses([joined(parts, wanted)]):
        return wanted
    pieces: list[Piece] = []
    numbers: list[int] = []  # of the place that each piece belongs to
    at = enumerate(resolved)
    for part in parts:
        number, found = (-1, [_clean("".join(part.lines))]) if isinstance(part, Clean) else next(at)
        pieces += found
        numbers += [number] * len(found)
    chosen = parsing(pieces, parses)
    if chosen is None:
        return None
    standing = list(zip(ended(chosen), numbers, strict=True))
    return ["".join(text for text, of in standing if of == place) for place in range(len(resolved))]


def _rows_of(parts: Sequence[Clean | Place], chosen: Sequence[str]) -> list[tuple[range, Place]]:
    """The rows of the result that each place has."""
    found: list[tuple[range, Place]] = []
    row = 0
    at = iter(chosen)
    for part in parts:
        size = len(part.lines) if isinstance(part, Clean) else len(split_lines(next(at)))
        if isinstance(part, Place):
            found.append((range(row, row + size), part))
        row += size
    return found


def _neighbours(parts: Sequence[Clean | Place], number: int) -> Neighbours:
    """The lines around a part, as far as nobody need decide on them."""
    before = parts[number - 1] if number else None
    behind = parts[number + 1] if number + 1 < len(parts) else None
    return Neighbours(
        before.lines[: -NEAR_LINES - 1 : -1] if isinstance(before, Clean) else (),
        behind.lines[:NEAR_LINES] if isinstance(behind, Clean) else (),
    )


def _asks(parts: Sequence[Clean | Place]) -> tuple[int, int]:
    """In how many places git would ask, and how many lines those have."""
    found = places(parts)
    return len(found), sum(len(lines) for place in found for lines in (place.base, place.ours, place.theirs))


def _extent(changes: Sequence[Block]) -> int:
    return sum(block.old_stop - block.old_start + block.new_stop - block.new_start for block in changes)


def _clean(text: str) -> Piece:
    return Piece(text, text, text, text)


def _told(parts: Sequence[Clean | Place], chosen: Sequence[str]) -> tuple[Told, ...]:
    told: list[Told] = []
    line = 1
    at = iter(chosen)
    for part in parts:
        if isinstance(part, Clean):
            line += len(part.lines)
        else:
            stands = next(at)
            told.append(Told(line, stands, "".join(part.ours), "".join(part.theirs)))
            line += stands.count("\n")
    return tuple(told)


def _located(three: Three, parts: Sequence[Clean | Place], result: str) -> tuple[Told, ...]:
    """The places, as far as each can be found in a result that was not made place by place."""
    rows = split_lines(result)
    changes = differences(three.ours, rows)

    starts = [change.old_start for change in changes]

    def row_of(row: int, *, is_end: bool) -> int:
        """Where a row of ours is in the result; inside of what became something else, as far from its beginning."""
        number = bisect_right(starts, row) - 1
        if is_end and number >= 0 and changes[number].old_start == row < changes[number].old_stop:
            number -= 1  # this one is behind the end
        if number < 0:
            return row
        change = changes[number]
        if row > change.old_stop or (row == change.old_stop and (is_end or row > change.old_start)):
            return row + change.new_stop - change.old_stop
        return min(change.new_start + row - change.old_start, change.new_stop)

    told: list[Told] = []
    for place in places(parts):
        start = row_of(place.ours_at, is_end=False)
        stop = max(start, row_of(place.ours_at + len(place.ours), is_end=True))
        told.append(Told(start + 1, "".join(rows[start:stop]), "".join(place.ours), "".join(place.theirs)))
    return tuple(told)
