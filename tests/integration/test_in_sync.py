"""In sync means on the disk, as the other device sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("line 1\n")
        two.join(one)
        one.wait()
        two.wait()
        yield [one, two]


def _as_seen(by: Device) -> dict[str, Any]:
    return dict(by.status()["folders"][0]["devices"][0])


@pytest.mark.long
def test_a_folder_without_its_marker_is_in_sync_with_nobody(pair: list[Device]) -> None:
    one, two = pair
    marker = one.dir / ".yp2p" / "marker"
    marker.rename(marker.with_name("kept"))
    eventually(lambda: not _as_seen(two)["in_sync"] and "marker" in _as_seen(two)["condition"])
    (two.dir / "a.txt").write_text("written while it is paused\n")
    eventually(lambda: _as_seen(two)["behind"] == 1)
    assert two.run("wait", "--timeout", "1").returncode == 1
    two.stop()
    two.start()
    eventually(lambda: _as_seen(two)["connected"] and "marker" in _as_seen(two)["condition"])
    assert not _as_seen(two)["in_sync"], "nor after a restart"
    marker.with_name("kept").rename(marker)
    eventually(lambda: _as_seen(two)["in_sync"])
    assert (one.dir / "a.txt").read_text() == "written while it is paused\n"


def test_waiting_with_nobody_connected_fails_unless_that_is_asked_for(pair: list[Device]) -> None:
    one, two = pair
    assert _as_seen(one)["summary"] == "has all of it"
    two.stop()
    eventually(lambda: _as_seen(one)["summary"] == "had all of it")
    (one.dir / "a.txt").write_text("nowhere else\n")
    (one.dir / "b.txt").write_text("nor this\n")
    refused = one.run("wait")
    assert refused.returncode == 1
    assert "no other device is connected" in refused.stderr
    assert "--alone-is-fine" in refused.stderr
    assert one.run("wait", "--alone-is-fine").returncode == 0
    there = _as_seen(one)
    assert (there["lacks"], there["behind"], there["summary"]) == (2, None, "2 files behind")
    assert "two: 2 files behind, seen " in one.run("status").stdout


@pytest.mark.long
def test_a_file_that_is_never_closed_arrives_and_is_in_sync(pair: list[Device]) -> None:
    one, two = pair
    with (one.dir / "log").open("w") as log:
        log.write("line 1\n")
        log.flush()
        eventually(lambda: (two.dir / "log").is_file() and (two.dir / "log").read_text() == "line 1\n")
        one.wait()
        two.wait()
        (two.dir / "log").write_text("line 1\nby two\n")
        eventually(lambda: "writing" in str(one.status()["folders"][0]["waiting"]))
        eventually(lambda: _as_seen(two)["behind"] == 1)
        assert not _as_seen(two)["in_sync"]
    eventually(lambda: (one.dir / "log").read_text() == "line 1\nby two\n")
    one.wait()
    two.wait()


def test_a_binary_file_that_is_being_written_is_waited_for(pair: list[Device]) -> None:
    """What the other device told of is not in its file any more, and what is there by now it has not told of yet."""
    one, two = pair
    (two.dir / "b.bin").write_bytes(bytes(4) + b"version 1")
    two.wait()
    one.stop()
    (two.dir / "b.bin").write_bytes(bytes(4) + b"version 2")
    eventually(lambda: two.status()["folders"][0]["state"] == "idle")
    with (two.dir / "b.bin").open("r+b") as file:
        file.write(bytes(4) + b"version 3")
        file.flush()
        one.start()
        one.wait()
    assert (one.dir / "b.bin").read_bytes() == bytes(4) + b"version 3"


def test_a_folder_that_a_person_paused_stays_so_over_restarts(tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    (one.dir / "a.txt").write_text("a\n")
    try:
        one.start().cli("share", str(one.dir))
        one.cli("folder", "pause")
        one.stop()
        one.start()
        (one.dir / "b.txt").write_text("b\n")
        (folder,) = one.status()["folders"]
        assert folder["state"] == "paused"
        assert "yp2p folder unpause" in folder["problem"]
        open_files = [os.path.realpath(link) for link in Path(f"/proc/{one.pid}/fd").iterdir()]
        assert not any(name.startswith(str(one.dir)) for name in open_files)
        assert "dir is paused until" in one.cli("folder", "pause", "--for", "2 hours")
        one.stop()
        one.start()
        (folder,) = one.status()["folders"]
        assert "paused by a person until" in folder["problem"]
        assert folder["paused_until"] - time.time() > 3600
        one.call("POST", "/v1/folder/pause", {"folder": "dir", "for_s": 1})
        eventually(lambda: one.status()["folders"][0]["entries"]["total"] == 2, what="it goes on by itself")
        one.cli("folder", "pause")
        one.cli("folder", "unpause")
        one.stop()
        one.start()
        eventually(lambda: one.status()["folders"][0]["entries"]["total"] == 2)
        assert one.status()["folders"][0]["state"] != "paused"
    finally:
        one.kill()


def test_waiting_with_some_devices_with_all_and_with_any(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "a.txt").write_text("line 1\n")
        two.join(one)
        three.join(one)
        for device in (one, two, three):
            device.wait()
        assert one.run("wait", "--all", "--timeout", "30").returncode == 0
        assert one.run("wait", "--with", "two", "--with", "three", "--timeout", "30").returncode == 0
        three.stop()
        eventually(lambda: one.call("POST", "/v1/wait", {"timeout_s": 0})["connected"] == ["two"])
        assert one.run("wait", "--any", "--timeout", "30").returncode == 0
        assert one.run("wait", "--with", "two", "--timeout", "30").returncode == 0
        for arguments in (("--all",), ("--with", "three")):
            refused = one.run("wait", *arguments, "--timeout", "0.5")
            assert refused.returncode == 1
            assert "three is not connected" in refused.stderr
        refused = one.run("wait", "--with", "nobody")
        assert refused.returncode == 2
        assert "no device is called 'nobody'" in refused.stderr
        two.stop()
        refused = one.run("wait", "--any", "--timeout", "0.5")
        assert refused.returncode == 1
        assert "no other device is connected" in refused.stderr
        assert one.run("wait", "--any", "--all").returncode == 2
