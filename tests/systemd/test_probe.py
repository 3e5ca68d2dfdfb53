"""What a program inside each unit cannot do, and what it can: `probe.py`, run with the settings of the unit."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from systemd.machines import REPOSITORY, Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(400)]

# What is no harm, or what this systemd does not take away: with the reason.
_ALLOWED = {
    # It has no view of its own of processes and homes: what everybody may see counts.
    "yp2p.service": {"see processes of others", "read another home"},
}

_DENIED = ("EPERM", "EACCES", "EROFS", "ENOENT")


def _as_probe(text: str, *arguments: str) -> str:
    """The unit, with everything as it is but that it runs the probe once."""
    text = re.sub(
        r"^ExecStart=.*", f"ExecStart=/opt/yp2p/bin/python /opt/probe.py {' '.join(arguments)}", text, flags=re.M
    )
    text = text.replace("Type=notify\n", "Type=oneshot\n")
    return re.sub(r"^(WatchdogSec|Restart\w*|ExecReload)=.*\n", "", text, flags=re.M)


def _probe(machine: Machine, unit: str) -> dict[str, dict[str, str]]:
    """What it found."""
    shutil.copy(Path(__file__).with_name("probe.py"), machine.root / "opt/probe.py")
    text = (REPOSITORY / "systemd" / unit).read_text()
    if unit == "yp2p.service":
        machine.run("systemctl", "start", "user@1001")
        machine.as_owner("mkdir", "-p", "/home/owner/probe-user", "/home/owner/.config/systemd/user")
        place = machine.home / ".config/systemd/user/probe.service"
        place.write_text(_as_probe(text, "/home/owner/probe-user", "/run/user/1001"))
        machine.as_owner("systemctl", "--user", "daemon-reload")
        machine.as_owner("systemctl", "--user", "start", "probe.service")
        printed = machine.run("journalctl", "--no-pager", "-o", "cat", "_SYSTEMD_USER_UNIT=probe.service")
    else:
        name = unit.replace("yp2p", "probe")
        folder = (
            ("/var/lib/yp2p-hub", "/run/yp2p-hub")
            if "hub" in unit
            else ("/home/owner/probe", "/run/yp2p/owner", "2001")
        )
        machine.as_owner("mkdir", "-p", "/home/owner/probe")
        (machine.root / "etc/systemd/system" / name).write_text(_as_probe(text, *folder))
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", name.replace("@", "@owner"))
        printed = machine.run("journalctl", "--no-pager", "-o", "cat", "-u", name.replace("@", "@owner"))
    found: dict[str, dict[str, str]] = json.loads(
        next(line for line in printed.splitlines() if line.startswith('{"forb'))
    )
    return found


@pytest.mark.parametrize("unit", ["yp2p@.service", "yp2p-hub.service", "yp2p.service"])
def test_a_unit_takes_away_what_a_daemon_does_not_need(room: list[Machine], unit: str) -> None:
    found = _probe(room[2], unit)
    done = {name for name, said in found["forbidden"].items() if said == "done"}
    assert done <= _ALLOWED.get(unit, set())
    odd = {(name, said) for name, said in found["forbidden"].items() if said not in ("done", *_DENIED)}
    # A family of sockets that there is not; a group that has no number in a user namespace.
    assert odd <= {("a packet socket", "EAFNOSUPPORT"), ("setgid", "EINVAL")}
    assert {name: said for name, said in found["needed"].items() if said != "done"} == {}


def test_without_a_unit_most_of_that_can_be_done(room: list[Machine]) -> None:
    """The probe tries what works: root, who has no unit around it, does most of it."""
    shutil.copy(Path(__file__).with_name("probe.py"), room[2].root / "opt/probe.py")
    room[2].run("mkdir", "-p", "/var/lib/probe")
    found = json.loads(room[2].run("/opt/yp2p/bin/python", "/opt/probe.py", "/var/lib/probe", "/run", "2001"))
    assert sum(said == "done" for said in found["forbidden"].values()) >= 12
    assert set(found["needed"].values()) == {"done"}
