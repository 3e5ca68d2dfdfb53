"""Three hosts on one LAN, with real mDNS."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sysconfig
import threading
import time
from pathlib import Path

import pytest
import zoo
from lab import Device, eventually, tree, unexpected_lines
from netns.lan import PREFIX, connected, ip, make_lan, plug, pull, remove_lan, synced
from pairs import cases, judge_all, told_on, write

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]
_RESERVED = (".git", ".hg", ".svn", ".bzr", ".yp2p", "*~")
# What is looked through of the traffic.
_CAPTURED_BYTES = 400 << 20
CANARY = "canary-text-that-must-never-travel-in-clear"


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
        namespace = Path("/run/netns") / f"{PREFIX}sw"
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
                    part = sock.recv(65536)
                    if len(self.data) < _CAPTURED_BYTES:
                        self.data += part
                except TimeoutError:
                    continue


def _fill_everything(root: Path) -> int:
    """The zoo, the standard library of this Python with all that is compiled, and everything installed here."""
    zoo.fill(root / "zoo")
    paths = sysconfig.get_paths()
    for source, name in ((paths["stdlib"], "library"), (paths["purelib"], "installed")):
        ignored = shutil.ignore_patterns("site-packages", *_RESERVED)
        shutil.copytree(source, root / name, symlinks=True, ignore=ignored)
    return sum(len(names) for _, _, names in os.walk(root))


def _same(hosts: list[Device]) -> dict[str, tuple[str, str, str]]:
    for host in hosts:
        host.wait(120)
    first = zoo.inventory(hosts[0].dir)
    for host in hosts[1:]:
        assert zoo.differences(first, zoo.inventory(host.dir)) == []
    return first


def _turn_over(hosts: list[Device], files: list[str]) -> None:
    """Rename, edit, delete, swap and change the kind of files, on all hosts at once."""
    rng = random.Random(1)
    texts = [name for name in files if name.endswith(".py") and (hosts[0].dir / name).stat().st_size > 3000]
    chosen = rng.sample(texts, 90)
    for number, host in enumerate(hosts):
        for name in chosen[:30]:  # the same files everywhere
            path = host.dir / name
            lines = path.read_bytes().splitlines(keepends=True)
            lines.insert(len(lines) * (number + 1) // 4, f"# edited on {host.name}\n".encode())
            path.write_bytes(b"".join(lines))
        own = chosen[30 + 20 * number : 50 + 20 * number]
        for name, to in zip(own[:5], own[5:10], strict=True):  # swap
            (host.dir / name).rename(host.dir / f"{name}-aside")
            (host.dir / to).rename(host.dir / name)
            (host.dir / f"{name}-aside").rename(host.dir / to)
        for name in own[10:13]:
            (host.dir / name).unlink()
        for name in own[13:16]:
            (host.dir / name).write_bytes(b"\0 no text any more " + host.name.encode())
        for name in own[16:18]:
            (host.dir / name).unlink()
            (host.dir / name).symlink_to("elsewhere")
        for name in own[18:]:
            (host.dir / name).chmod(0o700)
    (hosts[0].dir / "zoo/contents").rename(hosts[0].dir / "zoo/turned over")
    (hosts[1].dir / "library/json").rename(hosts[1].dir / "library/of json")
    shutil.rmtree(hosts[2].dir / "zoo/level")


def test_a_zoo_a_standard_library_and_what_is_installed(lan: list[Device], capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three = lan
    files = _fill_everything(one.dir)
    (one.dir / "canary.txt").write_text(CANARY * 20 + "\n")
    secret_name = "secret-name-of-a-file.txt"
    (one.dir / secret_name).write_text("x\n")
    one.cli("share", str(one.dir), "--label", "secret-label")
    one.wait(120)
    with Capture() as capture:
        started = time.monotonic()
        two.join(one)
        three.join(one)
        # The pairing windows, during which a device shows its name, are closed from here on.
        two.wait(120)
        three.wait(120)
        took_s = time.monotonic() - started
        one.wait(60)
    tree = _same(lan)
    assert len(tree) > 5000
    traffic = bytes(capture.data)
    assert len(traffic) > 1_000_000, "the capture saw the traffic"
    for word in (CANARY, secret_name, "secret-label", "argparse.py"):
        assert word.encode() not in traffic, word
    capture.data.clear()
    with capsys.disabled():
        size = sum(os.lstat(os.path.join(d, name)).st_size for d, _, names in os.walk(one.dir) for name in names) >> 20
        print(f"\nfirst sync of {files} files, {size} MiB, to two hosts: {took_s:.2f} s")
    _turn_over(lan, sorted(name for name, entry in tree.items() if entry[0] == "file"))
    eventually(lambda: (one.dir / "library/of json").exists() and (two.dir / "zoo/turned over/bom").exists(), 60)
    turned = _same(lan)
    assert not any(name.startswith(("zoo/level", "zoo/contents", "library/json/")) for name in turned)
    edited = [name for name in turned if b"# edited on host" in _source_of(one.dir / name)]
    assert len(edited) >= 28, "some of the files that were edited everywhere may have been moved"
    for name in edited:
        text = (one.dir / name).read_text()
        assert [text.count(f"# edited on host{number}\n") for number in (1, 2, 3)] == [1, 1, 1], name
    assert not [name for name in turned if ".conflict-" in name and name not in tree]
    for host in lan:
        assert unexpected_lines(host) == []


def _source_of(path: Path) -> bytes:
    return path.read_bytes() if path.suffix == ".py" and not path.is_symlink() and path.is_file() else b""


def test_names_are_shown_only_while_a_window_is_open(lan: list[Device]) -> None:
    one, two, _ = lan
    (one.dir / "a.txt").write_text("a\n")
    two.join(one)
    synced([one, two])

    def is_forgotten() -> bool:
        """mDNS repeats an announcement for a second or two; then the name has to be gone."""
        with Capture() as capture:
            time.sleep(0.5)  # for so long everything on the network is written down
        return b"host1" not in capture.data

    eventually(is_forgotten)
    with Capture() as capture:
        for host in (one, two):
            host.stop()
            host.start()
        eventually(lambda: connected(one) == 1)
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
        ["ip", "netns", "exec", f"{PREFIX}4", "python3", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[0, 0, 0]", done.stderr
    assert unexpected_lines(one) == []


def test_a_pulled_cable_and_edits_on_both_sides(lan: list[Device]) -> None:
    for number in range(20):
        rows = "".join(f"file {number} line {row}\n" for row in range(30))
        (lan[0].dir / f"{number}.txt").write_text(rows)
    lan[1].join(lan[0])
    lan[2].join(lan[1])
    synced(lan)
    eventually(lambda: all(connected(host) == 2 for host in lan), what="a full mesh")
    pull(3)
    eventually(lambda: connected(lan[0]) == 1 and connected(lan[2]) == 0, what="noticing the pulled cable")
    for number in range(20):
        for host, row in ((lan[0], 3), (lan[2], 20)):
            path = host.dir / f"{number}.txt"
            rows = path.read_text().splitlines(keepends=True)
            rows[row] = f"file {number} line {row} edited by {host.name}\n"
            path.write_text("".join(rows))
    lan[0].wait()
    plug(3)
    eventually(lambda: all(connected(host) == 2 for host in lan), 30, "meeting again")
    synced(lan)
    for number in range(20):
        text = (lan[1].dir / f"{number}.txt").read_text()
        assert text.count("edited by host1") == text.count("edited by host3") == 1
    assert len(tree(lan[0].dir)) == 20, "no extra file exists"


def test_the_pairs_by_a_pulled_cable(lan: list[Device]) -> None:
    """Small merges of people, each with what is right of it, made while the link was cut; a third host meets both."""
    write(lan[0], cases(), "base")
    for host in lan[1:3]:
        host.join(lan[0])
    synced(lan[:3])
    pull(1)
    pull(2)
    eventually(lambda: connected(lan[0]) == connected(lan[1]) == 0, what="noticing the pulled cables")
    write(lan[0], cases(), "ours")
    write(lan[1], cases(), "theirs")
    for number in (1, 2):
        lan[number - 1].wait()
        plug(number)
    eventually(lambda: all(connected(host) == 2 for host in lan[:3]), 30, "meeting again")
    synced(lan[:3])
    to_tell = {case.path for case in cases() if case.pair["right"].get("told")}
    for host in lan[:2]:
        eventually(lambda host=host: told_on(host) >= to_tell, what="being told")
    judge_all(cases(), *lan[:3])


def test_fifty_edits_on_each_of_two_hosts_apart(lan: list[Device]) -> None:
    """The hundred seeds of this are in tests/documents; here a few go the whole way."""
    base = [f"def name_{row}():  # {row}\n" for row in range(150)]
    seeds = range(5)
    for seed in seeds:
        (lan[0].dir / f"{seed}.py").write_text("".join(base))
    lan[1].join(lan[0])
    synced(lan[:2])
    pull(2)
    eventually(lambda: connected(lan[0]) == 0)
    for host in lan[:2]:
        for seed in seeds:
            rng = random.Random(f"{seed}{host.name}")
            rows = list(base)
            for edit in range(50):
                rows.insert(rng.randint(0, len(rows)), f"    {host.name}x{edit}y\n")
            (host.dir / f"{seed}.py").write_text("".join(rows))
    lan[0].wait()
    plug(2)
    eventually(lambda: connected(lan[0]) == 1, 30)
    synced(lan[:2])
    for seed in seeds:
        rows = (lan[0].dir / f"{seed}.py").read_text().splitlines()
        for host in lan[:2]:
            for edit in range(50):
                assert rows.count(f"    {host.name}x{edit}y") == 1


def test_new_addresses_are_noticed(lan: list[Device]) -> None:
    one, two, _ = lan
    (one.dir / "a.txt").write_text("a\n")
    two.join(one)
    synced([one, two])
    _noticed(two, "addr", "flush", "dev", "eth0")
    eventually(lambda: connected(one) == 0, 20, "losing the address")
    _noticed(two, "addr", "add", "10.77.0.22/24", "dev", "eth0")
    ip("-n", f"{PREFIX}2", "route", "replace", "224.0.0.0/4", "dev", "eth0")
    eventually(lambda: connected(one) == 1, 30, "meeting at the new address")
    _noticed(two, "link", "set", "eth0", "down")
    _noticed(two, "link", "set", "eth0", "up")


def _noticed(host: Device, *change: str) -> None:
    """Change something of an interface; the daemon there notices it within three seconds."""
    before = host.log.read_text().count("interfaces_changed")
    ip("-n", f"{PREFIX}{host.name[-1]}", *change)
    began = time.monotonic()
    eventually(lambda: host.log.read_text().count("interfaces_changed") > before, 3.0, f"{change} being noticed")
    print(f"{' '.join(change)}: noticed after {time.monotonic() - began:.2f} s")


def test_ipv6_link_local_alone(tmp_path: Path) -> None:
    """Hosts without any IPv4 address, nor an IPv6 one that somebody gave them."""
    remove_lan(4)
    make_lan(2)
    hosts: list[Device] = []
    try:
        for number in (1, 2):
            ip("-n", f"{PREFIX}{number}", "-4", "addr", "flush", "dev", "eth0")
            host = Device(
                tmp_path, f"host{number}", ("ip", "netns", "exec", f"{PREFIX}{number}"),
                YP2P_LISTEN__ADDRESS="", YP2P_DISCOVERY__INTERFACES="eth0",
            )  # fmt: skip
            hosts.append(host.start())
        (hosts[0].dir / "a.txt").write_text("over IPv6\n")
        hosts[1].join(hosts[0])
        synced(hosts)
        address = hosts[1].status()["devices"][0]["address"]
        assert address.startswith("[fe80::"), address
    finally:
        for host in hosts:
            host.kill()
        remove_lan(4)
