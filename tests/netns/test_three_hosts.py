"""Three hosts on one LAN, made of network namespaces, with real mDNS::

    yph1 ──┐
    yph2 ──┼── bridge in yphsw (captures are taken here)
    yph3 ──┘

The trap: a namespace has no route for multicast until it is given one.
"""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, eventually, tree, unexpected_lines

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]
CANARY = "canary-text-that-must-never-travel-in-clear"
_PREFIX = "yph"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _make_lan(hosts: int) -> None:
    switch = f"{_PREFIX}sw"
    _ip("netns", "add", switch)
    _ip("-n", switch, "link", "add", "br0", "type", "bridge")
    _ip("-n", switch, "link", "set", "br0", "up")
    for number in range(1, hosts + 1):
        host = f"{_PREFIX}{number}"
        _ip("netns", "add", host)
        _ip("-n", host, "link", "set", "lo", "up")
        _ip("-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", f"p{number}", "netns", switch)
        _ip("-n", switch, "link", "set", f"p{number}", "master", "br0", "up")
        _ip("-n", host, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        subprocess.run(["ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0"], check=True)
        _ip("-n", host, "link", "set", "eth0", "up")
        _ip("-n", host, "route", "add", "224.0.0.0/4", "dev", "eth0")


def _remove_lan(hosts: int) -> None:
    for name in [f"{_PREFIX}sw", *(f"{_PREFIX}{number}" for number in range(1, hosts + 1))]:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[list[Device]]:
    """Four hosts with daemons on the first three."""
    _remove_lan(4)
    _make_lan(4)
    hosts = [
        Device(
            tmp_path, f"host{number}", ("ip", "netns", "exec", f"{_PREFIX}{number}"),
            YP2P_LISTEN__ADDRESS="", YP2P_DISCOVERY__INTERFACES="", YP2P_LISTEN__PORT="9727",
        )
        for number in range(1, 4)
    ]  # fmt: skip
    try:
        for host in hosts:
            host.start()
        yield hosts
    finally:
        for host in hosts:
            host.kill()
        _remove_lan(4)


def _pull(number: int) -> None:
    _ip("-n", f"{_PREFIX}sw", "link", "set", f"p{number}", "down")


def _plug(number: int) -> None:
    _ip("-n", f"{_PREFIX}sw", "link", "set", f"p{number}", "up")


def _connected(device: Device) -> int:
    return sum(peer["connected"] for peer in device.status()["devices"])


def _synced(hosts: list[Device], limit_s: float = 60) -> None:
    for host in hosts:
        host.wait(limit_s)
    for host in hosts[1:]:
        assert tree(host.dir) == tree(hosts[0].dir)


class Capture(threading.Thread):
    """Everything that crosses the bridge, as bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.data = bytearray()
        self._ended = threading.Event()
        self._ready = threading.Event()

    def __enter__(self) -> Capture:
        self.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(5)

    def run(self) -> None:
        namespace = Path("/run/netns") / f"{_PREFIX}sw"
        import ctypes
        import os

        descriptor = os.open(namespace, os.O_RDONLY)
        assert ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) == 0  # this thread only
        os.close(descriptor)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            sock.settimeout(0.1)
            self._ready.set()
            while not self._ended.is_set():
                try:
                    self.data += sock.recv(65536)
                except TimeoutError:
                    continue


def _copy_library(target: Path) -> int:
    """The standard library of this Python: about 1,700 text files."""
    source = Path(sysconfig.get_paths()["stdlib"])
    shutil.copytree(
        source, target, dirs_exist_ok=True, symlinks=True,
        ignore=shutil.ignore_patterns("__pycache__", "site-packages", "*.so", "*.a"),
    )  # fmt: skip
    return sum(path.is_file() for path in target.rglob("*"))


def _not_synced(device: Device) -> set[str]:
    return {item["path"] for item in device.status()["folders"][0]["not_synced"]}


def test_a_standard_library_on_three_hosts(lan: list[Device], capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three = lan
    files = _copy_library(one.dir)
    (one.dir / "canary.txt").write_text(CANARY * 20 + "\n")
    secret_name = "secret-name-of-a-file.txt"
    (one.dir / secret_name).write_text("x\n")
    one.cli("share", str(one.dir), "--label", "secret-label")
    one.wait(60)
    with Capture() as capture:
        started = time.monotonic()
        two.join(one)
        three.join(one)
        # The pairing windows, during which a device shows its name, are closed from here on.
        two.wait(120)
        three.wait(120)
        took_s = time.monotonic() - started
        one.wait(60)
    others = _not_synced(one)
    expected = {name: data for name, data in tree(one.dir).items() if name not in others}
    assert len(expected) > 1000
    assert tree(two.dir) == expected
    assert tree(three.dir) == expected
    traffic = bytes(capture.data)
    assert len(traffic) > 1_000_000, "the capture saw the traffic"
    for word in (CANARY, secret_name, "secret-label", "argparse.py"):
        assert word.encode() not in traffic, word
    with capsys.disabled():
        print(f"\nfirst sync of {files} files ({len(others)} not text) to two hosts: {took_s:.2f} s")
    for host in lan:
        assert unexpected_lines(host) == []


def test_names_are_shown_only_while_a_window_is_open(lan: list[Device]) -> None:
    one, two, _ = lan
    (one.dir / "a.txt").write_text("a\n")
    two.join(one)
    _synced([one, two])

    def is_forgotten() -> bool:
        """mDNS repeats an announcement for a second or two; then the name has to be gone."""
        with Capture() as capture:
            time.sleep(0.5)
        return b"host1" not in capture.data

    eventually(is_forgotten, 10)
    with Capture() as capture:
        for host in (one, two):
            host.stop()
            host.start()
        eventually(lambda: _connected(one) == 1)
    traffic = bytes(capture.data)
    assert b"_yp2p" in traffic
    at = traffic.find(b"host1")
    assert at < 0, traffic[max(0, at - 300) : at + 60]
    assert b"host2" not in traffic


def test_a_stranger_gets_no_byte(lan: list[Device]) -> None:
    one, two, _ = lan
    (one.dir / "a.txt").write_text("a\n")
    two.join(one)
    script = """
import socket, os, sys
answers = []
known = b"\\x11" + (96).to_bytes(2, "big") + os.urandom(96)
pairing = b"\\x21" + (32).to_bytes(2, "big") + os.urandom(32)
for first in (known, pairing, os.urandom(200)):
    with socket.create_connection(("10.77.0.1", 9727), 5) as sock:
        sock.settimeout(15)
        sock.sendall(first)
        sock.shutdown(socket.SHUT_WR)
        data = b""
        try:
            while part := sock.recv(4096):
                data += part
        except ConnectionResetError:
            pass
        answers.append(len(data))
print(answers)
"""
    done = subprocess.run(
        ["ip", "netns", "exec", f"{_PREFIX}4", "python3", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[0, 0, 0]", done.stderr
    assert unexpected_lines(one) == []


def test_a_pulled_cable_and_edits_on_both_sides(lan: list[Device]) -> None:
    for number in range(20):
        rows = "".join(f"file {number} line {row}\n" for row in range(30))
        (lan[0].dir / f"{number}.txt").write_text(rows)
    lan[1].join(lan[0])
    lan[2].join(lan[1])
    _synced(lan)
    eventually(lambda: all(_connected(host) == 2 for host in lan), what="a full mesh")
    _pull(3)
    started = time.monotonic()
    eventually(lambda: _connected(lan[0]) == 1 and _connected(lan[2]) == 0, 10, "noticing the pulled cable")
    assert time.monotonic() - started < 8, "a pulled cable is noticed within 6 s, and status takes its time"
    for number in range(20):
        for host, row in ((lan[0], 3), (lan[2], 20)):
            path = host.dir / f"{number}.txt"
            rows = path.read_text().splitlines(keepends=True)
            rows[row] = f"file {number} line {row} edited by {host.name}\n"
            path.write_text("".join(rows))
    lan[0].wait()
    _plug(3)
    eventually(lambda: all(_connected(host) == 2 for host in lan), 30, "meeting again")
    _synced(lan)
    for number in range(20):
        text = (lan[1].dir / f"{number}.txt").read_text()
        assert text.count("edited by host1") == text.count("edited by host3") == 1
    assert len(tree(lan[0].dir)) == 20, "no extra file exists"


def test_fifty_edits_on_each_of_two_hosts_apart(lan: list[Device]) -> None:
    """The hundred seeds of this are in tests/documents; here a few go the whole way."""
    base = [f"def name_{row}():  # {row}\n" for row in range(150)]
    seeds = range(5)
    for seed in seeds:
        (lan[0].dir / f"{seed}.py").write_text("".join(base))
    lan[1].join(lan[0])
    _synced(lan[:2])
    _pull(2)
    eventually(lambda: _connected(lan[0]) == 0, 10)
    for host in lan[:2]:
        for seed in seeds:
            rng = random.Random(f"{seed}{host.name}")
            rows = list(base)
            for edit in range(50):
                rows.insert(rng.randint(0, len(rows)), f"    {host.name}x{edit}y\n")
            (host.dir / f"{seed}.py").write_text("".join(rows))
    lan[0].wait()
    _plug(2)
    eventually(lambda: _connected(lan[0]) == 1, 30)
    _synced(lan[:2])
    for seed in seeds:
        rows = (lan[0].dir / f"{seed}.py").read_text().splitlines()
        for host in lan[:2]:
            for edit in range(50):
                assert rows.count(f"    {host.name}x{edit}y") == 1


def test_new_addresses_are_noticed(lan: list[Device]) -> None:
    one, two, _ = lan
    (one.dir / "a.txt").write_text("a\n")
    two.join(one)
    _synced([one, two])
    _ip("-n", f"{_PREFIX}2", "addr", "flush", "dev", "eth0")
    eventually(lambda: _connected(one) == 0, 20, "losing the address")
    _ip("-n", f"{_PREFIX}2", "addr", "add", "10.77.0.22/24", "dev", "eth0")
    _ip("-n", f"{_PREFIX}2", "route", "replace", "224.0.0.0/4", "dev", "eth0")
    eventually(lambda: _connected(one) == 1, 30, "meeting at the new address")


def test_ipv6_link_local_alone(tmp_path: Path) -> None:
    """Hosts without any IPv4 address, nor an IPv6 one that somebody gave them."""
    _remove_lan(4)
    _make_lan(2)
    hosts: list[Device] = []
    try:
        for number in (1, 2):
            _ip("-n", f"{_PREFIX}{number}", "-4", "addr", "flush", "dev", "eth0")
            host = Device(
                tmp_path, f"host{number}", ("ip", "netns", "exec", f"{_PREFIX}{number}"),
                YP2P_LISTEN__ADDRESS="", YP2P_DISCOVERY__INTERFACES="eth0",
            )  # fmt: skip
            hosts.append(host.start())
        (hosts[0].dir / "a.txt").write_text("over IPv6\n")
        hosts[1].join(hosts[0])
        _synced(hosts)
        address = hosts[1].status()["devices"][0]["address"]
        assert address.startswith("[fe80::"), address
    finally:
        for host in hosts:
            host.kill()
        _remove_lan(4)
