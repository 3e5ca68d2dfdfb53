"""Looking before joining: what it says is what joining does, and looking changes nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from integration.test_entries import full_tree
from lab import Device, devices, eventually, tree


def _fill(one: Device, two: Device) -> None:
    for number in range(5):
        for device in (one, two):
            (device.dir / f"same-{number}.txt").write_text(f"the same {number}\n")
    (one.dir / "sub").mkdir()
    (one.dir / "sub/there.txt").write_text("only there\n")
    (one.dir / "blob").write_bytes(b"\0 of one" * 1000)
    (one.dir / "empty").mkdir()
    (two.dir / "sub").mkdir()  # needed there
    (two.dir / "empty").mkdir()
    (two.dir / "own").mkdir()
    (two.dir / "here.txt").write_text("only here\n")
    (two.dir / "text~").write_text("left out\n")
    for name, data in (("notes.txt", b"notes of %s\n"), ("photo", b"\0 of %s"), ("link", b"")):
        for device in (one, two):
            path = device.dir / name
            if data:
                path.write_bytes(data % device.name.encode())
            else:
                path.symlink_to(device.name)


@pytest.mark.long
def test_a_dry_run_says_what_joining_does(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _fill(one, two)
        code = one.cli("share", str(one.dir))
        eventually(lambda: one.status()["folders"][0]["entries"]["total"] == 11)
        one.wait()
        before = full_tree(two.dir)
        seen = json.loads(two.cli("join", "--dry-run", "--json", code, str(two.dir)))
        assert seen["name"] == "one"
        assert seen["different"] == ["link", "notes.txt", "photo"]
        counts = {name: seen[name] for name in ("entries", "equal", "only_here", "only_there", "bytes_to_come")}
        assert counts == {"entries": 11, "equal": 6, "only_here": 2, "only_there": 2, "bytes_to_come": 8011}
        told = two.cli("join", "--dry-run", code, str(two.dir))
        assert "6 the same on both sides" in told
        assert "3 different" in told
        assert "notes.txt" in told
        assert full_tree(two.dir) == before
        assert not (two.dir / ".yp2p").exists()
        assert two.status()["folders"] == []
        assert one.status()["devices"] == []
        # a wrong code is a wrong code here as well, and uses a guess
        wrong = code[:-1] + ("3" if code[-1] == "2" else "2")
        assert "wrong code" in two.run("join", "--dry-run", wrong, str(two.dir)).stderr
        two.cli("join", code, str(two.dir))
        for device in (one, two):
            device.wait()
        tree = full_tree(two.dir)
        assert sum(".conflict-" in name for name in tree) == len(seen["different"])
        assert len(full_tree(one.dir)) == len(tree) - 1  # but for what is left out
        done = two.run("join", "--dry-run", code, str(tmp_path))
        assert done.returncode != 0


def test_who_has_lost_the_members_of_a_folder_joins_again(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("a\n")
        two.join(one)
        two.wait()
        two.stop()
        with closing(sqlite3.connect(two.home / "store.db")) as store, store:
            store.execute("DELETE FROM statement")
        two.start()
        assert "has lost the members of this folder" in two.cli("status")
        (one.dir / "b.txt").write_text("b\n")
        two.join(one)
        two.wait()
        assert tree(two.dir) == tree(one.dir)
        assert "b.txt" in tree(two.dir)
