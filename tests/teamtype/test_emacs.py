"""`yp2p client` with Emacs, by a client that was written from the description of the protocol (`client.el`), alone and
beside Neovim with Teamtype's unmodified plugin.

It is a second make of client: each change of a buffer is an edit of its own, and it takes edits of several places.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from lab import YP2P, Device, devices, eventually, unexpected_lines
from lsp.emacs import EMACS, Emacs, emacs, quoted
from teamtype.neovim import needs_neovim, neovim
from two_editors import NAME, TEXT, Editor, InNeovim, on_disk, shared, write_at_random

EDITS = int(os.environ.get("YP2P_TEAMTYPE_EMACS_EDITS", "80"))

pytestmark = [pytest.mark.teamtype, pytest.mark.skipif(EMACS is None, reason="needs Emacs (Debian: emacs-nox)")]


def _open(stack: ExitStack, device: Device) -> Emacs:
    load = f"(progn (load {quoted(str(Path(__file__).with_name('client.el')))} nil t) t)"
    editor = stack.enter_context(emacs(device, load))
    words = " ".join(quoted(word) for word in (YP2P, "client", "--as", f"somebody at {device.name}"))
    editor.lisp(
        f"(progn (find-file {quoted(str(device.dir / NAME))}) (set-visited-file-modtime 0)"
        f" (tt-start {quoted(str(device.dir))} (list {words})) (tt-open) t)"
    )
    eventually(lambda: editor.lisp("(with-current-buffer (window-buffer) (and tt-uri t))") == "t", 30, editor.messages)
    return editor


def _refused(editor: Emacs) -> str:
    return editor.lisp("tt-errors")


def test_two_emacs_are_live_and_see_each_other(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two), ExitStack() as stack:
        shared(one, two)
        here, there = _open(stack, one), _open(stack, two)
        here.write(0, "from the first one 漢😀")
        eventually(lambda: there.content == "from the first one 漢😀\n" + TEXT == on_disk(two), 30)
        there.keys("M-< M-u C-e !")  # a word in capitals, and one more
        eventually(
            lambda: here.content == "FROM the first one 漢😀!\n" + TEXT == on_disk(one), 30, lambda: here.content
        )
        (two.dir / NAME).write_text(on_disk(two) + "saved by a program\n")
        eventually(lambda: "saved by a program\n" in here.content == there.content == on_disk(one), 30)
        eventually(lambda: "somebody at one" in there.lisp("(hash-table-values tt-cursors)"), 30)
        assert _refused(here) == _refused(there) == "nil"
        for device in (one, two):
            assert not unexpected_lines(device)


@pytest.mark.parametrize("beside", ["emacs", pytest.param("neovim", marks=needs_neovim)])
def test_random_edits_of_two_editors_are_there_once(tmp_path: Path, beside: str) -> None:
    with devices(tmp_path, "one", "two") as (one, two), ExitStack() as stack:
        shared(one, two)
        first = _open(stack, one)
        first.pastes = True
        second: Editor
        if beside == "neovim":
            nvim = stack.enter_context(neovim(two))
            nvim.open(two.dir / NAME)
            second = InNeovim(nvim)
        else:
            other = _open(stack, two)
            other.pastes = True
            second = other
        write_at_random((one, first), (two, second), EDITS)
        taken, left = first.lisp("tt-taken"), first.lisp("tt-left")
        print(f"\n{EDITS} edits in Emacs and {beside}: Emacs made {taken} edits of the daemon's and left {left}")
        assert _refused(first) == "nil"
        for device in (one, two):
            assert not unexpected_lines(device)
