"""The single file: two devices that are started from it meet and have the same files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Device, eventually

from yp2p import __version__

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(os.environ.get("YP2P_TOOLS", "/nowhere"))


@pytest.fixture(scope="module")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.environ.get("YP2P_PACKAGES") == "short":
        pytest.skip("the short version: takes a quarter of a minute to build")
    wheel = next((ROOT / "dist").glob("*.whl"), None)
    if wheel is None or not (TOOLS / "pex").exists():
        pytest.skip("needs a wheel in dist/ and pex in YP2P_TOOLS (make packaging)")
    into = tmp_path_factory.mktemp("single")
    done = subprocess.run(
        ["sh", ROOT / "packaging/single_file.sh", TOOLS / "pex", wheel, into], capture_output=True, text=True,
        env=os.environ | {"PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_two_devices_of_it(single_file: Path, tmp_path: Path) -> None:
    runs = tmp_path / "run"
    runs.write_text(f'#!/bin/sh\nshift\nexec {single_file} "$@"\n')
    runs.chmod(0o755)
    cache = {"PEX_ROOT": str(tmp_path / "unpacked")}
    one, two = (Device(tmp_path, name, prefix=(str(runs),), **cache) for name in ("one", "two"))
    one.others, two.others = [two], [one]
    for device in (one, two):
        device.environment.pop("PYTHONPATH", None)
    assert one.cli("--version").startswith(f"yp2p {__version__} (protocol")
    try:
        for device in (one, two):
            device.start()
        (one.dir / "list.txt").write_text("apples\n")
        two.join(one)
        two.wait()
        assert (two.dir / "list.txt").read_text() == "apples\n"
        # What two devices changed apart is merged in a process of its own, which has to find its modules as well.
        assert two.stop() == 0
        (one.dir / "list.txt").write_text("green apples\n")
        (two.dir / "list.txt").write_text("apples\npears\n")
        two.start()
        eventually(lambda: (two.dir / "list.txt").read_text() == "green apples\npears\n")
        eventually(lambda: (one.dir / "list.txt").read_text() == "green apples\npears\n")
        for device in (one, two):
            assert device.stop() == 0
    finally:
        for device in (one, two):
            device.kill()
