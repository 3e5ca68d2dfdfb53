"""An editor that keeps its cursor through edits, undo and redo; indices count characters.

An edit and the cursor behind it are one transaction, in which positions are right as they are outside of it.

Prints::

    typed: 'Hello, world!', cursor 13
    moved and typed: 'Hello, 😀 world!', cursor 9
    taken out: 'Hello, 😀 !', cursor 9
    undo: 'Hello, 😀 world!', cursor 14
    undo: 'Hello, world!', cursor 7
    undo: 'Hello, ', cursor 7
    undo: '', cursor 0
    redo: 'Hello, ', cursor 7
    redo: 'Hello, world!', cursor 13
    redo: 'Hello, 😀 world!', cursor 9
    redo: 'Hello, 😀 !', cursor 9
    nothing to redo: False
"""

from collections.abc import Callable

from yp2p.documents.positions import Assoc
from yp2p.documents.shared import SharedText


class Editor:
    """Types at a cursor, and puts the cursor where something happened."""

    def __init__(self) -> None:
        self.file = SharedText(lambda update: None)
        self._undo = self.file.undo_manager(capture_timeout_millis=0)
        self._cursor = self.file.position(0, Assoc.BEFORE)

    @property
    def cursor(self) -> int:
        return self.file.index_of(self._cursor)

    def move(self, index: int) -> None:
        self._cursor = self.file.position(max(0, min(index, len(str(self.file)))), Assoc.BEFORE)

    def type(self, text: str) -> None:
        with self.file.transaction():
            at = self.cursor
            self.file.insert(at, text)
            self.move(at + len(text))

    def take_out(self, start: int, stop: int) -> None:
        with self.file.transaction():
            self.file.delete(start, stop)
            self.move(start)

    def undo(self) -> bool:
        return self._turn(self._undo.undo)

    def redo(self) -> bool:
        return self._turn(self._undo.redo)

    def _turn(self, turn: Callable[[], bool]) -> bool:
        before = str(self.file)
        if not turn():
            return False
        after = str(self.file)
        shorter = min(len(before), len(after))
        same = next((at for at in range(shorter) if before[at] != after[at]), shorter)
        self.move(same + max(0, len(after) - len(before)))
        return True


editor = Editor()
editor.type("Hello, ")
editor.type("world!")
print(f"typed: {str(editor.file)!r}, cursor {editor.cursor}")
editor.move(7)
editor.type("😀 ")
print(f"moved and typed: {str(editor.file)!r}, cursor {editor.cursor}")
editor.take_out(9, 14)
print(f"taken out: {str(editor.file)!r}, cursor {editor.cursor}")
while editor.undo():
    print(f"undo: {str(editor.file)!r}, cursor {editor.cursor}")
while editor.redo():
    print(f"redo: {str(editor.file)!r}, cursor {editor.cursor}")
print(f"nothing to redo: {editor.redo()}")
editor.file.close()
