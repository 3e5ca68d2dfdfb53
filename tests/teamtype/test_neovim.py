"""Unmodified Neovims in the files of two devices."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import devices, eventually
from teamtype.neovim import needs_neovim, neovim

pytestmark = [needs_neovim, pytest.mark.teamtype]


def test_two_people_type_in_one_file(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("hello\nworld\n")
        two.join(one)
        for device in (one, two):
            device.wait()
        with neovim(one, "--as", "ann") as ann, neovim(two, "--as", "bob") as bob:
            ann.open(one.dir / "a.txt")
            bob.open(two.dir / "a.txt")
            ann.normal("Aü💚")
            bob.normal("Gothe end")
            want = "helloü💚\nworld\nthe end\n"
            for editor in (ann, bob):
                eventually(lambda editor=editor: editor.content == want, 10)
            for device in (one, two):
                eventually(lambda device=device: (device.dir / "a.txt").read_text() == want, 1)
            eventually(lambda: [name for _, _, name in ann.marks()] == ["bob"], 10)
            assert ann.marks()[0][0] == 2
        for device in (one, two):
            assert (device.dir / "a.txt").read_text() == want
