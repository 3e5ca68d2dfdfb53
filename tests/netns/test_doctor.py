"""`yp2p doctor` on real hosts: faults of the network are planted one after the other, and each is named."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from lab import Device, eventually
from netns.lan import PREFIX, connected, ip, synced

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]


def _problems(device: Device, *arguments: str) -> list[dict[str, Any]]:
    done = device.run("doctor", "--json", *arguments)
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found["problems"] else 0)
    return [one for one in found["findings"] if one["problem"]]


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
    assert [one["check"] for one in _problems(one)] == ["multicast"], "blocked multicast"
    _flood(1, "on")

    nothing_in = ("ipproto", "tcp", "sport", "9727", "blackhole")  # no answer of this port goes out
    for host in (two, three):
        host.stop()
    eventually(lambda: connected(one) == 0)
    _rule(1, *nothing_in)
    for host in (two, three):
        host.start()
    eventually(lambda: connected(one) == 2, 60)
    blocked = _problems(one)
    assert {one["check"] for one in blocked} == {"port"}, "blocked port in"
    assert "ufw allow 9727/tcp" in blocked[0]["remedy"]

    nothing_out = ("ipproto", "tcp", "dport", "9727", "prohibit")
    three.stop()
    eventually(lambda: connected(one) == 1)
    _rule(1, *nothing_out)
    three.start()
    eventually(lambda: "does its own firewall block TCP port 9727" in _reason(one, "host3"), 60, "blocked port out")
    assert "does its own firewall block" in _problems(one, "host3")[-1]["remedy"]
    _no_rule(1, *nothing_out)
    _no_rule(1, *nothing_in)
    eventually(lambda: connected(one) == 2, 60)
