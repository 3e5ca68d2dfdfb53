"""The .deb in a Debian of its own: installed, used, upgraded, removed and purged; and what it is for other machines.

The Debian is this machine's own root behind an overlay, or, of each suite in YP2P_DEBIANS, one that debootstrap makes
(`make debians`). Says why where it cannot.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_machine import SUITES, Machine, build_packages, machine_of, package_for, with_version
from install_page import typed

from yp2p import __version__

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

# Two devices of one person on the loopback interface.
_DEVICES = """
set -eu
export YP2P_LISTEN__ADDRESS=127.0.0.1 YP2P_DISCOVERY__INTERFACES=127.0.0.1
one() { YP2P_HOME=/home/me/one yp2p "$@"; }
two() { YP2P_HOME=/home/me/two yp2p "$@"; }
trap 'one stop; two stop' EXIT
one daemon --detach
two daemon --detach
"""
_MEET = f"""{_DEVICES}
mkdir -p /home/me/here /home/me/there
echo apples >/home/me/here/list.txt
one share /home/me/here | two join /home/me/there
one wait --timeout 60
cat /home/me/there/list.txt
"""
_EDIT = f"""{_DEVICES}
echo pears >>/home/me/here/list.txt
one wait --timeout 60 --all
cat /home/me/there/list.txt
"""


@pytest.fixture(scope="module", params=SUITES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine_of(request.param, tmp_path_factory.mktemp("debian")) as made:
        yield made


@pytest.fixture(scope="module")
def package(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_for(machine, tmp_path_factory.mktemp("deb"))


def test_installed_used_upgraded_removed_purged(machine: Machine, package: Path, tmp_path: Path) -> None:
    root = machine.root
    machine.run("dpkg", "-i", machine.put(package))
    assert machine.run("yp2p", "--version", user="me").startswith(f"yp2p {__version__} (protocol")
    assert list((root / "opt/yp2p/lib").glob("*/site-packages/yp2p/__pycache__/*.pyc")), "it starts fast"
    assert machine.run("man", "-w", "yp2p-status").strip() == "/usr/share/man/man1/yp2p-status.1.gz"
    complete = "source /usr/share/bash-completion/completions/yp2p; complete -p yp2p"
    assert "_yp2p_completion" in machine.run("bash", "-c", complete)
    for unit in ("system/yp2p@.service", "user/yp2p.service"):
        (line,) = [line for line in (root / "usr/lib/systemd" / unit).read_text().splitlines() if "ExecStart=" in line]
        assert machine.run("test", "-x", line.partition("=")[2].split()[0]) == ""
    assert machine.run("sh", "-c", _MEET, user="me").endswith("apples\n")

    machine.run("dpkg", "-i", machine.put(with_version(package, f"{__version__}.1-1", tmp_path)))
    assert machine.run("dpkg-query", "-W", "-f", "${Version}", "yp2p").startswith(f"{__version__}.1-")
    assert machine.run("sh", "-c", _EDIT, user="me").endswith("apples\npears\n")

    data = {path: path.read_bytes() for path in (root / "home/me").rglob("*") if path.is_file()}
    assert any(path.name == "store.db" for path in data)
    machine.run("dpkg", "-r", "yp2p")
    assert not (root / "opt/yp2p").exists()
    assert not (root / "usr/bin/yp2p").is_symlink()
    enabled = root / "etc/systemd/system/multi-user.target.wants/yp2p@me.service"
    enabled.parent.mkdir(parents=True, exist_ok=True)
    enabled.symlink_to("/usr/lib/systemd/system/yp2p@.service")
    done = machine.try_run("dpkg", "-P", "yp2p")
    assert (done.returncode, "what stays: the folders of each person" in done.stderr) == (0, True), done
    assert not enabled.is_symlink()
    assert {path: path.read_bytes() for path in data} == data


def test_the_page_can_be_followed(machine: Machine, package: Path) -> None:
    """What docs/install.md tells to type as root; nothing is started, because no systemd runs in there."""
    if os.environ.get("YP2P_PACKAGES") == "short":
        pytest.skip("the short version: `dpkg` alone, above")
    (machine.root / "dist").mkdir()
    shutil.copy(package, machine.root / "dist")
    commands = [command for command, _ in typed("deb", "The Debian package")]
    assert len(commands) == 5
    for command in commands:
        here = command.replace("~deb12_amd64", package.name.partition("-1")[2].removesuffix(".deb"))
        done = machine.try_run("sh", "-c", f"cd / && yes | {here.replace('enable --now', 'enable')}")
        assert done.returncode == 0, f"{here}\n{done.stdout}{done.stderr}"
    assert not (machine.root / "usr/bin/yp2p").is_symlink()
    assert not list((machine.root / "etc/systemd/system").rglob("yp2p@*"))


def test_lintian_finds_nothing(package: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed (Debian: lintian)")
    done = subprocess.run(["lintian", "--fail-on", "error,warning", package], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_package_for_another_machine_has_its_libraries(tmp_path: Path) -> None:
    """Composed here and not run: each library is of the right machine, and of the right Python."""
    if SUITES == ["this machine"]:
        pytest.skip("takes half a minute more: make debians")
    made = build_packages(tmp_path, "--architecture", "arm64")
    assert [path.name for path in made] == [f"yp2p_{__version__}-1~deb{number}_arm64.deb" for number in (12, 13)]
    for path, python in zip(made, ("311", "313"), strict=True):
        subprocess.run(["dpkg-deb", "-x", path, tmp_path / python], check=True)
        libraries = list((tmp_path / python).rglob("*.so"))
        assert len(libraries) > 10
        for library in libraries:
            assert library.read_bytes()[18:20] == b"\xb7\x00", f"{library} is not for aarch64"  # ELF e_machine
            assert "cpython" not in library.name or f"cpython-{python}-" in library.name
