"""What a device does after it was removed does not last on one that had not heard of that."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree

from yp2p.client import connect

pytestmark = pytest.mark.long

_TEXT = "".join(f"line {number} of a text\n" for number in range(40))


def _met(one: Device, two: Device) -> None:
    for device in (one, two):
        device.wait()


def _kinds(device: Device) -> list[str]:
    return [notice["kind"] for notice in json.loads(device.cli("notices", "--json"))]


def test_what_a_removed_device_did_afterwards_is_taken_back(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "laptop", "pi") as (desktop, laptop, pi):
        for name in ("a.txt", "deleted.txt", "renamed.txt"):
            (desktop.dir / name).write_text(name + "\n" + _TEXT)
        (desktop.dir / "picture").write_bytes(b"\0 a picture")
        _lose(desktop, laptop, pi)
        lines = (laptop.dir / "a.txt").read_text().splitlines(keepends=True)
        lines[10] = "line 9 of a thief\n"
        del lines[20]
        (laptop.dir / "a.txt").write_text("".join(lines))
        (laptop.dir / "new.txt").write_text("of a thief\n")
        (laptop.dir / "deleted.txt").unlink()
        (laptop.dir / "renamed.txt").rename(laptop.dir / "another.txt")
        (laptop.dir / "picture").write_bytes(b"\0 of a thief")
        (laptop.dir / "directory").mkdir()
        eventually(lambda: (pi.dir / "directory").is_dir() and not (pi.dir / "deleted.txt").exists())
        _met(laptop, pi)
        assert "thief" in (pi.dir / "a.txt").read_text()
        lines = (pi.dir / "a.txt").read_text().splitlines(keepends=True)
        lines[30] = "of the pi\n"
        (pi.dir / "a.txt").write_text("".join(lines))
        (pi.dir / "b.txt").write_text("also of the pi\n")
        pi.wait()
        laptop.stop()

        desktop.start()
        _met(desktop, pi)
        for device in (desktop, pi):
            text = (device.dir / "a.txt").read_text()
            assert "thief" not in text, text
            assert text == ("a.txt\n" + _TEXT).replace("line 30 of a text", "of the pi"), text
            assert sorted(path.name for path in device.dir.iterdir() if path.name != ".yp2p") == [
                "a.txt", "b.txt", "deleted.txt", "picture", "renamed.txt",
            ]  # fmt: skip
            assert (device.dir / "deleted.txt").read_text() == "deleted.txt\n" + _TEXT
            assert (device.dir / "picture").read_bytes() == b"\0 a picture"
        assert "taken-back" in _kinds(pi)
        pi.cli("undo", str(pi.dir / "a.txt"))
        assert "thief" in (pi.dir / "a.txt").read_text()


def _lose(desktop: Device, laptop: Device, pi: Device) -> None:
    """All have the desktop's folder. The laptop is removed while it and the Pi are away; then these two meet."""
    for other in (laptop, pi):
        other.join(desktop)
    for device in (desktop, laptop, pi):
        device.wait()
    for device in (laptop, pi):
        device.stop()
    desktop.cli("device", "remove", "laptop", "--yes")
    desktop.stop()
    laptop.start()
    pi.start()
    _met(laptop, pi)


@pytest.mark.long
def test_trees_kinds_and_an_open_file_after_a_crash_while_it_is_doubted(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "laptop", "pi") as (desktop, laptop, pi):
        for number in range(12):
            (desktop.dir / f"tree/{number % 3}").mkdir(parents=True, exist_ok=True)
            (desktop.dir / f"tree/{number % 3}/{number}.txt").write_text(f"{number}\n{_TEXT}")
        (desktop.dir / "deleted/below").mkdir(parents=True)
        (desktop.dir / "deleted/below/x.txt").write_text(_TEXT)
        (desktop.dir / "deleted/y").write_bytes(b"\0 y")
        (desktop.dir / "open.txt").write_text(_TEXT)
        (desktop.dir / "text").write_text(_TEXT)
        (desktop.dir / "blob").write_bytes(b"\0 a blob")
        (desktop.dir / "link").symlink_to("text")
        (desktop.dir / "script").write_text("#!/bin/sh\n")
        _lose(desktop, laptop, pi)
        before = tree(desktop.dir)
        (laptop.dir / "tree").rename(laptop.dir / "another tree")
        shutil.rmtree(laptop.dir / "deleted")
        (laptop.dir / "text").write_bytes(b"\0 of a thief")
        (laptop.dir / "blob").write_text("of a thief\n")
        (laptop.dir / "link").unlink()
        (laptop.dir / "link").symlink_to("/etc/passwd")
        (laptop.dir / "script").chmod(0o755)
        (laptop.dir / "open.txt").write_text(_TEXT.replace("line 5 of", "line 5 of a thief and of"))
        for number in range(5):
            (laptop.dir / "mine").write_bytes(b"\0 of a thief %d" % number)
            laptop.wait()
        eventually(lambda: (pi.dir / "another tree/0/0.txt").exists() and not (pi.dir / "deleted").exists())
        eventually(lambda: os.access(pi.dir / "script", os.X_OK) and "thief" in (pi.dir / "open.txt").read_text())
        _met(laptop, pi)
        (pi.dir / "another tree/of the pi.txt").write_text("of the pi\n")
        pi.wait()
        laptop.stop()

        # It hears of the removal and dies, again and again.
        desktop.start()
        for number in range(6):
            time.sleep(0.1 + 0.1 * number)  # it dies at six moments, from the first link to what follows
            pi.kill()
            pi.start()
        asyncio.run(_type_until_taken_back(pi))
        _met(desktop, pi)
        for device in (desktop, pi):
            found = tree(device.dir)
            assert found.pop("another tree/of the pi.txt") == b"of the pi\n"
            assert found.pop("open.txt").replace(b"typed ", b"") == before["open.txt"]
            assert found == {name: content for name, content in before.items() if name != "open.txt"}
            assert os.readlink(device.dir / "link") == "text"
            assert not os.access(device.dir / "script", os.X_OK)
        assert (pi.dir / "open.txt").read_text().count("typed ") == _TYPED


_TYPED = 30


async def _type_until_taken_back(device: Device) -> None:
    """A program has the file open, and types."""
    async with connect(device.home / "control.sock") as here, here.open(device.dir / "open.txt") as file:
        for _ in range(_TYPED):
            file.insert(0, "typed ")
            await asyncio.sleep(0.05)
        await file.flush()


@pytest.mark.long
def test_a_mass_deletion_that_waits_for_a_word_is_taken_back_too(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "laptop", "pi") as (desktop, laptop, pi):
        for number in range(80):
            (desktop.dir / f"{number}.txt").write_text(f"{number}\n{_TEXT}")
        _lose(desktop, laptop, pi)
        before = tree(desktop.dir)
        for path in laptop.dir.glob("*.txt"):
            path.unlink()
        eventually(lambda: laptop.status()["folders"][0]["awaiting_confirmation"])
        laptop.cli("folder", "confirm", str(laptop.dir))
        eventually(lambda: pi.status()["folders"][0]["awaiting_confirmation"], 60)
        (pi.dir / "of the pi").write_text("of the pi\n")
        laptop.stop()
        desktop.start()
        eventually(lambda: not pi.status()["folders"][0]["awaiting_confirmation"], 60, "its going on")
        _met(desktop, pi)
        for device in (desktop, pi):
            assert tree(device.dir) == {**before, "of the pi": b"of the pi\n"}
