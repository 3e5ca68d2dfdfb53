"""Lines and columns of a text, as the protocol counts them: from 0, columns in code points, lines end with `\\n` alone.

A text of a hundred thousand lines is not counted anew for each edit: from the place that was looked for last it is
usually not far to the next one.
"""

from __future__ import annotations

from yp2p.editors.operation import Operation
from yp2p.errors import UsageError


class Lines:
    """Finds places in a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._line = self._start = 0  # a line that is known, and where it begins

    def after(self, operation: Operation, text: str | None = None) -> Lines:
        """Of the text that an operation makes of this one; `text`, where that is known already."""
        first = operation.parts[0] if operation else 0
        self.place(first if isinstance(first, int) and first > 0 else 0)
        made = Lines(operation.apply(self.text) if text is None else text)
        made._line, made._start = self._line, self._start
        return made

    def index(self, line: int, column: int) -> int:
        """The index of a place.

        One line behind the last one is the end of the text: editors mean that by a line that is empty and not shown.

        Raises:
            UsageError: the text has no such place.
        """
        start = self._find(line)
        if start is None:
            if column == 0 and self._find(line - 1) is not None:
                return len(self.text)
            raise UsageError(f"there is no line {line} in the text")
        if column > len(self.text) - start or (column and "\n" in self.text[start : start + column]):
            raise UsageError(f"there is no character {column} in line {line} of the text")
        return start + column

    def nearest(self, line: int, column: int) -> int:
        """The index of a place; of one that is not there, that of the end of the line, or of the text."""
        start = self._find(max(0, line))
        if start is None:
            return len(self.text)
        end = self.text.find("\n", start)
        return min(start + max(0, column), end if end >= 0 else len(self.text))

    def place(self, index: int) -> tuple[int, int]:
        """Line and column of an index."""
        if index >= self._start:
            self._line += self.text.count("\n", self._start, index)
        else:
            self._line -= self.text.count("\n", index, self._start)
        self._start = self.text.rfind("\n", 0, index) + 1
        return self._line, index - self._start

    def _find(self, line: int) -> int | None:
        """Where a line begins."""
        while self._line < line:
            end = self.text.find("\n", self._start)
            if end < 0:
                return None
            self._line, self._start = self._line + 1, end + 1
        while self._line > line:
            if line < self._line - line:  # it is nearer to the beginning
                self._line = self._start = 0
                return self._find(line)
            self._line, self._start = self._line - 1, self.text.rfind("\n", 0, self._start - 1) + 1
        return self._start
