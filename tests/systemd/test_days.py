"""Three machines through bad days: installed from the package, upgraded, crashed, hung, without power, taken back.

They are in sync again without a hand. They begin with the package of the last commit with another schema of the store.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import debian_machine
import pytest
from earlier_versions import build_wheel, last_with_another_schema
from lab import eventually, tree
from systemd.machines import PROGRAM, Machine, open_machines

from yp2p import __version__
from yp2p.store.schema import SCHEMA_VERSION

pytestmark = [pytest.mark.days, pytest.mark.timeout(1200)]
_FILES = 1000
_PERSON, _HUB = "yp2p@owner", "yp2p-hub"
_OLD, _NEW = "/root/old.deb", "/root/new.deb"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[list[Machine]]:
    """Three machines, two of a person and a hub, with the older package; the package of this checkout is at hand."""
    suite = debian_machine.this_debian()
    old_wheel = build_wheel(last_with_another_schema(), tmp_path / "old")

    def install(root: Path) -> None:
        debian = debian_machine.Machine(suite, root)
        earlier = debian_machine.package_for(debian, tmp_path / "deb-old", old_wheel)
        shutil.copy(debian_machine.with_version(earlier, "0.0.9-1", tmp_path / "deb-old"), root / _OLD[1:])
        shutil.copy(debian_machine.package_for(debian, tmp_path / "deb-new"), root / _NEW[1:])
        debian.run("dpkg", "-i", _OLD)

    (tmp_path / "machines").mkdir()
    with open_machines(tmp_path / "machines", 3, install) as machines:
        yield machines


def _units(room: list[Machine]) -> list[tuple[Machine, str]]:
    return list(zip(room, (_PERSON, _PERSON, _HUB), strict=True))


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


def _meet(room: list[Machine], why: str) -> None:
    """All three have the same, and say so."""
    eventually(lambda: _are_same(*room), 120, why)
    for machine, unit in _units(room):
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


def _reboot(room: list[Machine]) -> None:
    """Enabled means: it comes back with the machine."""
    for machine in room:
        machine.power_off()
        machine.boot()
    for machine, unit in _units(room):
        eventually(lambda m=machine, u=unit: m.property("ActiveState", u) == "active", 30, f"{unit} after the boot")


def _pair(room: list[Machine]) -> None:
    one, two, hub = room
    _make_files(one, "a", _FILES)
    two.yp2p("join", one.yp2p("share", "/home/owner/notes"), "/home/owner/notes")
    hub.hub("join", one.yp2p("share", "/home/owner/notes"), "notes")
    _meet(room, "the first sync")
    assert len(tree(_hub_folder(hub))) == _FILES + 1


def _upgrade(room: list[Machine]) -> None:
    """One after another, while a person writes; two versions are in the room meanwhile."""
    one, two, _ = room
    for number, (machine, unit) in enumerate(reversed(_units(room))):
        before = machine.property("MainPID", unit)
        _edit(one.home / f"notes/a1/{number + 100}.txt", f"before upgrade {number}\n")
        machine.run("dpkg", "-i", _NEW)
        _edit(two.home / f"notes/a1/{number + 100}.txt", f"after upgrade {number}\n")
        assert machine.property("ActiveState", unit) == "active"
        assert machine.property("MainPID", unit) not in ("0", before), "it runs with the new version"
        assert machine.run(PROGRAM, "--version").startswith(f"yp2p {__version__} (protocol")
    _meet(room, "after the upgrades")


def _crash_and_hang(room: list[Machine]) -> None:
    one, two, _ = room
    killed = two.property("MainPID")
    two.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", _PERSON)
    _edit(one.home / "notes/a0/1.txt", "while two was down\n")
    _edit(two.home / "notes/a0/2.txt", "on two, without a daemon\n")
    eventually(lambda: two.property("MainPID") not in ("0", killed), 60, "systemd starting it again")
    _meet(room, "after kill -9")

    # A loop that stands still.
    drop_in = one.root / "etc/systemd/system/yp2p@owner.service.d"
    drop_in.mkdir(parents=True, exist_ok=True)
    (drop_in / "short.conf").write_text("[Service]\nWatchdogSec=3\n")
    one.run("systemctl", "daemon-reload")
    one.run("systemctl", "restart", _PERSON)
    hung = one.property("MainPID")
    one.run("kill", "-USR2", hung)
    _edit(two.home / "notes/a0/3.txt", "while one hung\n")
    eventually(lambda: one.property("MainPID") not in ("0", hung), 60, "the watchdog")
    assert one.property("NRestarts") == "1"
    _meet(room, "after the hang")


def _cut_the_power(room: list[Machine]) -> None:
    """Of one machine while files come; and then of all at once."""
    one, two, hub = room
    _make_files(two, "b", 200)
    hub.cut_power()
    _edit(one.home / "notes/a0/4.txt", "while the hub was dark\n")
    hub.boot()
    _meet(room, "after a power cut")
    _edit(one.home / "notes/a0/5.txt", "a moment before\n")
    for machine in room:
        machine.cut_power()
    for machine in room:
        machine.boot()
    _meet(room, "after a power cut of all")


def _take_back(room: list[Machine]) -> None:
    """The older package starts no daemon on a newer store, and leaves it as it is; the newer one goes on by itself."""
    one, two, _ = room
    store = two.home / ".local/state/yp2p/store.db"
    assert store.with_name(f"store.db.schema-{SCHEMA_VERSION - 1}").exists(), "the copy from before the upgrade"
    two.run("systemctl", "stop", _PERSON)
    before = store.read_bytes()
    two.run("dpkg", "-i", _OLD)
    two.inside("systemctl", "start", _PERSON)
    eventually(lambda: two.property("ActiveState") == "failed", 30, "the older version giving up")
    assert (two.property("ExecMainStatus"), two.property("NRestarts")) == ("10", "0"), "a restart would not help"
    assert "newer yp2p" in two.run("journalctl", "-u", _PERSON, "-o", "cat")
    assert store.read_bytes() == before
    _edit(one.home / "notes/a0/6.txt", "while two was older\n")
    _edit(two.home / "notes/a0/7.txt", "on two, with the older one\n")
    two.run("dpkg", "-i", _NEW)
    two.power_off()
    two.boot()
    _meet(room, "after the downgrade")


def test_back_in_sync_without_a_hand(room: list[Machine]) -> None:
    hub = room[2]
    _plant_hang(room[0], "planted_hang")
    for machine, unit in _units(room):
        machine.run("systemctl", "enable", "--now", unit)  # as docs/install.md has it
    _reboot(room)
    _pair(room)
    _upgrade(room)
    _crash_and_hang(room)
    _cut_the_power(room)
    _take_back(room)

    found = tree(_hub_folder(hub))
    assert len(found) == _FILES + 200 + 2
    assert not [name for name in found if "conflict" in name]
    said = {
        1: "two was down", 2: "without a daemon", 3: "one hung", 4: "hub was dark", 5: "a moment before",
        6: "two was older", 7: "with the older one",
    }  # fmt: skip
    for number, words in said.items():
        assert words in found[f"a0/{number}.txt"].decode()
    for number in range(3):
        for when in ("before", "after"):
            assert f"{when} upgrade {number}" in found[f"a1/{number + 100}.txt"].decode()
    for machine, unit in _units(room):
        log = machine.run("journalctl", "-u", unit, "--no-pager")
        assert "Traceback" not in log, log[-3000:]
