"""The daemon of an earlier commit and this one: side by side, one after the other on the same home, and back.

The earlier ones are the commit before this one (or YP2P_BEFORE), and the last one with another schema of the store. Of
each a wheel is built and put into an environment of its own, which has the dependencies of this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from earlier_versions import build_wheel, last_with_another_schema
from lab import Device, eventually, tree, unexpected_lines

from yp2p.store import upgrade

pytestmark = pytest.mark.long

# Runs another yp2p than the one that is named first.
_RUN = "#!/bin/sh\nshift\nexec {python} {isolated}-c '{code}' \"$@\"\n"
_MAIN = "from yp2p.cli.main import main; main()"
_OTHER_PROTOCOL = f"import yp2p.protocol.messages as messages; messages.PROTOCOL_VERSIONS = {{versions}}; {_MAIN}"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What to put in front of a command, and whether its store is known to be another."""

    prefix: tuple[str]
    has_another_schema: bool = False


def _runner(place: Path, python: str | Path, code: str, *, isolated: bool = False) -> tuple[str]:
    """A script to put in front of a command of `lab.Device`: it runs something else in its place."""
    place.write_text(_RUN.format(python=python, code=code, isolated="-I " if isolated else ""))
    place.chmod(0o755)
    return (str(place),)


def _install(wheel: Path, base: Path) -> tuple[str]:
    """An earlier yp2p in an environment of its own."""
    environment = base / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = environment / "bin/python"
    done = subprocess.run([python, "-I", "-c", "import yp2p; print(yp2p.__file__)"], capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_relative_to(environment), done
    return _runner(base / "run", python, _MAIN, isolated=True)


@pytest.fixture(scope="module", params=["the commit before", "another schema"])
def earlier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Earlier:
    is_other = request.param == "another schema"
    commit = last_with_another_schema() if is_other else os.environ.get("YP2P_BEFORE", "HEAD~1")
    base = tmp_path_factory.mktemp("earlier")
    return Earlier(_install(build_wheel(commit, base), base), has_another_schema=is_other)


def _synced(*devices: Device) -> None:
    for device in devices:
        device.wait()
    trees = [tree(device.dir) for device in devices]
    assert all(other == trees[0] for other in trees), trees


def test_side_by_side_then_upgraded_then_back(earlier: Earlier, tmp_path: Path) -> None:
    old, other = Device(tmp_path, "old", prefix=earlier.prefix), Device(tmp_path, "other")
    old.others, other.others = [other], [old]
    running = [old, other]
    try:
        for device in running:
            device.start()
        (old.dir / "list.txt").write_text("apples\n")
        (old.dir / "picture.bin").write_bytes(bytes(range(256)) * 300)
        other.join(old)
        _synced(*running)
        (other.dir / "list.txt").write_text("apples\npears\n")
        (other.dir / "more.txt").write_text("from the new one\n")
        _synced(*reversed(running))
        assert old.stop() == 0
        (other.dir / "list.txt").write_text("apples\npears\nplums\n")

        upgraded = Device(tmp_path, "old")
        upgraded.others, other.others = [other], [upgraded]
        running[0] = upgraded.start()
        _synced(*running)
        assert (upgraded.dir / "list.txt").read_text() == "apples\npears\nplums\n"
        assert "apples" in upgraded.cli("show", f"{upgraded.dir}/list.txt@1")
        assert upgraded.stop() == 0
        kept = upgrade.copies(upgraded.home / "store.db")
        assert kept or not earlier.has_another_schema
        _go_back(old, upgraded.home, kept)
    finally:
        for device in running:
            device.kill()
    assert unexpected_lines(other) == []


def _stores(home: Path) -> dict[str, bytes]:
    """The files of the store; readers make empty ones, and an index of the log."""
    found = {name: data for name, data in tree(home).items() if name.startswith("store.db")}
    return {name: data for name, data in found.items() if data and not name.endswith("-shm")}


def _go_back(old: Device, home: Path, kept: list[Path]) -> None:
    """The earlier yp2p on the store that this one upgraded: refused, and nothing changed, if the schema is another."""
    if kept:
        before = _stores(home)
        done = old.run("daemon")
        assert done.returncode in (7, 10), done.stderr  # 7 before there was 10
        assert "newer yp2p" in done.stderr
        assert _stores(home) == before
        kept[0].replace(home / "store.db")
        for name in ("store.db-wal", "store.db-shm"):
            (home / name).unlink(missing_ok=True)
    old.start()
    eventually(lambda: old.status()["folders"][0]["state"] == "idle")
    old.wait()
    assert (old.dir / "list.txt").read_text() == "apples\npears\nplums\n"
    assert old.stop() == 0


@pytest.mark.parametrize("spoken", [(1, 2), (2,)])
def test_two_neighbouring_versions_of_the_protocol(spoken: tuple[int, ...], tmp_path: Path) -> None:
    """They use the one that both speak, or both say which ones there are."""
    newer_runs = _runner(tmp_path / "run", sys.executable, _OTHER_PROTOCOL.format(versions=spoken))
    this, other = Device(tmp_path, "this"), Device(tmp_path, "newer")
    newer = Device(tmp_path, "newer", prefix=newer_runs)
    try:
        for device in (this, other):
            device.start()
        (this.dir / "list.txt").write_text("apples\n")
        other.join(this)
        _synced(this, other)
        assert other.stop() == 0
        newer.start()
        (newer.dir / "list.txt").write_text("apples\npears\n")
        if 1 in spoken:
            eventually(lambda: (this.dir / "list.txt").read_text() == "apples\npears\n")
            return
        eventually(lambda: "update yp2p here" in this.cli("status"))
        eventually(lambda: "update yp2p there" in newer.cli("status"))
        assert "it speaks version 1 of the protocol, and this device version 2" in newer.cli("status")
        assert (this.dir / "list.txt").read_text() == "apples\n"
    finally:
        for device in (this, other, newer):
            device.kill()
