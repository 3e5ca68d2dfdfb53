"""What programs of this device show of a text now: whoever finds a save asks them.

Theory of operation
    A program tells what is typed in it, and may save the same into the file. The two go different ways, so a save may
    be found before what was typed has come; taken for an edit it would stand twice. And a program that has others'
    changes later than the file, or that others overtook, saves a text that no version of the document ever was.

    So before a save of a text that programs have open is taken for an edit, each of them is asked whether it showed
    it. The answer comes on the same connection as what it wrote, behind that: when all have answered, the document has
    all that they knew when the save was found. A save that one of them showed has nothing that it does not tell as
    well: it is what both the file and the document went on from.

Invariants
    * A program that owes an answer is not asked again: one that hangs is waited for once.
    * An answer counts only while the document has what the program wrote: what was refused is in the save alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import trio

# A process that has to wait for the processor answers after a second or two. The disk of the folder waits meanwhile.
_ANSWER_S = 2.0

# Asks one program which of the texts with these hashes it showed, from 1; 0: none.
Ask = Callable[[Sequence[bytes]], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class OnScreen:
    """A save that a program showed.

    Attributes:
        content: the hash of what was saved.
        text: what was shown: all of that, or all but its last line end, which some editors add to the file alone.
    """

    content: bytes
    text: str
    is_all: bool


class Screens:
    """Of one text."""

    def __init__(self) -> None:
        self._programs: set[Ask] = set()
        self.on_screen: OnScreen | None = None  # while a save that a program showed is taken

    @contextmanager
    def asking(self, ask: Ask) -> Iterator[None]:
        """A program that can be asked, for as long as the block runs."""
        self._programs.add(ask)
        try:
            yield
        finally:
            self._programs.discard(ask)

    async def look(self, text: str, content: bytes) -> OnScreen | None:
        """Whether a saved text is on a screen, or was a moment ago. When this returns, what programs wrote until then
        is in the document, of those that answer in time."""
        texts = [text, text[:-1]] if text.endswith("\n") else [text]
        contents = [content, *(hashlib.sha256(one.encode()).digest() for one in texts[1:])]
        found: set[int] = set()

        async def look(ask: Ask) -> None:
            found.add(await ask(contents))

        with trio.move_on_after(_ANSWER_S):
            async with trio.open_nursery() as nursery:
                for ask in list(self._programs):
                    nursery.start_soon(look, ask)
        number = min((number for number in found if 0 < number <= len(texts)), default=0)
        return OnScreen(content, texts[number - 1], number == 1) if number else None

    @contextmanager
    def taking(self, found: OnScreen | None) -> Iterator[None]:
        """While a save is taken that programs were asked about."""
        self.on_screen = found
        try:
            yield
        finally:
            self.on_screen = None
