"""Situations in which the obvious way lost or doubled text, or stopped the daemon."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines

pytestmark = pytest.mark.long


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("line 1\nline 2\n")
        two.join(one)
        synced(one, two)
        yield [one, two]
        for device in (one, two):
            assert unexpected_lines(device, "conflict_copy_created", "ignore_file_refused") == []


def synced(*found: Device) -> None:
    for device in found:
        device.wait()
    for device in found[1:]:
        assert tree(device.dir) == tree(found[0].dir)


def _append(path: Path, text: str) -> None:
    """As `>>` does, in a process that reads nothing."""
    subprocess.run(["sh", "-c", 'printf %s "$1" >> "$0"', str(path), text], check=True)


def _arrived(path: Path, text: str) -> bool:
    """Whether the text is there, told by the size alone: reading would be evidence of reading."""
    return path.stat().st_size == len(text.encode())


def test_appending_to_a_file_that_nobody_has_read(pair: list[Device]) -> None:
    one, two = pair
    _append(two.dir / "a.txt", "from two\n")
    eventually(lambda: _arrived(one.dir / "a.txt", "line 1\nline 2\nfrom two\n"))
    _append(one.dir / "a.txt", "from one\n")
    synced(one, two)
    assert (one.dir / "a.txt").read_text() == "line 1\nline 2\nfrom two\nfrom one\n"


def test_an_editor_that_read_before_a_remote_edit_arrived(pair: list[Device]) -> None:
    one, two = pair
    opened = (one.dir / "a.txt").read_text()
    _append(two.dir / "a.txt", "from two\n")
    eventually(lambda: _arrived(one.dir / "a.txt", "line 1\nline 2\nfrom two\n"))
    (one.dir / "a.txt").write_text(opened.replace("line 1", "line one"))
    synced(one, two)
    assert (one.dir / "a.txt").read_text() == "line one\nline 2\nfrom two\n"


def test_the_same_change_made_on_both_while_both_were_off(pair: list[Device]) -> None:
    one, two = pair
    for device in pair:
        device.stop()
        (device.dir / "a.txt").write_text("line 1\nthe same new line\nline 2\n")
    for device in pair:
        device.start()
    synced(one, two)
    assert (one.dir / "a.txt").read_text() == "line 1\nthe same new line\nline 2\n"


def test_names_swapped_live_and_after_a_restart(pair: list[Device]) -> None:
    one, two = pair
    (one.dir / "b.txt").write_text("bbb\n")
    synced(one, two)
    for _ in range(2):
        (one.dir / "a.txt").rename(one.dir / "c")
        (one.dir / "b.txt").rename(one.dir / "a.txt")
        (one.dir / "c").rename(one.dir / "b.txt")
        wanted = (one.dir / "a.txt").read_bytes()
        eventually(lambda wanted=wanted: tree(two.dir).get("a.txt") == wanted)  # type: ignore[misc]
        synced(one, two)
        for device in pair:
            device.stop()
            device.start()
    _append(one.dir / "a.txt", "more\n")
    synced(one, two)


def test_a_file_that_was_parked_when_the_daemon_died(pair: list[Device]) -> None:
    one, two = pair
    two.stop()
    with sqlite3.connect(two.home / "store.db") as store:
        entry = store.execute("SELECT hex(entry) FROM file").fetchone()[0].lower()
    store.close()
    (two.dir / "a.txt").rename(two.dir / ".yp2p" / "tmp" / f"park-{entry}")
    two.start()
    synced(one, two)
    assert tree(one.dir) == {"a.txt": b"line 1\nline 2\n"}


def test_a_file_kept_by_an_edit_reaches_a_new_device(pair: list[Device], tmp_path: Path) -> None:
    one, two = pair
    two.stop()
    (two.dir / "a.txt").write_text("line 1\nedited\nline 2\n")
    (one.dir / "a.txt").unlink()
    eventually(lambda: one.status()["folders"][0]["entries"]["total"] == 0)
    two.start()
    synced(one, two)
    with devices(tmp_path, "three") as (three,):
        three.join(one)
        synced(one, three)
        assert tree(three.dir) == {"a.txt": b"line 1\nedited\nline 2\n"}


def test_an_inode_that_is_used_again_is_no_rename(pair: list[Device]) -> None:
    one, two = pair
    two.stop()
    (two.dir / "a.txt").write_text("line 1\nline 2\nimportant line of two\n")
    one.stop()
    (one.dir / "a.txt").unlink()
    (one.dir / "b.txt").write_text("something else entirely\n")
    one.start()
    two.start()
    synced(one, two)
    assert tree(one.dir) == {
        "a.txt": b"line 1\nline 2\nimportant line of two\n",
        "b.txt": b"something else entirely\n",
    }


def test_times_and_patterns_that_do_not_fit(pair: list[Device]) -> None:
    one, two = pair
    (one.dir / "future.txt").write_text("x\n")
    os.utime(one.dir / "future.txt", ns=(2**63 + 5, 2**63 + 5))
    eventually((two.dir / "future.txt").exists)
    (one.dir / ".yp2pignore").write_text("[z-a]\n")
    eventually((two.dir / ".yp2pignore").exists)
    for device in pair:
        device.stop()
        device.start()
    (two.dir / ".yp2pignore").write_text("*.log\n")
    (one.dir / "a.txt").write_text("line 1\nline 2\nline 3\n")
    synced(one, two)
    (one.dir / "x.log").write_text("ignored\n")
    (one.dir / "seen.txt").write_text("seen\n")
    eventually((two.dir / "seen.txt").exists)
    assert not (two.dir / "x.log").exists()


def test_names_as_long_as_they_get(pair: list[Device], tmp_path: Path) -> None:
    one, two = pair
    name = "1. " + "x" * 250
    for device in pair:
        device.stop()
        (device.dir / name).write_text(f"by {device.name}\n")
    for device in pair:
        device.start()
    synced(one, two)
    assert sorted(tree(one.dir).values()) == [b"by one\n", b"by two\n", b"line 1\nline 2\n"]


def test_what_is_no_file_in_the_way_waits_with_a_reason(pair: list[Device]) -> None:
    one, two = pair
    os.mkfifo(two.dir / "notes")
    (one.dir / "notes").write_text("a file here\n")
    eventually(lambda: two.status()["folders"][0]["entries"]["waiting"] == 1)
    assert two.status()["folders"][0]["waiting"][0]["path"] == "notes"
    assert one.run("wait", "--timeout", "1").returncode == 1, "it is not in sync, and says so"
    (two.dir / "notes").unlink()
    eventually(lambda: (two.dir / "notes").is_file())
    synced(one, two)


def test_a_writer_that_holds_the_replaced_file_open(pair: list[Device]) -> None:
    one, two = pair
    with (one.dir / "a.txt").open("a") as writer:
        _append(two.dir / "a.txt", "from two\n")
        eventually(lambda: one.status()["folders"][0]["entries"]["waiting"] == 1, what="waiting for the writer")
        writer.write("from the writer\n")
    synced(one, two)
    text = (two.dir / "a.txt").read_text()
    assert sorted(text.splitlines()) == ["from the writer", "from two", "line 1", "line 2"]


def test_an_editor_that_read_before_a_remote_edit_and_a_crash(pair: list[Device]) -> None:
    one, two = pair
    opened = (one.dir / "a.txt").read_text()
    _append(two.dir / "a.txt", "from two\n")
    eventually(lambda: _arrived(one.dir / "a.txt", "line 1\nline 2\nfrom two\n"))
    one.kill()
    temporary = one.dir / "a.txt~"
    temporary.write_text(opened.replace("line 1", "line one"))
    temporary.rename(one.dir / "a.txt")
    one.start()
    synced(one, two)
    assert (one.dir / "a.txt").read_text() == "line one\nline 2\nfrom two\n"


def test_the_same_change_made_live_here_and_apart_there(pair: list[Device]) -> None:
    one, two = pair
    two.stop()
    for device in pair:
        (device.dir / "a.txt").write_text("line 2 is 22 now\nline 2\n")
    one.wait()
    two.start()
    synced(one, two)
    assert (one.dir / "a.txt").read_text() == "line 2 is 22 now\nline 2\n"


@pytest.mark.parametrize("pause_s", [0.0, 0.05, 0.1, 0.18, 0.25])
def test_directories_that_move_on_at_once_leave_no_ghosts(pair: list[Device], pause_s: float) -> None:
    one, two = pair
    for number in range(3):
        (one.dir / "t").mkdir()
        for name in range(3):
            (one.dir / "t" / f"{name}.txt").write_text(f"{number} {name}\n")
        time.sleep(pause_s)  # the pace of the one who renames; the test is about each of these
        (one.dir / "t").rename(one.dir / f"x{number}")
        time.sleep(pause_s)  # as above
        (one.dir / f"x{number}").rename(one.dir / f"y{number}")
    eventually(lambda: len(tree(two.dir)) >= 10)
    synced(one, two)
    expected = {f"y{number}/{name}.txt" for number in range(3) for name in range(3)} | {"a.txt"}
    assert set(tree(one.dir)) == expected
    assert one.status()["folders"][0]["entries"]["total"] == 10
