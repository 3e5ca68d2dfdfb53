"""`yp2p doctor` on real hosts: faults are planted one after the other, and each is named.

Those of the network and of other devices are planted on three hosts, those of a home on a device alone. docs/doctor.md
has what is said of each; with `YP2P_SAYS=FILE` it is written there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab import Device, eventually
from netns.lan import PREFIX, connected, ip, synced

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]

_FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
_DAY_S = 86400
_DOCS = Path(__file__).parents[2].joinpath("docs", "doctor.md").read_text()
# Ways to start yp2p with something changed in it: what follows are the words of the command line.
_CHANGED = "import sys; sys.argv = sys.argv[1:]; {change}; from yp2p.cli.main import main; main()"
_OTHER_CLOCK = f"import time; now = time.time; time.time = lambda: now() + {_DAY_S}"
_OTHER_VERSION = "import yp2p.protocol.messages as messages; messages.PROTOCOL_VERSIONS = (9,)"


def _problems(device: Device, *arguments: str, planted: str = "") -> list[dict[str, Any]]:
    """What `yp2p doctor` finds, and that its exit code says so."""
    done = device.run("doctor", "--json", *arguments)
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found["problems"] else 0)
    problems = [one for one in found["findings"] if one["problem"]]
    if planted:
        assert f"\n| {planted} | " in _DOCS, planted
    if planted and "YP2P_SAYS" in os.environ:
        with Path(os.environ["YP2P_SAYS"]).open("a") as out:
            for one in problems:
                out.write(f"{planted}\t{one['check']}: {one['text']}\t{one['remedy']}\n")
    return problems


def _changed(change: str) -> tuple[str, ...]:
    return (sys.executable, "-c", _CHANGED.format(change=change))


def _a_day_ahead() -> tuple[str, ...]:
    """What a program is started with whose clock is a day ahead."""
    if _FAKETIME is None:
        return _changed(_OTHER_CLOCK)
    return ("env", f"LD_PRELOAD={_FAKETIME}", "FAKETIME=+1d", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1")


@contextmanager
def _started(device: Device, *words: str, base: Path | None = None, number: int = 0) -> Iterator[Device]:
    """A device that is started through other words: a stopped one, or a copy of it on another host."""
    prefix = ("ip", "netns", "exec", f"{PREFIX}{number}") if number else ()
    changed = Device(base or device.log.parent.parent, device.name, (*prefix, *words))
    changed.environment = device.environment | {
        "HOME": str(changed.home.parent),
        "YP2P_HOME": str(changed.home),
    }
    try:
        yield changed.start()
        changed.stop()
    finally:
        changed.kill()


def _reason(device: Device, name: str) -> str:
    return next(str(one["reason"]) for one in device.status()["devices"] if one["name"] == name)


def _rule(number: int, *rule: str) -> None:
    """A rule for what a host sends: what the firewalls of a machine do, with routes alone."""
    ip("-n", f"{PREFIX}{number}", "rule", "add", *rule)


def _no_rule(number: int, *rule: str) -> None:
    ip("-n", f"{PREFIX}{number}", "rule", "del", *rule)


def _flood(number: int, how: str) -> None:
    """Whether the switch passes multicast on to a host."""
    command = ["bridge", "-n", f"{PREFIX}sw", "link", "set", "dev", f"p{number}", "mcast_flood", how]
    subprocess.run(command, check=True, capture_output=True)


def test_faults_of_the_network_are_found_and_named(lan: list[Device]) -> None:
    one, two, three = lan
    for number in (1, 2, 3):  # one way between them
        ip("netns", "exec", f"{PREFIX}{number}", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    for host in (two, three):
        host.join(one)
    synced(lan)
    assert _problems(one) == []

    _flood(1, "off")
    assert [one["check"] for one in _problems(one, planted="blocked multicast")] == ["multicast"]
    _flood(1, "on")

    nothing_in = ("ipproto", "tcp", "sport", "9727", "blackhole")  # no answer of this port goes out
    for host in (two, three):
        host.stop()
    eventually(lambda: connected(one) == 0)
    _rule(1, *nothing_in)
    for host in (two, three):
        host.start()
    eventually(lambda: connected(one) == 2, 60)
    blocked = _problems(one, planted="blocked port in")
    assert {one["check"] for one in blocked} == {"port"}
    assert "ufw allow 9727/tcp" in blocked[0]["remedy"]

    nothing_out = ("ipproto", "tcp", "dport", "9727", "prohibit")
    three.stop()
    eventually(lambda: connected(one) == 1)
    _rule(1, *nothing_out)
    three.start()
    eventually(lambda: "does its own firewall block TCP port 9727" in _reason(one, "host3"), 60, "blocked port out")
    assert "does its own firewall block" in _problems(one, "host3", planted="blocked port out")[-1]["remedy"]
    _no_rule(1, *nothing_out)
    _no_rule(1, *nothing_in)
    eventually(lambda: connected(one) == 2, 60)


def test_faults_of_other_devices_are_found_and_named(lan: list[Device], tmp_path: Path) -> None:
    one, two, three = lan
    for number in (1, 2, 3, 4):  # one way between them
        ip("netns", "exec", f"{PREFIX}{number}", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    for host in (two, three):
        host.join(one)
    synced(lan)
    three.stop()

    ip("-n", f"{PREFIX}3", "addr", "del", "10.77.0.3/24", "dev", "eth0")
    ip("-n", f"{PREFIX}3", "addr", "add", "10.88.0.3/24", "dev", "eth0")
    ip("-n", f"{PREFIX}3", "route", "add", "224.0.0.0/4", "dev", "eth0")
    three.start()
    eventually(lambda: "is it on another network?" in _reason(one, "host3"), 60, lambda: _reason(one, "host3"))
    (wrong,) = _problems(one, planted="wrong subnet")
    assert wrong["check"] == "device host3", "wrong subnet"
    assert "seen at 10.88.0.3" in wrong["remedy"]
    three.stop()
    ip("-n", f"{PREFIX}3", "addr", "del", "10.88.0.3/24", "dev", "eth0")
    ip("-n", f"{PREFIX}3", "addr", "add", "10.77.0.3/24", "dev", "eth0")
    ip("-n", f"{PREFIX}3", "route", "replace", "224.0.0.0/4", "dev", "eth0")

    with _started(three, *_a_day_ahead(), number=3):
        eventually(lambda: connected(one) == 2, 60)
        (wrong,) = _problems(one, planted="clock off by a day")
        assert wrong["text"] == "that of host3 is 1.0 days ahead of this one"
        assert "timedatectl set-ntp true" in wrong["remedy"]

    with _started(three, *_changed(_OTHER_VERSION), number=3):
        eventually(lambda: "version 9 of the protocol" in _reason(one, "host3"), 60, lambda: _reason(one, "host3"))
        (wrong,) = _problems(one, planted="other version")
        assert "update yp2p here" in wrong["remedy"]
    three.start()
    eventually(lambda: connected(one) == 2, 60)
    assert _problems(one) == []

    shutil.copytree(three.home, tmp_path / "clone" / "host3" / "home", ignore=shutil.ignore_patterns("*.sock"))
    with _started(three, base=tmp_path / "clone", number=4):
        eventually(lambda: any("rotate" in found["remedy"] for found in _problems(one)), 60, "two daemons")
        assert "two machines" in _problems(one, planted="two daemons")[0]["text"]


def test_faults_of_a_home_are_found_and_named(tmp_path: Path) -> None:
    device = Device(tmp_path, "pi")
    store, marker, key = device.home / "store.db", device.dir / ".yp2p" / "marker", device.home / "device.key"
    label = device.dir.name
    device.start()
    try:
        device.cli("share", str(device.dir))
        assert _problems(device) == []
        _wrong(device, "wrong key permissions", lambda: key.chmod(0o644), "key", f"chmod 600 {key}")
        key.chmod(0o600)
        _wrong(
            device, "lost marker", marker.unlink, f"folder {label}", f"take it up as it is: `yp2p share {device.dir}`"
        )
        device.cli("share", str(device.dir))
        again = device.run("daemon")  # the same home
        assert again.returncode == 4
        assert f"another yp2p daemon (process {device.pid}) already runs with {device.home}" in again.stderr
        device.stop()

        with _read_only(device.dir), _started(device):
            _wrong(device, "read-only root", lambda: None, f"folder {label}", f"mount -o remount,rw {device.dir}")
        with _started(device, *_FEW_WATCHES) as few:  # the kernel of a container: only that one is allowed less
            _wrong(few, "watch limit 50", lambda: None, "inotify", "sudo sysctl user.max_inotify_watches=65536")

        store.with_name("store.db.schema-1").write_bytes(b"x" * 8192)
        _damage(store)
        found = _problems(device, planted="damaged store")
        assert {one["check"] for one in found} == {"daemon", "store"}
        assert "`yp2p daemon` saves what can be read of it" in found[-1]["remedy"] + found[-2]["remedy"]
        device.start()
        found = _problems(device, planted="damaged store copy")
        kept = min(device.home.glob("store.db.damaged-*"))
        assert [one["check"] for one in found] == ["store", "store"]
        assert f"rm {kept}*" in found[0]["remedy"]
        assert "the store from before an upgrade: it is damaged" in found[1]["text"]
    finally:
        device.kill()


# In a namespace of users of its own, in which the kernel gives 50 watches in all.
_FEW_WATCHES = ("unshare", "-U", "-r", "sh", "-c", 'echo 50 >/proc/sys/user/max_inotify_watches && exec "$@"', "sh")


def _wrong(device: Device, planted: str, plant: Callable[[], object], check: str, remedy: str) -> None:
    """Plant a fault; the command names it, and nothing else."""
    plant()
    (found,) = _problems(device, planted=planted)
    assert found["check"] == check, planted
    assert remedy in found["remedy"]


@contextmanager
def _read_only(directory: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def _damage(store: Path) -> None:
    """Half of the pages hold something else."""
    for beside in ("-wal", "-shm"):
        store.with_name(store.name + beside).unlink(missing_ok=True)
    data = bytearray(store.read_bytes())
    data[len(data) // 2 :] = b"\xa5" * (len(data) - len(data) // 2)
    store.write_bytes(bytes(data))
