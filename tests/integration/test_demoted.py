"""A device that was made a reader, and what it had written that nobody else has: local changes, like all of its."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines

pytestmark = pytest.mark.long

_BLOB = b"\xff\x00 a blob"


def _join(device: Device, other: Device, role: str = "member") -> None:
    device.cli("join", other.cli("share", str(other.dir), "--role", role), str(device.dir))
    device.wait()
    other.wait()


def _folder(device: Device) -> dict[str, Any]:
    return dict(device.status()["folders"][0])


def _changes(device: Device) -> dict[str, str]:
    return {item["path"]: item["change"] for item in _folder(device)["local_changes"]}


def _is_taken(device: Device, path: str, versions: int) -> bool:
    """Whether what was saved into a text is in its document: so many versions are."""
    answer = device.run("log", str(device.dir / path), "--json")
    return answer.returncode == 0 and len(json.loads(answer.stdout)) >= versions


def _fill(root: Path) -> None:
    for name in ("a", "b", "gone", "moved", "both", "kind", "mode"):
        (root / f"{name}.txt").write_text(f"{name} one\n{name} two\n{name} three\n")
    for name in ("a", "gone", "moved"):
        (root / f"{name}.bin").write_bytes(_BLOB + name.encode())


def _change(root: Path) -> None:
    """Everything that people do."""
    (root / "a.txt").write_text("a one\nmine\na three\n")
    (root / "a.bin").write_bytes(_BLOB + b"mine")
    (root / "gone.txt").unlink()
    (root / "gone.bin").unlink()
    os.rename(root / "moved.txt", root / "there.txt")
    os.rename(root / "moved.bin", root / "there.bin")
    (root / "kind.txt").write_bytes(_BLOB + b"was a text")
    (root / "mode.txt").chmod(0o755)
    (root / "new.txt").write_text("new\n")
    (root / "new.bin").write_bytes(_BLOB + b"new")


_CHANGED = {
    "a.txt": "changed", "a.bin": "changed", "gone.txt": "removed", "gone.bin": "removed", "moved.txt": "removed",
    "moved.bin": "removed", "there.txt": "added", "there.bin": "added", "kind.txt": "changed", "mode.txt": "mode",
    "new.txt": "added", "new.bin": "added",
}  # fmt: skip


def _offline(device: Device, other: Device) -> None:
    """Change everything on a device while the other one does not run, and have all of it taken."""
    other.stop()
    _change(device.dir)
    eventually(lambda: _folder(device)["entries"]["total"] == 10 and _is_taken(device, "a.txt", 2))
    eventually(lambda: _folder(device)["state"] == "idle")


def test_what_was_never_sent_is_a_local_change_and_can_be_reverted(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        _fill(one.dir)
        _join(two, one)
        _join(three, one)
        three.wait()
        three.stop()
        _offline(two, one)
        two.stop()
        one.start()
        one.cli("device", "role", "two", "reader")
        before = tree(one.dir)
        here = tree(two.dir)
        two.start()
        eventually(lambda: _changes(two) == _CHANGED, what="the changes being shown")
        for device in (one, two):
            device.wait()
        assert tree(one.dir) == before
        assert tree(two.dir) == here, "nothing on its disk is another one"
        assert _folder(two)["problem"] == ""

        # So it is after a restart, and with a member that was away.
        two.stop()
        two.start()
        three.start()
        eventually(lambda: _changes(two) == _CHANGED)
        for device in (one, two, three):
            device.wait()
        assert tree(three.dir) == before
        (three.dir / "b.txt").write_text("b one\nof three\nb three\n")
        eventually(lambda: (two.dir / "b.txt").read_text() == "b one\nof three\nb three\n")

        two.cli("folder", "revert")
        two.cli("folder", "revert", "there.txt", "there.bin", "new.txt", "new.bin")
        eventually(lambda: tree(two.dir) == tree(one.dir) == tree(three.dir))
        assert _changes(two) == {}
        kept = [path.read_bytes() for path in two.dir.glob(".yp2p/trash/*/*") if path.is_file()]
        assert {b"a one\nmine\na three\n", _BLOB + b"mine", _BLOB + b"new", b"new\n"} <= set(kept)
        for device in (one, two, three):
            device.wait()
            assert unexpected_lines(device) == []


def test_who_may_write_again_sends_what_it_had_not_sent(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _fill(one.dir)
        _join(two, one)
        _offline(two, one)
        two.stop()
        one.start()
        one.cli("device", "role", "two", "reader")
        here = tree(two.dir)
        two.start()
        eventually(lambda: _changes(two) == _CHANGED)
        (one.dir / "b.txt").write_text("of one\n")
        one.cli("device", "role", "two", "member")
        eventually(lambda: not _folder(two)["is_reader"])
        eventually(lambda: tree(one.dir) == tree(two.dir), what="the changes being sent")
        for device in (one, two):
            device.wait()
        assert tree(one.dir) == {**here, "b.txt": b"of one\n"}
        assert os.access(one.dir / "mode.txt", os.X_OK)
        for device in (one, two):
            assert unexpected_lines(device) == []


def test_what_others_changed_as_well_is_there_and_what_was_changed_here_too(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _fill(one.dir)
        _join(two, one)
        _offline(two, one)
        two.stop()
        one.start()
        one.cli("device", "role", "two", "reader")
        text, blob = "a one\na two\na three\nof one\n", _BLOB + b"of one"
        (one.dir / "a.txt").write_text(text)
        (one.dir / "a.bin").write_bytes(blob)
        (one.dir / "moved.txt").write_text("moved one\nmoved two\nmoved three\nof one\n")
        (one.dir / "gone.txt").write_text("gone one\ngone two\ngone three\nof one\n")
        (one.dir / "kind.txt").write_text("kind one\nkind two\nkind three\nof one\n")
        one.stop()
        one.start()
        two.start()
        eventually(lambda: tree(two.dir).get("a.bin") == blob, what="the blob of the other one")
        eventually(lambda: b"of one\n" in tree(two.dir).get("a.txt", b""), what="the text of the other one")
        for device in (one, two):
            device.wait()
        here = tree(two.dir)
        (beside,) = two.dir.glob("a.conflict-*.bin")
        assert beside.read_bytes() == _BLOB + b"mine"
        # The text was merged where it came before the role was heard of; else theirs got the place.
        assert any(b"mine\n" in here[path] for path in here if path.startswith("a.") and path.endswith(".txt"))
        eventually(lambda: b"of one" in tree(two.dir).get("gone.txt", b""), what="an edit beats a delete")
        eventually(lambda: b"of one" in tree(two.dir).get("kind.txt", b""), what="the text where here is a blob")
        assert _BLOB + b"was a text" in tree(two.dir).values()
        two.cli("folder", "revert")
        eventually(lambda: tree(one.dir).items() <= tree(two.dir).items())
        assert set(_changes(two).values()) <= {"added"}
        assert not list(one.dir.glob("*.conflict-*"))
        for device in (one, two):
            device.wait()


def test_what_another_member_had_of_it_is_the_same_for_all(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        _fill(one.dir)
        _join(two, one)
        _join(three, one)
        three.wait()
        before = tree(one.dir)
        one.stop()
        (two.dir / "a.txt").write_text("a one\nof two\na three\n")
        (two.dir / "new.txt").write_text("new\n")
        eventually(lambda: tree(two.dir) == tree(three.dir))
        three.wait()
        three.stop()
        (two.dir / "b.txt").write_text("b one\nof two\nb three\n")
        eventually(lambda: _is_taken(two, "b.txt", 2))
        here = tree(two.dir)
        two.stop()
        one.start()
        one.cli("device", "role", "two", "reader")
        two.start()
        eventually(lambda: _changes(two).get("b.txt") == "changed")
        # Who took the role has not that, and so the other member takes it back, as that of a removed device.
        three.start()
        eventually(lambda: tree(three.dir) == before)
        for device in (one, two, three):
            device.wait()
        assert tree(one.dir) == before
        assert _changes(two) == {"a.txt": "changed", "b.txt": "changed", "new.txt": "added"}
        assert tree(two.dir) == here, "what it wrote is still on its own disk"
