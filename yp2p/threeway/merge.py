"""The merge of three texts: a base, and what two sides made of it apart.

Theory of operation
    By lines first, as git does it (`lines.py`): where that is clean, the result is that, exactly, and nothing is told.
    Where git would ask there are *places*. A block that one side moved and the other changed is changed where it went
    (`moves.py`); line ends that one side changed are changed in the whole text; notebooks merge by cells
    (`notebooks.py`). Every other place is resolved by words, then by whole lines (`places.py`).

    *What parsed still parses.* Where all three texts parse and the result does not, the merge begins anew with one side's
    text at every place, which parses, and takes back place by place what it can of the other: what was decided first,
    else both in either order, with a comma between, else the other side. What did not go in is in the notice.

Invariants
    * `ours` and `theirs` can change places: the text is the same.
    * The answer depends on the three texts and the name's ending alone: budgets count steps, never seconds. `VERSION`
      changes whenever the answer to any three texts does.
    * Each place is told once, with both versions. Nothing is told where git would not ask.
    * No marker of a conflict is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from yp2p.threeway import notebooks, syntax
from yp2p.threeway.lines import Clean, Place, merge_lines, split_lines
from yp2p.threeway.moves import follow_moves
from yp2p.threeway.places import Texts, alternatives, resolve

VERSION = 1
# Characters that are parsed for one merge at most, tries included: half a second of a worker's time.
_PARSE_BUDGET_CHARS = 4_000_000
# Ways to resolve one place that are tried until the text parses.
_MAX_TRIES = 12


@dataclass(frozen=True, slots=True)
class Told:
    """A place where git would ask.

    `line` is where it begins in the result, from 1; `stands` is the text that stands there, and `ours` and `theirs` are what either
    side had.
    """

    line: int
    stands: str
    ours: str
    theirs: str

    @property
    def is_lossless(self) -> bool:
        """Whether every line of both sides stands."""
        standing = set(split_lines(self.stands))
        return standing.issuperset(split_lines(self.ours)) and standing.issuperset(split_lines(self.theirs))


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged text, and the places where git would ask."""

    text: str
    told: tuple[Told, ...] = ()


def merge(path: str, base: str, ours: str, theirs: str) -> Merged:
    """Merge what two sides made of a text.

    Args:
        path: the name of the file; its ending tells the language.
    """
    if ours == theirs or theirs == base:
        return Merged(ours)
    if ours == base:
        return Merged(theirs)
    if ours > theirs:
        swapped = merge(path, base, theirs, ours)
        return Merged(swapped.text, tuple(Told(t.line, t.stands, t.theirs, t.ours) for t in swapped.told))
    parts = merge_lines(split_lines(base), split_lines(ours), split_lines(theirs))
    if not _places(parts):
        return Merged(_text(parts, []))
    return _with_line_ends(path, base, ours, theirs) or _asked(path, base, ours, theirs, parts)


def _places(parts: Sequence[Clean | Place]) -> list[Place]:
    return [part for part in parts if isinstance(part, Place)]


def _text(parts: Sequence[Clean | Place], chosen: Sequence[str]) -> str:
    at = iter(chosen)
    return "".join("".join(part.lines) if isinstance(part, Clean) else next(at) for part in parts)


def _with_line_ends(path: str, base: str, ours: str, theirs: str) -> Merged | None:
    """The merge where one side changed the ends of all lines: without them, and then with them."""
    ends = [_line_end(text) for text in (base, ours, theirs)]
    if None in ends or ends[1] == ends[2] == ends[0] or (ends[1] != ends[0] and ends[2] not in (ends[0], ends[1])):
        return None
    new = (ends[1] if ends[1] != ends[0] else ends[2]) or "\n"
    plain = merge(path, *(text.replace("\r\n", "\n") for text in (base, ours, theirs)))
    told = plain.told or (Told(1, "", "", ""),)
    return Merged(
        plain.text.replace("\n", new),
        tuple(Told(t.line, *(part.replace("\n", new) for part in (t.stands, t.ours, t.theirs))) for t in told),
    )


def _line_end(text: str) -> str | None:
    """What ends all lines of a text; None where they differ."""
    returns, feeds = text.count("\r\n"), text.count("\n")
    return "\n" if not returns else "\r\n" if returns == feeds else None


