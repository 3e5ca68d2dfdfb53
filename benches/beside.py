"""Ten thousand files and a large one beside Syncthing, Unison, rclone bisync and rsync, on loopback, in one run.

All four are Debian packages; those that are not installed are left out. All discovery, relays, NAT traversal and
upgrades of Syncthing are off; its watcher waits a second, the least it allows. Unison, rclone and rsync have no daemon
that watches: they are run at the moment when the files are there. Unison goes over a socket, as to another machine;
rclone bisync has both directories on its own disk, which is less work than any network. Each of them that keeps a
state has synced the two directories once before. A time ends when every file is there with its whole size; afterwards
all bytes are compared.

Nothing is deleted before the end: for minutes after ten thousand files were removed, ext4 can take twenty times as long
to make new ones (it steps over inodes that were freed just now), and whoever comes next would pay for that.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import devices

LIMIT_S = 300.0
_OFF = (
    "globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled", "natEnabled", "crashReportingEnabled",
    "startBrowser", "announceLANAddresses",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sizes(root: Path) -> dict[str, int]:
    """All files beneath `root` but those that belong to a synchroniser, with their sizes."""
    found: dict[str, int] = {}
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if name not in (".yp2p", ".stfolder", ".stversions")]
        for name in names:
            if not name.startswith((".syncthing.", "~syncthing~", ".stignore")):
                path = Path(directory, name)
                try:
                    found[str(path.relative_to(root))] = path.stat().st_size
                except FileNotFoundError:
                    continue
    return found


def wait_for(target: Path, wanted: dict[str, int]) -> float:
    """Seconds until everything is there; one directory after the other: to look everywhere is work as well."""
    started = time.perf_counter()
    directories: dict[str, dict[str, int]] = {}
    for name, size in wanted.items():
        directory, _, base = name.rpartition("/")
        directories.setdefault(directory, {})[base] = size
    for directory, files in directories.items():
        while not is_complete(target / directory, files):
            if time.perf_counter() - started > LIMIT_S:
                raise SystemExit(f"{target} is not complete after {LIMIT_S:.0f} s")
            time.sleep(0.02)
    return time.perf_counter() - started


def is_complete(directory: Path, files: dict[str, int]) -> bool:
    """Whether a directory holds these files with these sizes."""
    try:
        return {entry.name: entry.stat().st_size for entry in os.scandir(directory) if entry.name in files} == files
    except FileNotFoundError:
        return False  # a file that was just renamed


def compare(source: Path, target: Path) -> None:
    for name in sizes(source):
        if (source / name).read_bytes() != (target / name).read_bytes():
            raise SystemExit(f"{target / name} is not what was sent")


class Syncthing:
    """One instance that is not running yet."""

    def __init__(self, base: Path) -> None:
        self.home, self.root = base / "home", base / "root"
        self.root.mkdir(parents=True)
        self.listen, self.gui = free_port(), free_port()
        subprocess.run(
            ["syncthing", "generate", f"--home={self.home}", "--no-default-folder", "--skip-port-probing"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        tree = ET.parse(self.home / "config.xml")
        device = tree.getroot().find("device")
        key = tree.getroot().find("gui/apikey")
        assert device is not None
        assert key is not None
        self.id, self.key = device.attrib["id"], key.text or ""

    def configure(self, other: Syncthing) -> None:
        path = self.home / "config.xml"
        tree = ET.parse(path)
        root = tree.getroot()
        options, gui = root.find("options"), root.find("gui/address")
        assert options is not None
        assert gui is not None
        gui.text = f"127.0.0.1:{self.gui}"
        for name in _OFF:
            _set(options, name, "false")
        _set(options, "listenAddress", f"tcp://127.0.0.1:{self.listen}")
        _set(options, "urAccepted", "-1")
        _set(options, "autoUpgradeIntervalH", "0")
        for old in [*root.findall("device"), *root.findall("folder")]:
            root.remove(old)
        folder = ET.SubElement(
            root, "folder", id="bench", path=str(self.root), type="sendreceive", rescanIntervalS="3600",
            fsWatcherEnabled="true", fsWatcherDelayS="1",
        )  # fmt: skip
        for one in (self, other):
            ET.SubElement(folder, "device", id=one.id)
            device = ET.SubElement(root, "device", id=one.id, name="bench", compression="never")
            ET.SubElement(device, "address").text = f"tcp://127.0.0.1:{one.listen}"
        tree.write(path)

    @contextmanager
    def running(self) -> Iterator[Syncthing]:
        process = subprocess.Popen(
            ["syncthing", "serve", f"--home={self.home}", "--no-browser", "--no-restart", "--no-upgrade"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while self.ask("/rest/system/ping") is None:
                assert time.monotonic() < deadline, "Syncthing does not answer"
                time.sleep(0.05)
            yield self
        finally:
            process.terminate()
            process.wait(30)

    def ask(self, path: str) -> dict[str, object] | None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.gui}{path}", headers={"X-API-Key": self.key})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return dict(json.load(answer))
        except OSError:
            return None

    def is_idle(self) -> bool:
        status = self.ask("/rest/db/status?folder=bench") or {}
        return status.get("state") == "idle" and status.get("needFiles") == 0


def _set(options: ET.Element, name: str, value: str) -> None:
    for old in options.findall(name):
        options.remove(old)
    ET.SubElement(options, name).text = value


@contextmanager
def syncthings(base: Path) -> Iterator[tuple[Path, Path]]:
    """Two instances that know each other, idle, with nothing in their folders."""
    one, two = Syncthing(base / "one"), Syncthing(base / "two")
    one.configure(two)
    two.configure(one)
    with one.running(), two.running():
        (one.root / "first").write_text("x\n")
        wait_for(two.root, {"first": 2})
        while not (one.is_idle() and two.is_idle()):
            time.sleep(0.05)
        yield one.root, two.root


@contextmanager
def yp2ps(base: Path) -> Iterator[tuple[Path, Path]]:
    with devices(base, "one", "two", YP2P_LOG__LEVEL="warning") as (one, two):
        (one.dir / "first").write_text("x\n")
        two.join(one)
        one.wait()
        two.wait()
        yield one.dir, two.dir


@contextmanager
def unisons(base: Path) -> Iterator[tuple[Path, Path]]:
    """A server at a socket; `once` runs the other side."""
    one, two, port = base / "one", base / "two", free_port()
    one.mkdir(parents=True)
    two.mkdir()
    (base / "port").write_text(str(port))
    environment = {**os.environ, "UNISON": str(base / "server")}
    command = ["unison", "-socket", str(port), "-listen", "127.0.0.1"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_listening(port)
        (one / "first").write_text("x\n")
        once_unison(base)
        yield one, two
    finally:
        process.terminate()
        process.wait(10)


def once_unison(base: Path) -> None:
    there = f"socket://127.0.0.1:{(base / 'port').read_text()}/{base / 'two'}"
    command = ["unison", str(base / "one"), there, "-batch", "-auto", "-ui", "text", "-silent", "-confirmbigdel=false"]
    environment = {**os.environ, "UNISON": str(base / "client")}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def rclones(base: Path) -> Iterator[tuple[Path, Path]]:
    """Two directories; `once` runs bisync."""
    one, two = base / "one", base / "two"
    one.mkdir(parents=True)
    two.mkdir()
    (one / "first").write_text("x\n")
    once_rclone(base, "--resync")
    yield one, two


def once_rclone(base: Path, *more: str) -> None:
    command = ["rclone", "bisync", str(base / "one"), str(base / "two"), "--workdir", str(base / "state"), *more]
    environment = {**os.environ, "RCLONE_CONFIG": str(base / "rclone.conf")}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def once_rsync(base: Path) -> None:
    port = (base / "port").read_text()
    subprocess.run(["rsync", "-a", f"rsync://127.0.0.1:{port}/bench/", str(base / "two")], check=True)


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens at {port}"
            time.sleep(0.05)


@contextmanager
def rsyncs(base: Path) -> Iterator[tuple[Path, Path]]:
    """rsync's daemon; `once` pulls from it."""
    one, two, port = base / "one", base / "two", free_port()
    one.mkdir(parents=True)
    two.mkdir()
    config = base / "rsyncd.conf"
    config.write_text(f"use chroot = no\n[bench]\npath = {one}\nuid = {os.getuid()}\ngid = {os.getgid()}\n")
    command = ["rsync", "--daemon", "--no-detach", f"--config={config}", f"--port={port}", "--address=127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_listening(port)
        (base / "port").write_text(str(port))
        yield one, two
    finally:
        process.terminate()
        process.wait(10)


def fill(target: Path, files: int, mebibytes: int) -> None:
    for number in range(files):
        path = target / f"d{number // 100:04d}" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text((f"file {number}\n" + "0123456789abcde\n" * 64)[:1024])
    if mebibytes:
        with (target / "large").open("wb") as file:
            for _ in range(mebibytes):
                file.write(os.urandom(1 << 20))


# What has to be run when the files are there.
_ONCE: dict[object, Callable[[Path], None]] = {unisons: once_unison, rclones: once_rclone, rsyncs: once_rsync}


def measure(tool: Callable[[Path], object], base: Path, files: int, mebibytes: int) -> float:
    """Seconds from the moment when a directory is moved in until all of it is on the other side."""
    source = base / "source"
    source.mkdir(parents=True)
    fill(source, files, mebibytes)
    os.sync()
    with ExitStack() as stack:
        one, two = stack.enter_context(tool(base / "tool"))  # type: ignore[arg-type]
        started = time.perf_counter()
        source.rename(one / "new")
        if tool in _ONCE:
            _ONCE[tool](base / "tool")
        wait_for(two, sizes(one))
        took_s = time.perf_counter() - started
        compare(one, two)
    for large in (one / "new" / "large", two / "new" / "large"):
        large.unlink(missing_ok=True)
    os.sync()  # or the next one pays for it
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="files of 1 KiB")
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of one random file")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--without", nargs="*", default=[], metavar="TOOL", help="leave these out")
    options = report.parse(parser)
    tools: dict[str, Callable[[Path], object]] = {"yp2p": yp2ps}
    for name, tool in (("syncthing", syncthings), ("unison", unisons), ("rclone", rclones), ("rsync", rsyncs)):
        if name in options.without:
            continue
        if shutil.which(name) is None:
            print(f"{name} is not installed (Debian: {name}); it is left out", file=sys.stderr)
        else:
            tools[name] = tool
    jobs = {"files": (options.files, 0), "large": (0, options.mebibytes)}
    took: dict[str, dict[str, list[float]]] = {job: {name: [] for name in tools} for job in jobs}
    with tempfile.TemporaryDirectory() as base:
        for run in range(options.runs):
            for job, (files, mebibytes) in jobs.items():
                for name, tool in tools.items():
                    if files or mebibytes:
                        took[job][name].append(measure(tool, Path(base, f"{job}-{name}-{run}"), files, mebibytes))
    found = {
        f"{job} {name}": {"s": times, rate: [size / one for one in times]}
        for job, rate, size in (("files", "rate_per_s", options.files), ("large", "rate_mib_per_s", options.mebibytes))
        for name, times in took[job].items()
        if times
    }
    for job, each in took.items():
        for name in set(each) - {"yp2p"}:
            if each[name]:
                found[f"{job} {name}"]["of_ours_times"] = [a / b for a, b in zip(each[name], each["yp2p"], strict=True)]
    report.publish(options, found)


if __name__ == "__main__":
    main()
