"""Absence is not deletion, tried with daemons: a marker that went, and what is removed and made anew at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree


def _folder(device: Device) -> dict[str, object]:
    return dict(device.status()["folders"][0])


@pytest.mark.long
def test_a_folder_that_lost_its_marker_is_taken_up_again(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for name in ("a", "b"):
            (one.dir / name).write_text(f"{name}\n")
        two.join(one)
        two.wait()
        shutil.rmtree(one.dir / ".yp2p")
        eventually(lambda: "has lost its marker" in str(_folder(one)["problem"]))
        (one.dir / "a").unlink()
        assert f"`yp2p share {one.dir}`" in str(_folder(one)["problem"])
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": None})
        eventually(lambda: bool(_folder(one)["awaiting_confirmation"]))
        assert "1 of 2 files are missing in the directory that was found again" in str(_folder(one)["problem"])
        one.cli("folder", "restore")
        eventually(lambda: tree(one.dir) == tree(two.dir) == {"a": b"a\n", "b": b"b\n"})
        # and by joining it again
        shutil.rmtree(two.dir / ".yp2p")
        eventually(lambda: "has lost its marker" in str(_folder(two)["problem"]))
        two.join(one)
        eventually(lambda: not _folder(two)["problem"])
        (one.dir / "a").write_text("changed\n")
        eventually(lambda: (two.dir / "a").read_text() == "changed\n")
        assert "shared already" in two.fails("join", "--timeout", "1", "47-K7M-X2Q", str(two.dir))


def test_what_is_removed_and_made_anew_holds_nothing_up(tmp_path: Path) -> None:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "d").mkdir()
        for number in range(100):
            (one.dir / f"d/{number}").write_text(f"{number}\n")
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": None})
        eventually(lambda: one.status()["folders"][0]["entries"]["here"] == 100)
        shutil.copytree(one.dir / "d", tmp_path / "keep")
        shutil.rmtree(one.dir / "d")
        eventually(lambda: bool(_folder(one)["awaiting_confirmation"]))
        shutil.copytree(tmp_path / "keep", one.dir / "d")
        eventually(lambda: not _folder(one)["awaiting_confirmation"])
        eventually(lambda: _folder(one)["state"] == "idle")
        assert one.status()["folders"][0]["entries"]["total"] == 100
