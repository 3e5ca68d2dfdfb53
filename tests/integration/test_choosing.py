"""What of a folder is on which disk, tried with daemons: nothing that one device does not choose goes elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually, tree

_BLOB = b"\x00\x01" * 50_000


def _entries(device: Device) -> dict[str, Any]:
    return dict(device.status()["folders"][0]["entries"])


def _choose(device: Device, *paths: str) -> dict[str, Any]:
    return dict(device.call("POST", "/v1/folder/choose", {"paths": list(paths)}))


def _fill(device: Device) -> dict[str, bytes]:
    (device.dir / "docs").mkdir()
    (device.dir / "big/deep").mkdir(parents=True)
    (device.dir / "docs/a").write_text("one\n")
    (device.dir / "big/film").write_bytes(_BLOB)
    (device.dir / "big/deep/text").write_text("a text\n")
    (device.dir / "big/empty").mkdir()
    os.symlink("film", device.dir / "big/link")
    return {"docs/a": b"one\n", "big/film": _BLOB, "big/deep/text": b"a text\n", "big/link": _BLOB}


@pytest.mark.long
def test_what_is_not_chosen_leaves_this_disk_only_and_comes_back(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        every = _fill(one)
        two.join(one)
        two.wait()
        assert tree(two.dir) == every
        answer = json.loads(two.cli("folder", "choose", "dir", "docs", "--json"))
        assert answer["paths"] == ["docs"]
        eventually(lambda: tree(two.dir) == {"docs/a": b"one\n"})
        eventually(lambda: sorted(os.listdir(two.dir)) == [".yp2p", "docs"])
        two.wait()
        one.wait()
        assert tree(one.dir) == every
        assert (_entries(two)["not_here"], _entries(two)["leaving"]) == (3, 0)
        assert "as you chose: 3 files" in two.cli("status")
        # what others change there is known, and not here
        (one.dir / "big/deep/text").write_text("a text\nmore\n")
        (one.dir / "big/film").write_bytes(_BLOB + b"\x02")
        (one.dir / "big/new").write_bytes(b"\x00new")
        one.wait()
        two.wait()
        assert tree(two.dir) == {"docs/a": b"one\n"}
        # a start later as well
        two.stop()
        two.start()
        two.wait()
        assert tree(two.dir) == {"docs/a": b"one\n"}
        assert "docs" in two.cli("folder", "choose", "dir")
        # what is made here stays, and goes to the others
        (two.dir / "big").mkdir()
        (two.dir / "big/mine").write_text("mine\n")
        eventually(lambda: (one.dir / "big/mine").exists())
        two.wait()
        assert tree(two.dir) == {"docs/a": b"one\n", "big/mine": b"mine\n"}
        assert json.loads(two.cli("folder", "choose", "dir", "--json"))["made_here"] == ["big/mine"]
        two.cli("folder", "choose", "dir", "--all")
        two.wait()
        assert tree(two.dir) == tree(one.dir)
        assert len(tree(one.dir)) == 6
        assert (two.dir / "big/empty").is_dir()


@pytest.mark.long
def test_nothing_leaves_before_another_device_keeps_it(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        every = _fill(one)
        two.join(one)
        two.wait()
        one.stop()
        _choose(two, "docs")
        (two.dir / "big/film").write_bytes(b"\x00 changed here, and nowhere else")
        eventually(lambda: _entries(two)["leaving"] == 3)
        assert "3 files; each goes once" in two.cli("status")
        assert tree(two.dir).keys() == every.keys()
        one.start()
        eventually(lambda: tree(two.dir).keys() == {"docs/a"})
        assert (one.dir / "big/film").read_bytes() == b"\x00 changed here, and nowhere else"


@pytest.mark.long
def test_of_two_that_choose_otherwise_at_once_one_keeps_everything(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        every = _fill(one)
        for device in (two, three):
            device.join(one)
        for device in (one, two, three):
            device.wait()
        for device in (one, two, three):
            _choose(device, "docs")
        eventually(lambda: all(device.status()["folders"][0]["state"] == "idle" for device in (one, two, three)))
        for _ in range(20):
            held = tree(one.dir) | tree(two.dir) | tree(three.dir)
            assert held == every
            two.wait()
        _choose(three)
        eventually(lambda: tree(three.dir) == every)
        eventually(lambda: tree(one.dir).keys() == tree(two.dir).keys() == {"docs/a"})
        three.wait()


@pytest.mark.long
def test_a_file_that_is_removed_while_it_waits_to_leave_is_not_deleted(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        every = _fill(one)
        two.join(one)
        two.wait()
        one.stop()
        _choose(two, "docs")
        (two.dir / "big/film").unlink()
        (two.dir / "big/deep/text").unlink()
        eventually(lambda: _entries(two)["not_here"] == 2)
        two.stop()
        two.start()
        one.start()
        eventually(lambda: tree(two.dir).keys() == {"docs/a"})
        one.wait()
        assert tree(one.dir) == every


def test_what_is_not_in_the_folder_cannot_be_chosen(tmp_path: Path) -> None:
    with devices(tmp_path, "one") as (one,):
        _fill(one)
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": None})
        eventually(lambda: _entries(one)["here"] == 5)
        assert "there is no file or directory 'doc' in 'dir'" in one.fails("folder", "choose", "dir", "doc")
        assert f"is not in {one.dir}" in one.fails("folder", "choose", "dir", str(tmp_path))
        assert "either --all" in one.fails("folder", "choose", "dir", "docs", "--all")
        assert one.call("POST", "/v1/folder/names", {"beneath": "big"}) == [
            "big/deep/",
            "big/empty/",
            "big/film",
            "big/link",
        ]
        _choose(one, str(one.dir / "docs"))
        assert one.call("POST", "/v1/folder/choose", {})["paths"] == ["docs"]
        assert _entries(one)["leaving"] == 3
        assert len(tree(one.dir)) == 4


@pytest.mark.long
def test_who_left_a_file_out_does_not_count_as_one_that_has_it(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _fill(one)
        two.join(one)
        two.wait()
        _choose(two, "docs")
        eventually(lambda: tree(two.dir) == {"docs/a": b"one\n"})
        two.wait()
        one.wait()
        plan = json.loads(one.cli("folder", "leave", "dir", "--delete-files", "--dry-run", "--json"))
        assert plan["deleted"]["only_here"] == {"files": 1, "bytes": len(_BLOB)}, "texts and links are known there"
        assert "no connected device is known to have 1 file" in one.cli(
            "folder", "leave", "dir", "--dry-run", "--delete-files"
        )
        preview = two.call("POST", "/v1/device/remove/preview", {"device": "one"})
        assert preview["nowhere_else"] == [{"folder": "dir", "files": 1, "bytes": len(_BLOB), "paths": ["big/film"]}]
        assert two.call("POST", "/v1/device/remove/preview", {"device": "two"})["nowhere_else"] == []
        _choose(two)
        eventually(lambda: (two.dir / "big/film").exists())
        two.wait()
        plan = json.loads(one.cli("folder", "leave", "dir", "--delete-files", "--dry-run", "--json"))
        assert plan["deleted"]["only_here"]["files"] == 0
        assert two.call("POST", "/v1/device/remove/preview", {"device": "one"})["nowhere_else"] == []


@pytest.mark.long
def test_who_chooses_at_joining_gets_nothing_else(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        every = _fill(one)
        code = one.cli("share", str(one.dir))
        eventually(lambda: _entries(one)["total"] == 5)
        (two.dir / "big").mkdir()
        (two.dir / "big/own").write_bytes(b"\x00own")
        preview = json.loads(two.cli("join", "--dry-run", code, str(two.dir), "--choose", "docs", "--json"))
        assert (preview["only_there"], preview["not_chosen"], preview["bytes_needed"]) == (1, 4, 4)
        assert preview["bytes_free"] > 0
        assert "only there, and not chosen" in two.cli("join", "--dry-run", code, str(two.dir), "--choose", "docs")
        assert "/x is not in /" in two.run("join", code, str(two.dir), "--choose", "../x").stderr
        assert two.status()["folders"] == []
        before = two.traffic()
        two.cli("join", code, str(two.dir), "--choose", "docs", "--choose", f"{two.dir}/nowhere")
        two.wait()
        one.wait()
        own = {"docs/a": b"one\n", "big/own": b"\x00own"}
        assert tree(two.dir) == own
        assert two.traffic() - before < len(_BLOB) / 2
        assert tree(one.dir) == {**every, "big/own": b"\x00own"}
        assert (_entries(two)["not_here"], _entries(two)["leaving"]) == (3, 0)
        shown = two.cli("folder", "choose", "dir")
        assert "nowhere (nothing is there now)" in shown
        (usage,) = json.loads(two.cli("folder", "usage", "--json"))["folders"]
        assert usage["not_here"] == {"files": 3, "bytes": len(_BLOB) + len("film")}
        assert usage["entries"] == {"texts": 1, "other_files": 1, "symlinks": 0, "empty_directories": 0}
        assert "Not here by choice" in two.cli("folder", "usage")
        two.stop()
        two.start()
        two.wait()
        assert tree(two.dir) == own
        _choose(two)
        eventually(lambda: tree(two.dir) == tree(one.dir))


@pytest.mark.long
def test_who_accepts_a_folder_chooses_as_well(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        two.join(one)
        films = tmp_path / "films"
        (films / "docs").mkdir(parents=True)
        (films / "docs/a").write_text("a\n")
        (films / "film").write_bytes(_BLOB)
        one.call("POST", "/v1/share", {"path": str(films), "label": "films"})
        one.cli("folder", "offer", "films", "two")
        eventually(lambda: bool(two.status()["offers"]["received"]))
        here = tmp_path / "here"
        here.mkdir()
        one.stop()
        # nobody can say how much it is; what is chosen is remembered
        answer = json.loads(two.cli("folder", "accept", "films", str(here), "--choose", "docs", "--json"))
        assert not answer["joined"]
        two.stop()
        two.start()
        one.start()
        eventually(lambda: tree(here) == {"docs/a": b"a\n"})
        two.wait()
        one.wait()
        assert tree(here) == {"docs/a": b"a\n"}
        assert json.loads(two.cli("folder", "choose", "films", "--json"))["paths"] == ["docs"]