def _asked(path: str, base: str, ours: str, theirs: str, parts: Sequence[Clean | Place]) -> Merged:
    """The merge where git would ask."""
    language = syntax.language_of(path)
    if language == "notebook":
        book = notebooks.merge_notebooks(base, ours, theirs, lambda *cell: merge("cell.py", *cell).text)
        if book is not None:
            return Merged(book, _told(parts, [_side(place, ours=True) for place in _places(parts)], book))
    followed = merge_lines(*follow_moves(*map(split_lines, (base, ours, theirs))))
    moved = () if len(_places(followed)) == len(_places(parts)) else _told(parts, ["" for _ in _places(parts)], None)
    if len(_places(followed)) < len(_places(parts)):
        parts = followed
    texts = [Texts("".join(p.base), "".join(p.ours), "".join(p.theirs)) for p in _places(parts)]
    chosen = [resolve(text) for text in texts]
    if language is not None:
        checked = _Checker.of(language, (base, ours, theirs))
        if checked is not None and not checked(_text(parts, chosen)):
            parsing = _parsing(parts, texts, chosen, checked)
            if parsing is None:
                whole = max(ours, theirs)
                return Merged(whole, (Told(1, whole, ours, theirs),))
            chosen = parsing
    return Merged(_text(parts, chosen), _told(parts, chosen, None) or moved)


def _told(parts: Sequence[Clean | Place], chosen: Sequence[str], whole: str | None) -> tuple[Told, ...]:
    told: list[Told] = []
    line = 1
    at = iter(chosen)
    for part in parts:
        if isinstance(part, Clean):
            line += len(part.lines)
            continue
        stands = next(at)
        told.append(Told(1 if whole is not None else line, stands, "".join(part.ours), "".join(part.theirs)))
        line += stands.count("\n")
    return tuple(told)


class _Checker:
    """Whether texts parse, while the budget lasts."""

    def __init__(self, language: str, allowed: dict[str, int]) -> None:
        self._language = language
        self._allowed = allowed
        self._left = _PARSE_BUDGET_CHARS

    @classmethod
    def of(cls, language: str, texts: Sequence[str]) -> _Checker | None:
        """None where one of these texts does not parse, or is too large to try."""
        if not all(map(syntax.is_parsable_size, texts)):
            return None
        syntax.begin()
        allowed: dict[str, int] = {}
        for text in texts:
            twice = syntax.check(language, text)
            if twice is None:
                return None
            allowed |= {key: max(count, allowed.get(key, 0)) for key, count in twice.items()}
        return cls(language, allowed)

    def __call__(self, text: str) -> bool:
        """Whether a text parses; no, once the budget is used."""
        self._left -= len(text)
        if self._left < 0:
            return False
        twice = syntax.check(self._language, text)
        return twice is not None and all(count <= self._allowed.get(key, 0) for key, count in twice.items())


def _side(place: Place, *, ours: bool) -> str:
    return "".join(place.ours if ours else place.theirs)


def _parsing(
    parts: Sequence[Clean | Place], texts: Sequence[Texts], wanted: Sequence[str], parses: Callable[[str], bool]
) -> list[str] | None:
    """What stands at each place so that the whole parses; None where that cannot be found."""
    for sides in ([t.ours for t in texts], [t.theirs for t in texts]):
        if parses(_text(parts, sides)):
            break
    else:
        return None
    chosen = list(sides)

    def take(first: int, stop: int) -> None:
        """Take what was wanted at these places, all at once where that parses, else half by half."""
        before = chosen[first:stop]
        chosen[first:stop] = wanted[first:stop]
        if chosen[first:stop] == before or parses(_text(parts, chosen)):
            return
        chosen[first:stop] = before
        if stop - first > 1:
            middle = (first + stop) // 2
            take(first, middle)
            take(middle, stop)
            return
        for other in islice(alternatives(texts[first]), _MAX_TRIES):
            chosen[first] = other
            if other == before[0] or parses(_text(parts, chosen)):
                return
        chosen[first] = before[0]

    if len(texts) == 1:
        take(0, 1)
    else:
        take(0, len(texts) // 2)
        take(len(texts) // 2, len(texts))
    return chosen
