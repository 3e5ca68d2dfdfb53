"""What a device does after it was removed does not last on one that had not heard of that."""

from __future__ import annotations

import json
from pathlib import Path

from lab import Device, devices, eventually

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
        laptop.join(desktop)
        pi.join(desktop)
        for device in (desktop, laptop, pi):
            device.wait()
        for device in (laptop, pi):
            device.stop()
        desktop.cli("device", "remove", "laptop", "--yes")
        desktop.stop()

        # The lost one and the one that was away meet.
        laptop.start()
        pi.start()
        _met(laptop, pi)
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
