"""The history of a text: what each row of its log changed, and who wrote what is there now.

Theory of operation
    A document is the sum of its log, so every version that this device ever had can be made again from the rows up to
    it. How much a row changed is in its bytes: the strings that it inserts and the ranges that it deletes.

    Who wrote a line is asked of a shadow (`protocol/relabelled.py`): the rows are applied to a document in which every
    character of a row is a letter that stands for that row and author. It has the same items in the same order, so its
    text spells who wrote what.

Numbers of characters are UTF-16 units, as Yjs counts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pycrdt import Doc, Text

from yp2p.documents.diff import split_lines
from yp2p.documents.replica import raising_panics
from yp2p.protocol.clients import Writer
from yp2p.protocol.delete_sets import GrowingSet
from yp2p.protocol.relabelled import relabelled
from yp2p.protocol.ysync import Shape, UpdateParser

Author = TypeVar("Author", bound=Hashable)

# Letters of one UTF-16 unit that are no surrogates. More writers than these in one text are not told apart.
_FIRST_LETTER, _SURROGATES, _LETTERS = 0x100, range(0xD800, 0xE000), 60_000


@dataclass(frozen=True, slots=True)
class Row(Generic[Author]):
    """One update of a document.

    `author` says who wrote with a client ID, as far as that is known; `sender` is the device it came from. `at` is in
    seconds since 1970. It may be the sum of several that were written since `since`; then `removers` are those who only
    removed something, and everybody else is known by a client ID.
    """

    seq: int
    at: float
    sender: Author
    data: bytes
    since: float | None = None
    removers: tuple[Author, ...] = ()


@dataclass(frozen=True, slots=True)
class Version(Generic[Author]):
    """Rows of one author that belong together; the version is what the text was after the last of them."""

    seq: int
    at: float
    since: float
    authors: tuple[Author, ...]
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Blame(Generic[Author]):
    """A line of a text, and whose change touched it last.

    `merged` are those whose changes met there, where that was the repair of a meeting: any device would have made it.
    """

    text: str
    author: Author
    at: float
    seq: int
    merged: tuple[Author, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wrote(Generic[Author]):
    """Who wrote with a client ID in a row."""

    row: Row[Author]
    client: int
    author: Author

    @property
    def is_repair(self) -> bool:
        return Writer.of(self.client) is Writer.REPAIR


def _authors(row: Row[Author], clients: Iterable[int], author_of: Callable[[int], Author | None]) -> list[Author]:
    """Who wrote with these client IDs; the sender, where that is not known or nobody wrote anything."""
    found = [author_of(client) for client in clients] or [None]
    return list(dict.fromkeys(author if author is not None else row.sender for author in found))


def versions(
    rows: Iterable[Row[Author]], author_of: Callable[[int], Author | None], gap_s: float, longest_s: float
) -> list[Version[Author]]:
    """The versions of a text, the oldest first.

    Args:
        gap_s: changes of one author with no more than this between them are one version,
        longest_s: as long as that is not longer than this.

    Raises:
        InvalidUpdate: a row is no update of a text.
    """
    found: list[Version[Author]] = []
    gone = GrowingSet()  # an update may remove what another one removed before
    for row in rows:
        parser = UpdateParser(row.data, Shape.TEXT)
        parsed = parser.parse()
        authors = tuple(dict.fromkeys((*_authors(row, parsed.sections, author_of), *row.removers)))
        since = row.since if row.since is not None else row.at
        added = parser.inserted_units
        removed = sum(map(gone.add, parser.ranges))
        last = found[-1] if found else None
        # A row that brings the work of several devices is what was received at once: nothing joins it.
        if (
            last is not None
            and len(found) > 1
            and last.authors == authors
            and len(authors) == 1
            and abs(since - last.at) <= gap_s  # a clock can have been set back in between
            and abs(row.at - last.since) <= longest_s
        ):
            found[-1] = Version(
                row.seq, row.at, last.since, authors, last.added + added, last.removed + removed
            )  # fmt: skip
        else:
            found.append(Version(row.seq, row.at, since, authors, added, removed))
    return found


def blame(
    rows: Sequence[Row[Author]], text: str, author_of: Callable[[int], Author | None]
) -> list[Blame[Author]]:  # fmt: skip
    """Who touched each line of a text last. The end of a line belongs to it only where there is nothing else.

    Args:
        rows: the whole log, in order; `text` is what it amounts to.

    Raises:
        InvalidUpdate: a row is no update of a text.
    """
    writers: list[_Wrote[Author]] = []
    with raising_panics():
        doc: Doc[Any] = Doc(client_id=1)
        shadow = doc.get(Shape.TEXT.value, type=Text)
        for row in rows:
            letters: dict[int, str] = {}

            def letter(client: int, row: Row[Author] = row, letters: dict[int, str] = letters) -> str:
                if client not in letters:
                    letters[client] = _letter(min(len(writers), _LETTERS - 1))
                    writers.append(_Wrote(row, client, _authors(row, [client], author_of)[0]))
                return letters[client]

            doc.apply_update(relabelled(row.data, letter))
        spelled = str(shadow)
    found: list[Blame[Author]] = []
    at = 0
    for line in split_lines(text):
        size = len(line.encode("utf-16-le", "surrogatepass")) // 2
        letters_of_line = spelled[at : at + size]
        own = letters_of_line[: -1 if line.endswith("\n") and size > 1 else None]
        wrote = sorted((writers[_number(letter)] for letter in set(own)), key=lambda one: one.row.seq)
        last = wrote[-1]
        merged = _met(last.row, wrote, writers) if last.is_repair else ()
        found.append(Blame(line, last.author, last.row.at, last.row.seq, merged))
        at += size
    return found


def _met(
    repair: Row[Author], in_line: Iterable[_Wrote[Author]], writers: Iterable[_Wrote[Author]]
) -> tuple[Author, ...]:  # fmt: skip
    """Whose changes a repair put together: those of what it took out, and of what else is in the line."""
    parser = UpdateParser(repair.data, Shape.TEXT)
    parser.parse()
    replaced = {client for client, _, _ in parser.ranges}
    taken_out = (one for one in writers if one.client in replaced and one.row.seq <= repair.seq)
    authors = dict.fromkeys(one.author for one in (*taken_out, *in_line) if not one.is_repair)
    return tuple(authors) if len(authors) > 1 else ()


def _letter(number: int) -> str:
    code = _FIRST_LETTER + number
    return chr(code if code < _SURROGATES.start else code + len(_SURROGATES))


def _number(letter: str) -> int:
    code = ord(letter)
    return (code if code < _SURROGATES.start else code - len(_SURROGATES)) - _FIRST_LETTER
