"""A laptop is lost while a member is away, and that member meets the laptop first: four hosts, with real mDNS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab import Device, eventually, tree
from netns.lan import PREFIX, connected, plug, pull, synced

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

_TEXT = "".join(f"line {number} of a text\n" for number in range(40))


def _apart(*numbers: int) -> None:
    for number in numbers:
        pull(number)


def _change_line(device: Device, name: str, number: int, line: str) -> None:
    lines = (device.dir / name).read_text().splitlines(keepends=True)
    lines[number] = line + "\n"
    (device.dir / name).write_text("".join(lines))


def _roles(device: Device) -> dict[str, str]:
    shown = json.loads(device.cli("device", "list", "--json"))
    return {one["name"]: one["folders"][0]["role"] for one in shown if one["folders"]}


@pytest.fixture
def nas(lan: list[Device], tmp_path: Path) -> Device:
    """The fourth host has a daemon as well; it ends with the others."""
    host = Device(
        tmp_path, "host4", ("ip", "netns", "exec", f"{PREFIX}4"),
        YP2P_LISTEN__ADDRESS="", YP2P_DISCOVERY__INTERFACES="", YP2P_LISTEN__PORT="9727",
    )  # fmt: skip
    lan.append(host.start())
    return host


def test_who_was_away_and_met_the_lost_one_first_learns_and_keeps_nothing_of_it(lan: list[Device], nas: Device) -> None:
    desktop, laptop, pi, _ = lan
    for name in ("a.txt", "b.txt", "deleted.txt"):
        (desktop.dir / name).write_text(_TEXT)
    (desktop.dir / "picture").write_bytes(b"\0 a picture")
    for host in (laptop, pi, nas):
        host.join(desktop)
    synced(lan)

    # The pi is away, and so is the laptop: it has not heard of anything.
    _apart(2, 3)
    eventually(lambda: connected(desktop) == 1, 20, "noticing the pulled cables")
    desktop.cli("device", "remove", "host2", "--yes")
    eventually(lambda: _roles(nas).get("host2") == "removed")
    (desktop.dir / "c.txt").write_text("of the desktop, later\n")
    desktop.wait()

    # The two meet, and nobody else.
    _apart(1, 4)
    plug(2)
    plug(3)
    eventually(lambda: connected(laptop) == 1 and connected(pi) == 1, 40, "the lost one and the one that was away")
    _change_line(laptop, "a.txt", 5, "of a thief")
    (laptop.dir / "deleted.txt").unlink()
    (laptop.dir / "picture").write_bytes(b"\0 of a thief")
    (laptop.dir / "new.txt").write_text("of a thief\n")
    eventually(lambda: (pi.dir / "new.txt").exists() and "thief" in (pi.dir / "a.txt").read_text(), 30)
    eventually(lambda: not (pi.dir / "deleted.txt").exists() and b"thief" in (pi.dir / "picture").read_bytes(), 30)
    _change_line(pi, "a.txt", 30, "of the pi")
    (pi.dir / "d.txt").write_text("of the pi as well\n")
    pi.wait()

    # The pi comes back to the others; then the laptop as well.
    pull(2)
    plug(1)
    plug(4)
    honest = [desktop, pi, nas]
    eventually(lambda: all(connected(host) == 2 for host in honest), 60, "those that are left")
    eventually(lambda: _roles(pi).get("host2") == "removed", 30, "hearing of the removal")
    eventually(lambda: "of the pi" in (desktop.dir / "a.txt").read_text(), 60, "its own work")
    synced(honest)
    wanted = _TEXT.replace("line 30 of a text", "of the pi")
    assert tree(desktop.dir) == {
        "a.txt": wanted.encode(), "b.txt": _TEXT.encode(), "c.txt": b"of the desktop, later\n",
        "d.txt": b"of the pi as well\n", "deleted.txt": _TEXT.encode(), "picture": b"\0 a picture",
    }  # fmt: skip
    plug(2)
    eventually(lambda: "no member of the folder any more" in laptop.status()["folders"][0]["problem"], 60, "being told")
    eventually(lambda: connected(laptop) == 0, 20, "its last link ends")
    (laptop.dir / "late.txt").write_text("of a thief\n")
    (pi.dir / "e.txt").write_text("the last one\n")
    eventually(lambda: all((host.dir / "e.txt").exists() for host in honest))
    synced(honest)
    assert not any((host.dir / "late.txt").exists() for host in honest)
    assert not (laptop.dir / "e.txt").exists()
    assert not any(b"thief" in content for host in honest for content in tree(host.dir).values())
