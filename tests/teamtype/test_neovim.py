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
                eventually(lambda editor=editor: editor.content == want)
            for device in (one, two):
                eventually(lambda device=device: (device.dir / "a.txt").read_text() == want)
            eventually(lambda: [(line, name) for line, _, name, _ in ann.spans()] == [(2, "bob")])
        for device in (one, two):
            assert (device.dir / "a.txt").read_text() == want


def test_what_people_do_with_files(tmp_path: Path) -> None:
    """Two folders in one Neovim, files that are new or have CR LF, hidden buffers, `:e` and `:w`, selections."""
    notes = tmp_path / "notes"
    notes.mkdir()
    with devices(tmp_path, "one") as (one,):
        (one.dir / "dos.txt").write_bytes(b"one\r\ntwo\r\n")
        (notes / "empty.txt").write_text("")
        (notes / "picture.bin").write_bytes(b"\0\1\2")
        for directory in (one.dir, notes):
            one.cli("share", str(directory))
        one.wait()
        with neovim(one, "--as", "ann") as ann, neovim(one, "--as", "bob") as bob:
            dos, empty, new = one.dir / "dos.txt", notes / "empty.txt", notes / "new.txt"
            for editor in (ann, bob):
                editor.open(dos)
            ann.normal("Gothree")
            eventually(lambda: bob.content == "one\ntwo\nthree\n")
            bob.normal("ggO")  # while it is shown there
            bob.normal("dd")
            eventually(lambda: dos.read_bytes() == b"one\r\ntwo\r\nthree\r\n")

            for editor in (ann, bob):
                editor.call("nvim_command", "set hidden")
                editor.open(empty)
            ann.normal("ifirst")
            eventually(lambda: bob.content == "first")  # as Neovim shows a file that it opened empty
            bob.normal("yyp")
            ann.normal("yyp")
            eventually(
                lambda: empty.read_text() == ann.content + "\n" == bob.content + "\n" == "first\n" * 3,
                45,
                lambda: repr((empty.read_text(), ann.content, bob.content, ann.messages(), bob.messages())),
            )

            bob.open(dos)  # hidden in ann's Neovim, which goes on in another file
            bob.normal("ggIto ann: ")
            ann.open(new)
            ann.normal("inew")
            eventually(lambda: new.read_text() == "new\n")
            ann.call("nvim_command", "buffer dos.txt")
            eventually(lambda: ann.content == "to ann: one\ntwo\nthree\n")
            ann.call("nvim_command", "write")
            ann.call("nvim_command", "edit!")
            eventually(ann.is_attached)
            ann.normal("GAend")
            eventually(lambda: bob.content == "to ann: one\ntwo\nthreeend\n")
            eventually(lambda: dos.read_bytes() == b"to ann: one\r\ntwo\r\nthreeend\r\n")

            ann.call("nvim_input", "ggvjl")
            eventually(lambda: ("ann", 0, 1) in [(name, line, end) for line, _, name, end in bob.spans()])
            ann.call("nvim_input", "<Esc>")
            ann.call("nvim_command", "bdelete!")
            eventually(lambda: "ann" not in [name for _, _, name, _ in bob.spans()])

            ann.open(new)
            bob.open(new)
            ann.normal("S")
            ann.normal("o")
            eventually(lambda: bob.content == "\n\n")
            bob.normal("dd")  # of which its plugin tells nothing
            bob.call("nvim_exec_autocmds", "CursorMoved", {"buffer": 0})
            bob.normal("ggIone")
            ann.normal("GItwo")
            eventually(lambda: new.read_text() == ann.content == bob.content == "one\ntwo\n")

            bob.edit(notes / "picture.bin")
            eventually(lambda: "is not a text file" in bob.messages())
            assert "rror" not in ann.messages()
