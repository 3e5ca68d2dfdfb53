"""Equal versions with different contents: forged, told, and repaired without losing either text."""

from __future__ import annotations

import json
import sqlite3
import zlib
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines

pytestmark = pytest.mark.long


def _forge(device: Device, path: str, old: bytes, new: bytes) -> None:
    """Rewrite history: the same operations now have other letters, as on a cloned disk that went its own way."""
    with sqlite3.connect(device.home / "store.db") as store:
        (document,) = store.execute("SELECT document FROM file WHERE path = ?", (path.encode(),)).fetchone()
        for seq, data in store.execute("SELECT seq, data FROM log WHERE document = ?", (document,)).fetchall():
            changed = data.replace(old, new)
            store.execute("UPDATE log SET data = ?, crc = ? WHERE seq = ?", (changed, zlib.crc32(changed), seq))
        store.execute("DELETE FROM digest WHERE document = ?", (document,))
        store.execute("DELETE FROM file WHERE document = ?", (document,))
    store.close()
    (device.dir / path).unlink()


def test_a_forged_history_is_repaired(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        everyone = (one, two, three)
        (one.dir / "a.txt").write_text("the history of this file\n")
        (one.dir / "b.txt").write_text("another file\n")
        for device in (two, three):
            device.join(one)
        for device in everyone:
            device.wait()
        two.stop()
        _forge(two, "a.txt", b"history", b"mystery")
        two.start()
        eventually(lambda: len(tree(one.dir)) == 3, 30, "the other text beside")
        for device in everyone:
            device.wait()
        eventually(lambda: tree(one.dir) == tree(two.dir) == tree(three.dir), 30, "all being equal")
        found = tree(one.dir)
        texts = sorted(data for name, data in found.items() if name.startswith("a."))
        assert texts == [b"the history of this file\n", b"the mystery of this file\n"]
        assert sum(".conflict-" in name for name in found) == 1
        told = [notice["kind"] for device in everyone for notice in json.loads(device.cli("notices", "--json"))]
        assert "diverged" in told
        assert sum(device.log.read_text().count("documents_diverged") for device in everyone) <= 4
        # Life goes on: the file is one again.
        (three.dir / "a.txt").write_text("something new\n")
        eventually(lambda: all((d.dir / "a.txt").read_text() == "something new\n" for d in everyone), what="an edit")
        for device in everyone:
            device.wait()
            assert unexpected_lines(device, "documents_diverged") == []
