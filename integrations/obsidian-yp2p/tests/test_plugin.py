"""The built plugin in as much of Obsidian as it uses, with real editors, daemons, disks and a second device."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually, unexpected_lines
from yjs.node import NodeProcess

HERE = Path(__file__).parent
BUILT = os.environ.get("YP2P_OBSIDIAN", str(HERE.parent / "dist"))
EDITS = int(os.environ.get("YP2P_OBSIDIAN_EDITS", "300"))
TEXT = "one 😀\ntwo\nthree\n"
LIVE_S = 30.0


class Obsidian:
    """One of them, with a vault of a device."""

    def __init__(self, node: NodeProcess, device: Device, name: str, socket: Path | None = None) -> None:
        self._node, self._device, self._name = node, device, name
        place = socket if socket is not None else device.home / "documents.sock"
        self.ask("open", base=str(device.dir), socket=str(place), name=name)

    def ask(self, what: str, **given: Any) -> Any:
        found = self._node.ask(what, vault=self._name, **given)
        assert not (isinstance(found, dict) and "failed" in found), found
        return found

    def show(self, path: str, *, is_live: bool = True, leaf: int = 0) -> None:
        self.ask("show", path=path, leaf=leaf)
        if is_live:
            eventually(lambda: "yp2p: live" in self.status, LIVE_S, lambda: f"{path} being live: {self.status}")

    def type(self, text: str, **where: Any) -> None:
        self.ask("type", text=text, **(where or {"at": 0}))

    @property
    def status(self) -> str:
        return str(self.ask("look")["status"])

    @property
    def text(self) -> str:
        return str(self.ask("look")["text"])


@pytest.fixture
def node() -> Iterator[NodeProcess]:
    with _process() as found:
        yield found


@contextmanager
def _process() -> Iterator[NodeProcess]:
    command = ["node", str(HERE / "vaults.cjs"), BUILT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield NodeProcess(process)
        assert process.stdin is not None
        process.stdin.close()


def _shared(one: Device, two: Device | None = None) -> None:
    (one.dir / "a.md").write_text(TEXT)
    if two is not None:
        two.join(one)
    else:
        one.cli("share", str(one.dir))
    for device in (one, two):
        if device is not None:
            device.wait()


def _on_disk(device: Device, name: str = "a.md") -> str:
    return (device.dir / name).read_text()


def test_what_stands_for_obsidian_has_what_the_plugin_uses(node: NodeProcess) -> None:
    assert node.ask("contract") == []


def test_two_notes_are_live_and_show_each_other(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        ann, bob = Obsidian(node, one, "Ann"), Obsidian(node, two, "Bob")
        ann.show("a.md")
        bob.show("a.md")
        ann.type("typed by Ann 漢😀\n")
        eventually(lambda: bob.text == "typed by Ann 漢😀\n" + TEXT, LIVE_S)
        bob.type("B", at=6)
        eventually(lambda: ann.text == "typed Bby Ann 漢😀\n" + TEXT, LIVE_S)
        eventually(lambda: _on_disk(one) == _on_disk(two) == ann.text, LIVE_S)
        eventually(lambda: ann.status == "yp2p: live, with Bob", LIVE_S, lambda: ann.status)
        eventually(lambda: "Ann" in bob.ask("look")["carets"], LIVE_S)
        (two.dir / "a.md").write_text(_on_disk(two) + "by a program\n")
        eventually(lambda: ann.text == bob.text == "typed Bby Ann 漢😀\n" + TEXT + "by a program\n", LIVE_S)
        assert bob.ask("undo")  # what Bob typed, and nothing else
        eventually(lambda: ann.text == "typed by Ann 漢😀\n" + TEXT + "by a program\n", LIVE_S)
        assert ann.ask("look")["saves"] == bob.ask("look")["saves"] == 0
        for device in (one, two):
            assert not unexpected_lines(device)


def test_what_the_disk_had_before_is_not_put_into_a_live_note(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one") as (one,):
        _shared(one)
        ann = Obsidian(node, one, "Ann")
        ann.show("a.md")
        ann.type("new\n")
        ann.ask("stale", text=TEXT)
        eventually(lambda: _on_disk(one) == "new\n" + TEXT, LIVE_S)
        assert ann.text == "new\n" + TEXT


def test_another_note_in_the_same_tab_changes_nothing_of_the_first(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "b.md").write_text("another note\n")
        _shared(one)
        ann = Obsidian(node, one, "Ann")
        ann.show("a.md")
        ann.type("new\n")
        for name in ("b.md", "a.md", "b.md"):
            ann.show(name)
        ann.type("more of ")
        eventually(lambda: _on_disk(one, "b.md") == "more of another note\n", LIVE_S)
        ann.show("a.md")
        assert ann.text == _on_disk(one) == "new\n" + TEXT


def test_what_was_typed_before_a_note_is_live_is_merged(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        one.stop()
        (two.dir / "a.md").write_text(TEXT.replace("three", "three of two"))
        ann = Obsidian(node, one, "Ann")
        ann.show("a.md", is_live=False)
        ann.type("typed without a daemon\n")
        one.start()
        wanted = "typed without a daemon\n" + TEXT.replace("three", "three of two")
        eventually(lambda: ann.text == wanted and "live" in ann.status, LIVE_S, lambda: f"{ann.text!r} {ann.status}")
        eventually(lambda: _on_disk(one) == _on_disk(two) == wanted, LIVE_S)


def test_a_daemon_that_restarts_is_not_noticed(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        ann, bob = Obsidian(node, one, "Ann"), Obsidian(node, two, "Bob")
        ann.show("a.md")
        bob.show("a.md")
        one.kill()
        eventually(lambda: "no daemon" in ann.status, LIVE_S)
        ann.type("while it was away\n")
        bob.type("by Bob meanwhile\n", line=4)
        wanted = "while it was away\n" + TEXT + "by Bob meanwhile\n"
        one.start()
        eventually(lambda: ann.text == bob.text == wanted, 60, lambda: f"{ann.text!r} {bob.text!r}")
        eventually(lambda: _on_disk(one) == _on_disk(two) == wanted, LIVE_S)


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_is_typed_and_saved_while_the_daemon_is_away_comes_once(
    tmp_path: Path, node: NodeProcess, *, is_killed: bool
) -> None:
    with devices(tmp_path, "one") as (one,):
        _shared(one)
        ann = Obsidian(node, one, "Ann")
        ann.show("a.md")
        ann.type("live\n")
        if is_killed:  # before it is on the disk, maybe
            one.kill()
        else:
            eventually(lambda: _on_disk(one) == "live\n" + TEXT, LIVE_S)
            one.stop()
        eventually(lambda: "no daemon" in ann.status, LIVE_S)
        ann.type("saved\n")
        wanted = "saved\nlive\n" + TEXT
        eventually(lambda: _on_disk(one) == wanted, LIVE_S)
        with node.stopped():  # the daemon reads the disk first
            one.start()
            one.wait()
        eventually(lambda: "yp2p: live" in ann.status, LIVE_S, lambda: ann.status)
        one.wait()
        assert ann.text == _on_disk(one) == wanted
        ann.type("live again\n")
        eventually(lambda: _on_disk(one) == ann.text == "live again\n" + wanted, LIVE_S, lambda: _on_disk(one))
        assert not unexpected_lines(one)


def test_what_a_program_saves_while_the_daemon_is_away_stays(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one") as (one,):
        _shared(one)
        ann = Obsidian(node, one, "Ann")
        ann.show("a.md")
        ann.type("live\n")
        eventually(lambda: _on_disk(one) == "live\n" + TEXT, LIVE_S)
        one.stop()
        eventually(lambda: "no daemon" in ann.status, LIVE_S)
        ann.type("saved\n")
        eventually(lambda: _on_disk(one) == ann.text == "saved\nlive\n" + TEXT, LIVE_S)
        (one.dir / "a.md").write_text(_on_disk(one) + "by a program\n")
        eventually(lambda: ann.text == _on_disk(one), LIVE_S, lambda: ann.text)
        ann.type("after it\n")
        wanted = "after it\nsaved\nlive\n" + TEXT + "by a program\n"
        eventually(lambda: _on_disk(one) == wanted, LIVE_S, lambda: _on_disk(one))
        one.start()
        eventually(lambda: "yp2p: live" in ann.status, LIVE_S, lambda: ann.status)
        one.wait()
        assert ann.text == _on_disk(one) == wanted


def test_what_is_typed_while_a_note_becomes_live_stays(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one") as (one,):
        _shared(one)
        ann = Obsidian(node, one, "Ann")
        # What a program has open for writing is not read before it is closed: what Obsidian saves is not merged.
        with (one.dir / "a.md").open("r+"):
            ann.show("a.md", is_live=False)
            typed = ""
            until = time.monotonic() + 5
            while time.monotonic() < until:
                ann.type(word := f"{len(typed)} ", at=len(typed))
                typed += word
                assert ann.text == typed + TEXT, ann.status
                time.sleep(0.02)  # as fast as somebody types
        eventually(lambda: ann.text == _on_disk(one) == typed + TEXT and "yp2p: live" in ann.status, 60,
                   lambda: f"{ann.text!r} {ann.status}")  # fmt: skip


def test_a_note_becomes_live_while_others_type_in_it(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        ann, bob = Obsidian(node, one, "Ann"), Obsidian(node, two, "Bob")
        bob.show("a.md")
        ann.show("a.md", is_live=False)

        def is_live_meanwhile() -> bool:
            bob.type("b")
            return "yp2p: live" in ann.status

        eventually(is_live_meanwhile, LIVE_S, lambda: ann.status)
        ann.type("by Ann\n")
        eventually(lambda: ann.text == bob.text == _on_disk(one) == _on_disk(two), LIVE_S)
        assert "by Ann\n" in ann.text


def test_a_note_that_is_renamed_or_goes(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        ann = Obsidian(node, one, "Ann")
        ann.show("a.md")
        ann.ask("rename", path="b.md")
        ann.type("after it was renamed\n")
        eventually(lambda: (two.dir / "b.md").exists() and _on_disk(two, "b.md").startswith("after it was"), LIVE_S)
        assert not (two.dir / "a.md").exists()
        one.kill()
        one.start()
        eventually(lambda: "yp2p: live" in ann.status, LIVE_S, lambda: ann.status)
        ann.type("again\n")
        eventually(lambda: _on_disk(two, "b.md").startswith("again\nafter it was"), LIVE_S)
        one.wait()  # an edit that is on no disk yet would bring the file back
        ann.ask("lose")
        eventually(lambda: not (two.dir / "b.md").exists(), LIVE_S)


def test_what_is_in_no_folder_or_has_returns_is_as_it_was(tmp_path: Path, node: NodeProcess) -> None:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "dos.md").write_bytes(b"one\r\ntwo\r\n")
        _shared(one)
        ann = Obsidian(node, one, "Ann")
        ann.show("dos.md", is_live=False)
        eventually(lambda: "line ends of Windows" in ann.status, LIVE_S, lambda: ann.status)
        ann.ask("unload")
        other = Device(tmp_path, "elsewhere")
        (other.dir / "c.md").write_text(TEXT)
        bob = Obsidian(node, other, "Bob", one.home / "documents.sock")
        bob.show("c.md", is_live=False)
        eventually(lambda: "in no folder" in bob.status, LIVE_S, lambda: bob.status)
        bob.type("saved by Obsidian\n")
        eventually(lambda: _on_disk(other, "c.md") == "saved by Obsidian\n" + TEXT, LIVE_S)
        assert bob.ask("look")["notices"] == []


def test_random_edits_of_two_notes_and_a_disk_are_equal(tmp_path: Path, node: NodeProcess) -> None:
    rng = random.Random(EDITS)
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        ann, bob = Obsidian(node, one, "Ann"), Obsidian(node, two, "Bob")
        ann.show("a.md")
        bob.show("a.md")
        saved = 0
        for number in range(EDITS):
            rng.choice([ann, bob]).type(f"<{number}> 😀\n", line=rng.randint(1, number + 3))
            if rng.random() < 0.03:
                with (two.dir / "a.md").open("a") as file:
                    file.write(f"saved {saved}\n")
                saved += 1
        eventually(lambda: ann.text == bob.text == _on_disk(one) == _on_disk(two), 120)
        lines = ann.text.splitlines()
        assert sorted(lines) == sorted(
            [*(f"<{number}> 😀" for number in range(EDITS)), *(f"saved {number}" for number in range(saved)),
             *TEXT.splitlines()]
        )  # fmt: skip
