"""Two editors of two devices, in which lines are written and taken out at random places: all of it is there once."""

from __future__ import annotations

import random
import time
from typing import Protocol

from lab import Device, eventually
from teamtype.neovim import Neovim

TEXT = "one 😀\ntwo\nthree\n"
NAME = "a.txt"


class Editor(Protocol):
    """What a person does in an editor."""

    def write(self, line: int, text: str) -> None: ...

    def kill_line(self, text: str) -> bool: ...

    @property
    def content(self) -> str: ...

    def messages(self) -> str: ...


class InNeovim:
    """A Neovim as one of them; it writes lines at once, see `Emacs.pastes`."""

    def __init__(self, editor: Neovim) -> None:
        self.editor = editor
        self.messages = editor.messages

    def write(self, line: int, text: str) -> None:
        self.editor.lua("local line, text = ... vim.fn.append(math.min(line, vim.fn.line('$')), text)", line, text)

    def kill_line(self, text: str) -> bool:
        found = "if vim.fn.search(..., 'cw') == 0 then return 0 end vim.cmd('normal! dd') return 1"
        return bool(self.editor.lua(found, text))

    @property
    def content(self) -> str:
        return self.editor.content


def shared(one: Device, two: Device) -> None:
    (one.dir / NAME).write_text(TEXT)
    two.join(one)
    for device in (one, two):
        device.wait()


def on_disk(device: Device) -> str:
    return (device.dir / NAME).read_text()


def write_at_random(one: tuple[Device, Editor], two: tuple[Device, Editor], edits: int) -> None:
    """Nobody waits for the other; in the end both editors and both files are equal, with everything once."""
    rng = random.Random(edits)
    editors = [one[1], two[1]]
    there, gone = set[str](), set[str]()
    for number in range(edits):
        who = rng.choice(editors)
        known = sorted(there)
        if known and rng.random() < 0.2:
            word = rng.choice(known)
            if who.kill_line(word):
                there.discard(word)
                gone.add(word)
        else:
            who.write(rng.randint(0, 40), f"<{number}> 😀")
            there.add(f"<{number}>")
        time.sleep(rng.choice([0, 0, 0.01, 0.05]))  # as people do

    def is_equal() -> bool:
        return one[1].content == two[1].content == on_disk(one[0]) == on_disk(two[0])

    def shown() -> str:
        return "\n---\n".join(text for editor in editors for text in (editor.content, editor.messages()))

    eventually(is_equal, 120, shown)
    text = one[1].content
    wrong = {word: text.count(word) for word in sorted(there) if text.count(word) != 1}
    back = [word for word in sorted(gone) if word in text]
    assert not wrong, f"{wrong}\n{text}"
    assert not back, f"{back}\n{text}"
    assert len(text.splitlines()) == len(there) + len(TEXT.splitlines()), text
    assert [line for line in text.splitlines() if line in TEXT.splitlines()] == TEXT.splitlines(), text
