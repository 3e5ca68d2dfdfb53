"""A year with yp2p in a minute: four machines on a LAN with real mDNS, from the first pairing to a folder that is left.

Everything is typed as a person would type it. After each step every directory holds what it should, and `yp2p status`
says so on each machine that is there. `pytest -s` prints each command with what it said.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lab import Device, eventually, tree
from netns.lan import PREFIX, plug, pull

pytestmark = [pytest.mark.netns, pytest.mark.timeout(1200)]

_SETTINGS = {"YP2P_LISTEN__ADDRESS": "", "YP2P_DISCOVERY__INTERFACES": "", "YP2P_LISTEN__PORT": "9727"}


@dataclass
class Machine:
    """A device, where it has which folder, and the one directory of a folder that it has chosen, where it has."""

    device: Device
    folders: dict[str, Path]
    chosen: dict[str, str] = field(default_factory=dict)

    def types(self, *arguments: str, timeout_s: float = 60) -> str:
        said = self.device.cli(*arguments, timeout_s=timeout_s)
        shown = "\n".join(f"    {line}" for line in said.splitlines())
        print(f"{self.device.name}$ yp2p {' '.join(arguments)}", *([shown] if said else []), sep="\n")
        return said

    def write(self, folder: str, name: str, text: str) -> None:
        path = self.folders[folder] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _host(base: Path, name: str, number: int) -> Device:
    return Device(base, name, ("ip", "netns", "exec", f"{PREFIX}{number}"), **_SETTINGS)


def _settled(title: str, *machines: Machine, here_only: dict[str, set[str]] | None = None) -> None:
    """All who have a folder have the same in it, as far as they chose it, and `status` says on each that it is in sync.

    Args:
        here_only: by machine, what only its directories hold.
    """
    print(f"\n--- {title}")
    for machine in machines:
        machine.types("wait", "--timeout", "90", timeout_s=100)
        eventually(lambda machine=machine: machine.device.cli("status").startswith("In sync"), 60, f"{title}: status")  # type: ignore[misc]
        assert machine.types("status").startswith("In sync")
    for folder in {name for machine in machines for name in machine.folders}:
        trees = []
        for machine in machines:
            if folder in machine.folders:
                own = (here_only or {}).get(machine.device.name, set())
                found = tree(machine.folders[folder])
                trees.append((machine, {name: data for name, data in found.items() if name not in own}))
        whole = next(found for machine, found in trees if folder not in machine.chosen)
        for machine, found in trees:
            above = f"{machine.chosen[folder]}/" if folder in machine.chosen else ""
            expected = {name: data for name, data in whole.items() if name.startswith(above)}
            assert found == expected, f"{title}: {folder} on {machine.device.name}: {found}, not {expected}"
            print(f"({machine.folders[folder]} holds the {len(found)} files of {folder} that it should)")


def _joins(
    machine: Machine, other: Machine, folder: str, directory: Path, *options: str, chosen: str | None = None
) -> None:
    code = other.types("share", str(other.folders[folder]), *options).split()[0]
    directory.mkdir(parents=True, exist_ok=True)
    only = ("--choose", chosen) if chosen is not None else ()
    machine.types("join", "--timeout", "60", *only, code, str(directory))
    machine.folders[folder] = directory
    if chosen is not None:
        machine.chosen[folder] = chosen


def _role(machine: Machine, name: str, folder: str) -> str | None:
    shown = json.loads(machine.device.cli("device", "list", "--json"))
    roles = [f["role"] for one in shown if one["name"] == name for f in one["folders"] if f["folder"] == folder]
    return roles[0] if roles else None


def _knows_removal(machine: Machine, name: str) -> bool:
    return _role(machine, name, "notes") == "removed"


def test_a_year(lan: list[Device], tmp_path: Path) -> None:
    for host in lan:
        host.stop()
    machines = []
    for number, name in enumerate(("desktop", "laptop", "pi", "nas"), 1):
        device = _host(tmp_path, name, number)
        lan.append(device)  # it ends with the others
        device.start()
        machines.append(Machine(device, {}))
    desktop, laptop, pi, nas = machines

    # The first day.
    desktop.folders["notes"] = desktop.device.dir / "notes"
    desktop.write("notes", "a.txt", "written before anything\n")
    desktop.write("notes", "recipes/soup.md", "# Soup\n")
    _joins(laptop, desktop, "notes", laptop.device.dir / "notes")
    _joins(pi, laptop, "notes", pi.device.dir / "notes")
    laptop.write("notes", "todo.txt", "of the laptop\n")
    _settled("first pairing", desktop, laptop, pi)

    # A second folder needs no code.
    desktop.folders["photos"] = desktop.device.dir / "photos"
    for name in ("one.raw", "2025/summer.raw", "2026/winter.raw"):
        desktop.write("photos", name, f"\0 a picture, {name}")
    desktop.types("share", str(desktop.folders["photos"]))
    desktop.types("folder", "offer", "photos", "laptop", "pi")
    for machine in (laptop, pi):
        eventually(lambda machine=machine: "photos" in machine.device.cli("folder", "list"), 30, "the offer")  # type: ignore[misc]
        machine.folders["photos"] = machine.device.dir / "photos"
        machine.folders["photos"].mkdir()
        machine.types("folder", "accept", "photos", str(machine.folders["photos"]))
        eventually(lambda machine=machine: len(machine.device.status()["folders"]) == 2, 30, "taking part")  # type: ignore[misc]
    _settled("a second folder, by offer", desktop, laptop, pi)

    # The pi has no room for all of it: nothing is deleted elsewhere, and what comes later is as it chose.
    pi.types("folder", "choose", "photos", "2026")
    pi.chosen["photos"] = "2026"
    eventually(lambda: tree(pi.folders["photos"]).keys() == {"2026/winter.raw"}, 60, "the others leave the pi")
    _settled("a directory of a folder alone", desktop, laptop, pi)
    laptop.write("photos", "2025/autumn.raw", "\0 of the laptop, not for the pi")
    laptop.write("photos", "2026/spring.raw", "\0 of the laptop")
    pi.write("photos", "2026/pi.raw", "\0 of the pi")
    _settled("changes in what was chosen and in what was not", desktop, laptop, pi)
    assert "3 files" in pi.types("folder", "usage")

    # A reader.
    _joins(nas, desktop, "notes", nas.device.dir / "notes", "--role", "reader")
    nas.types("wait", "--timeout", "90", timeout_s=100)
    nas.write("notes", "a.txt", "changed by a reader\n")
    eventually(lambda: nas.device.status()["folders"][0]["local_changes"], 30, "what the reader changed")
    desktop.write("notes", "later.txt", "after that\n")
    _settled("a reader changed a file", desktop, laptop, pi)
    assert (desktop.folders["notes"] / "a.txt").read_text() == "written before anything\n"
    nas.types("folder", "revert", "a.txt")
    _settled("the reader reverts", desktop, laptop, pi, nas)

    # A directory moves, a device gets another name.
    moved = tmp_path / "moved"
    laptop.types("folder", "move", "notes", str(moved))
    laptop.folders["notes"] = moved
    laptop.write("notes", "todo.txt", "from the new place\n")
    desktop.types("device", "rename", "pi", "kitchen")
    assert "kitchen" in desktop.types("device", "list")
    _settled("a moved directory, a renamed device", desktop, laptop, pi, nas)

    # The laptop is lost while the pi is away, and the pi meets it first.
    pull(2)
    pull(3)
    desktop.types("device", "remove", "laptop", "--yes")
    eventually(lambda: _knows_removal(nas, "laptop"), 30, "the nas hears of it")
    desktop.write("notes", "without.txt", "without the laptop\n")
    pull(1)
    pull(4)
    plug(2)
    plug(3)
    eventually(lambda: any(one["connected"] for one in pi.device.status()["devices"]), 60, "the two meet")
    laptop.write("notes", "a.txt", "of a thief\n")
    eventually(lambda: "thief" in (pi.folders["notes"] / "a.txt").read_text(), 60, "the pi takes it: it does not know")
    pi.write("notes", "pi.txt", "of the pi, meanwhile\n")
    pi.types("wait", "--timeout", "60", timeout_s=70)
    pull(2)
    plug(1)
    plug(4)
    eventually(lambda: _knows_removal(pi, "laptop"), 60, "the pi learns")
    eventually(lambda: "thief" not in (pi.folders["notes"] / "a.txt").read_text(), 60, "it does not last")
    _settled("a lost laptop", desktop, pi, nas)
    assert (nas.folders["notes"] / "pi.txt").read_text() == "of the pi, meanwhile\n"
    assert (nas.folders["notes"] / "a.txt").read_text() == "written before anything\n"

    # The pi is replaced by a new machine.
    new = Machine(_host(tmp_path, "new", 2), {})
    laptop.device.kill()
    lan.append(new.device)
    plug(2)
    new.device.start()
    key = json.loads(new.types("identity", "show", "--json"))["key"]
    desktop.types("device", "remove", "kitchen", "--replaced-by", key, "--yes")
    _joins(new, desktop, "notes", new.device.dir / "notes")
    code = desktop.types("share", str(desktop.folders["photos"])).split()[0]
    (new.device.dir / "photos").mkdir()
    assert "Room: " in new.types("join", "--dry-run", "--timeout", "60", code, str(new.device.dir / "photos"))
    _joins(new, desktop, "photos", new.device.dir / "photos", chosen="2025")
    pi.device.kill()
    new.write("notes", "new.txt", "of the new machine\n")
    _settled("a replaced machine, which chose when it joined", desktop, nas, new)
    new.types("folder", "choose", "photos", "--all")
    del new.chosen["photos"]
    _settled("everything of the folder", desktop, nas, new)

    # A folder is left; its files stay.
    new.types("folder", "leave", "photos", "--yes")
    photos = new.folders.pop("photos")
    assert (photos / "one.raw").exists()
    assert not (photos / ".yp2p").exists()
    desktop.write("photos", "two.raw", "\0 another one")
    desktop.types("folder", "leave", "photos", "--yes")
    del desktop.folders["photos"]
    _settled("a folder that everybody left", desktop, nas, new)
    assert [folder["label"] for folder in desktop.device.status()["folders"]] == ["notes"]
