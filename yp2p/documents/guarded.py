"""The document of a file as a program holds it: a `pycrdt.Doc` whose edits are checked before the first operation.

The library deletes before it looks at what it is to insert, so an edit that fails half-way has deleted, here and on all
devices. It takes an index inside a character and what no file can hold, which ends the connection to the daemon. So
every way to change the document leads through the checks here, and where one fails nothing has changed.

A program's own `Doc` and the types in it are pycrdt's, unchanged: only the document of a file is guarded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn, Self, cast

from pycrdt import Doc, NewTransaction, Text, Transaction

from yp2p.protocol.dependencies import check_update
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.protocol.ysync import Shape

ROOT = Shape.TEXT.value
_NO_FORMAT = "the text of a file has neither formats nor embedded values: a file on a disk could not hold them"


def check_text(text: object) -> str:
    """What is to be written into a file's text, unless a text file cannot hold it.

    Raises:
        TypeError: it is no `str`.
        ValueError: it has half a surrogate pair, which UTF-8 does not have, or a NUL, which makes a file a binary one.
    """
    if not isinstance(text, str):
        raise TypeError(f"what is written into a text is a str, and not {text!r:.50}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise ValueError(
            f"the text has half of a surrogate pair, {half!r}, at character {error.start}, which UTF-8 does not have; "
            "write whole characters"
        ) from None
    if "\0" in text:
        raise ValueError(
            f"the text has a NUL at character {text.index(chr(0))}: a file with one is no text; leave it out"
        )
    return text


def check_place(index: object) -> int:
    """An index. Raises TypeError: it is none."""
    try:
        return operator.index(cast(Any, index))
    except TypeError:
        raise TypeError(f"an index is a whole number, and not {index!r:.50}") from None


class FileText(Text):
    """The root of a file's document. Indices count UTF-8 bytes, as those of `pycrdt.Text`.

    Args:
        edit: replaces code points.
    """

    def __init__(self, doc: FileDoc, integrated: Any, edit: Callable[[int, int, str], None]) -> None:
        super().__init__(_doc=doc, _integrated=integrated)
        self._type_name = "text"  # by which the library chooses what to call
        self._edit = edit

    def insert(self, index: int, value: str, attrs: dict[str, Any] | None = None) -> None:
        """Insert before a byte. Raises IndexError, TypeError, ValueError, and changes nothing then."""
        if attrs:
            raise ValueError(_NO_FORMAT)
        self._replace(index, index, value)

    def __iadd__(self, value: str) -> Self:
        self._replace(len(self), len(self), value)
        return self

    def __delitem__(self, key: int | slice) -> None:
        self._replace(*self._range(key), "")

    def __setitem__(self, key: int | slice, value: str) -> None:
        if not isinstance(key, slice) and len(check_text(value)) != 1:
            raise ValueError(f"one character is replaced by one, and not by {value!r:.50}")
        self._replace(*self._range(key), value)

    def insert_embed(self, index: int, value: Any, attrs: dict[str, Any] | None = None) -> NoReturn:
        """Raises ValueError: a file has no embedded values."""
        raise ValueError(_NO_FORMAT)

    def format(self, start: int, stop: int, attrs: dict[str, Any]) -> NoReturn:
        """Raises ValueError: a file has no formats."""
        raise ValueError(_NO_FORMAT)

    def _range(self, key: int | slice) -> tuple[int, int]:
        if isinstance(key, slice):
            start, stop = self._check_slice(key)
            return start, max(start, stop)
        return check_place(key), check_place(key) + 1

    def _replace(self, start: int, stop: int, value: str) -> None:
        check_text(value)
        text = str(self)
        data = text if text.isascii() else text.encode()
        places: list[int] = []
        for place in (check_place(start), check_place(stop)):
            if not 0 <= place <= len(data):
                raise IndexError(f"byte {place} is outside a text of {len(data)} bytes")
            if isinstance(data, bytes):
                if place < len(data) and data[place] & 0xC0 == 0x80:
                    raise IndexError(f"byte {place} is inside a character; `File.insert` counts characters")
                place = len(data[:place].decode())
            places.append(place)
        self._edit(places[0], places[1], value)


class _Ending(Transaction):
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            if self._leases == 0:
                cast(FileDoc, self._doc).on_end()


class _NewEnding(NewTransaction, _Ending):
    pass


class FileDoc(Doc[Any]):
    """The document of a file: one root, the text `source`.

    Args:
        client_id: what it writes with.
        edit: replaces code points of the text.
        check: raises when nothing may be written any more.
        on_end: is called after each transaction.
    """

    def __init__(
        self,
        client_id: int,
        *,
        edit: Callable[[int, int, str], None],
        check: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self.on_end: Callable[[], None] = lambda: None
        super().__init__(client_id=client_id)
        self.library_text = Text()  # which checks nothing
        super().__setitem__(ROOT, self.library_text)
        self.text = FileText(self, self.library_text.integrated, edit)
        self._check = check
        self.on_end = on_end

    def apply_update(self, update: bytes) -> None:
        """Take what another document of this file has.

        Raises:
            InvalidUpdate: it is no update of a file's text.
            MissingDependency: something that it builds on is not here.
        """
        self._check()
        check_update(update, Shape.TEXT, read_state_vector(self.get_state()))
        super().apply_update(update)

    def receive(self, update: bytes) -> None:
        """Take what the daemon has checked."""
        super().apply_update(update)

    def transaction(self, origin: Any = None) -> Transaction:
        return super().transaction(origin) if self._txn is not None else _Ending(self, origin=origin)

    def new_transaction(self, origin: Any = None, timeout: float | None = None) -> NewTransaction:
        return _NewEnding(self, origin=origin, timeout=timeout)

    def get(self, key: str, *, type: type[Any]) -> Any:
        """The text, which is all that there is. Raises ValueError: another root, or another type."""
        if key != ROOT or not issubclass(Text, type):
            self._refuse(key, type.__name__)
        return self.text

    def __setitem__(self, key: str, value: Any) -> None:
        self._refuse(key, value.__class__.__name__)

    def _refuse(self, key: str, kind: str) -> NoReturn:
        raise ValueError(
            f"the document of a file is the Text {ROOT!r} and nothing else, as a file on a disk is, and has no place "
            f"for the {kind} {key!r}; keep it in a pycrdt.Doc of your own, which undo_manager(scopes=...) takes, too"
        )

    @property
    def _roots(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {ROOT: self.text}
