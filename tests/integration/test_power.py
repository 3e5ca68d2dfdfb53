"""A power cut as the store sees it: another boot ID and no clean end. The cuts themselves are in tests/power."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from lab import devices, eventually, tree

pytestmark = pytest.mark.long


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_restart_before_the_first_scan_forgets_nothing(tmp_path: Path, end: str) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        path = one.dir / "t.txt"
        path.write_text("precious\ntext\n")
        two.join(one)
        one.wait()
        two.wait()
        one.kill()
        two.kill()  # so that one waits for it before its first scan
        with sqlite3.connect(one.home / "store.db") as store:
            store.execute("UPDATE last_run SET boot = 'another', clean = 0")
        store.close()
        path.write_text("")
        one.start()
        assert path.read_text() == "", "the first scan waits for the peers"
        getattr(one, end)()
        one.start()
        eventually(lambda: tree(one.dir) == {"t.txt": b"precious\ntext\n"}, what="the file being made again")
        two.start()
        two.wait()
        assert (two.dir / "t.txt").read_text() == "precious\ntext\n"
        one.stop()
        with sqlite3.connect(one.home / "store.db") as store:
            assert store.execute("SELECT clean FROM last_run").fetchone() == (1,)
        store.close()
