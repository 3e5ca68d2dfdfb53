"""Three machines through bad days: installed by command, crashed, hung, without power; in sync again without a hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lab import eventually, tree
from systemd.machines import PROGRAM, Machine

pytestmark = [pytest.mark.days, pytest.mark.timeout(900)]
_FILES = 1000


def _hub_folder(machine: Machine) -> Path:
    return machine.root / "var/lib/private/yp2p-hub/folders/notes"


def _make_files(machine: Machine, prefix: str, count: int) -> None:
    for number in range(count):
        place = machine.home / f"notes/{prefix}{number // 100}"
        place.mkdir(exist_ok=True)
        (place / f"{number}.txt").write_text(f"{prefix} {number}\n" * (number % 40 + 1))
    (machine.home / f"notes/{prefix}.bin").write_bytes(b"\0" + os.urandom(3_000_000))
    machine.run("chown", "-R", "owner:owner", "/home/owner/notes")


def _edit(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _are_same(one: Machine, two: Machine, hub: Machine) -> bool:
    trees = [tree(one.home / "notes"), tree(two.home / "notes"), tree(_hub_folder(hub))]
    return trees[0] == trees[1] == trees[2]


def _meet(one: Machine, two: Machine, hub: Machine, why: str) -> None:
    """All three have the same, and say so."""
    eventually(lambda: _are_same(one, two, hub), 120, why)
    for machine, unit in ((one, "yp2p@owner"), (two, "yp2p@owner"), (hub, "yp2p-hub")):
        eventually(
            lambda m=machine, u=unit: m.property("StatusText", u).startswith("in sync with 2 devices; "), 60, why
        )


def _plant_hang(machine: Machine, name: str) -> None:
    """SIGUSR2 has the event loop of the daemon stand still from then on."""
    for site in (machine.root / "opt/yp2p/lib").glob("python3*/site-packages"):
        (site / f"{name}.py").write_text(
            "import signal, time\nsignal.signal(signal.SIGUSR2, lambda *_: time.sleep(1e6))\n"
        )
        (site / f"{name}.pth").write_text(f"import {name}\n")


def test_back_in_sync_without_a_hand(room: list[Machine]) -> None:
    one, two, hub = room
    _plant_hang(one, "planted_hang")
    for machine in (one, two):
        (machine.root / "etc/systemd/system/yp2p@.service").unlink()
        machine.run("systemctl", "daemon-reload")
        said = machine.run(PROGRAM, "service", "install", "--system", "--for", "owner")
        assert "yp2p@owner.service starts with the machine." in said
    hub.run(PROGRAM, "service", "install", "--hub")

    for machine in room:  # enabled means: it comes back with the machine
        machine.power_off()
        machine.boot()
    for machine, unit in ((one, "yp2p@owner"), (two, "yp2p@owner"), (hub, "yp2p-hub")):
        eventually(lambda m=machine, u=unit: m.property("ActiveState", u) == "active", 30, f"{unit} after the boot")

    _make_files(one, "a", _FILES)
    two.yp2p("join", one.yp2p("share", "/home/owner/notes"), "/home/owner/notes")
    hub.hub("join", one.yp2p("share", "/home/owner/notes"), "notes")
    _meet(one, two, hub, "the first sync")
    assert len(tree(_hub_folder(hub))) == _FILES + 1

    # A crash, with edits on both sides of it.
    killed = two.property("MainPID")
    two.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "yp2p@owner")
    _edit(one.home / "notes/a0/1.txt", "while two was down\n")
    _edit(two.home / "notes/a0/2.txt", "on two, without a daemon\n")
    eventually(lambda: two.property("MainPID") not in ("0", killed), 60, "systemd starting it again")
    _meet(one, two, hub, "after kill -9")

    # A loop that stands still.
    drop_in = one.root / "etc/systemd/system/yp2p@owner.service.d"
    drop_in.mkdir(parents=True, exist_ok=True)
    (drop_in / "short.conf").write_text("[Service]\nWatchdogSec=3\n")
    one.run("systemctl", "daemon-reload")
    one.run("systemctl", "restart", "yp2p@owner")
    hung = one.property("MainPID")
    one.run("kill", "-USR2", hung)
    _edit(two.home / "notes/a0/3.txt", "while one hung\n")
    eventually(lambda: one.property("MainPID") not in ("0", hung), 60, "the watchdog")
    assert one.property("NRestarts") == "1"
    _meet(one, two, hub, "after the hang")

    # The power goes, while files come; and then of all at once.
    _make_files(two, "b", 200)
    hub.cut_power()
    _edit(one.home / "notes/a0/4.txt", "while the hub was dark\n")
    hub.boot()
    _meet(one, two, hub, "after a power cut")
    _edit(one.home / "notes/a0/5.txt", "a moment before\n")
    for machine in room:
        machine.cut_power()
    for machine in room:
        machine.boot()
    _meet(one, two, hub, "after a power cut of all")

    found = tree(_hub_folder(hub))
    assert len(found) == _FILES + 200 + 2
    assert not [name for name in found if "conflict" in name]
    for number, words in ((1, b"two was down"), (2, b"without a daemon"), (3, b"one hung"), (4, b"hub was dark")):
        assert words in found[f"a0/{number}.txt"]
    assert b"a moment before" in found["a0/5.txt"]
    for machine, unit in ((one, "yp2p@owner"), (two, "yp2p@owner"), (hub, "yp2p-hub")):
        log = machine.run("journalctl", "-u", unit, "--no-pager")
        assert "Traceback" not in log, log[-3000:]
