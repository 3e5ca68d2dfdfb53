"""docs/install.md: what it tells a person to type is typed, one way after the other.

The Debian package is in `test_deb.py`; the image is built and run by `make oci`.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from install_page import PAGE, typed
from lab import YP2P

from yp2p import __version__
from yp2p.store.schema import SCHEMA_VERSION

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(os.environ.get("YP2P_TOOLS", "/nowhere"))


class _Person:
    """Somebody with a home of their own, who types."""

    def __init__(self, base: Path, *places: Path) -> None:
        is_tested_one = Path(YP2P).parent in places
        kept = ("PIP_", "SSL_", *(["PYTHONPATH"] if is_tested_one else []))
        self.home = base
        self.path = [base / ".local/bin", *places]
        (base / "run").mkdir(parents=True)
        self.environment = {
            "HOME": str(base),
            "XDG_RUNTIME_DIR": str(base / "run"),
            "YP2P_LISTEN__ADDRESS": "127.0.0.1",
            "YP2P_DISCOVERY__INTERFACES": "127.0.0.1",
            **{name: value for name, value in os.environ.items() if name.startswith(kept)},
            "PATH": os.pathsep.join([*map(str, self.path), "/usr/bin", "/bin"]),
        }

    def type(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, cwd=self.home, env=self.environment, timeout=550,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def follow(self, where: str, section: str = "", check: Callable[[Path], None] | None = None) -> int:
        """Type all of it; gives how many commands that were. Once a daemon runs, `check` looks at the home."""
        commands = list(typed(where, section))
        for command, shown in commands:
            printed = self.type(command)
            assert not shown or printed == shown, f"{command}: {printed}"
            if check is not None and command.endswith("--detach"):
                check(self.home)
        return len(commands)

    def stop(self) -> None:
        """End a daemon that a test which failed has left."""
        subprocess.run(["sh", "-c", "yp2p stop"], env=self.environment, capture_output=True)


@pytest.fixture
def with_dist(tmp_path: Path) -> Path:
    """A home with what `make packages` has built."""
    home = tmp_path / "home"
    built = [*(ROOT / "dist").glob("*.whl"), *(ROOT / "dist").glob("*.pex")]
    if not any(path.suffix == ".whl" for path in built):
        pytest.skip("dist/ has no wheel (make packaging)")
    (home / "dist").mkdir(parents=True)
    for path in built:
        shutil.copy(path, home / "dist")
    return home


def _check_links(home: Path) -> None:
    """pipx has linked the man pages and the completions."""
    for name in (
        "man/man1/yp2p.1", "man/man1/yp2p-status.1", "man/man5/yp2p.toml.5", "bash-completion/completions/yp2p",
        "zsh/site-functions/_yp2p", "fish/vendor_completions.d/yp2p.fish",
    ):  # fmt: skip
        assert (home / ".local/share" / name).is_file(), name


def test_the_page_names_this_version() -> None:
    named = set(re.findall(r"yp2p[-_](\d+\.\d+\.\d+)", PAGE))
    assert named == {__version__}


@pytest.mark.packaging
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("way", "section"), [("pipx", "pipx"), ("venv", "A virtual environment")])
def test_installed_updated_uninstalled(way: str, section: str, with_dist: Path) -> None:
    if way == "venv" and os.environ.get("YP2P_PACKAGES") == "short":
        pytest.skip("the short version: the bare wheel is in an environment of that kind")
    if way == "pipx" and not (TOOLS / "pipx").exists():
        pytest.skip("pipx is not in YP2P_TOOLS")
    only_pipx = with_dist.parent / "tools"
    only_pipx.mkdir()
    (only_pipx / "pipx").symlink_to(TOOLS / "pipx")
    (only_pipx / "python3").symlink_to(sys.executable)
    person = _Person(with_dist, only_pipx)
    try:
        assert person.follow(way, section, _check_links if way == "pipx" else None) >= 8
    finally:
        person.stop()
    assert not [path for path in with_dist.rglob("*yp2p*") if path.is_symlink()]
    assert not (with_dist / ".local/bin/yp2p").is_symlink()
    assert (with_dist / ".local/state/yp2p/store.db").exists(), "what stays"


@pytest.mark.packaging
@pytest.mark.timeout(600)
def test_the_single_file_is_installed_and_uninstalled(with_dist: Path) -> None:
    if not list((with_dist / "dist").glob("*.pex")):
        pytest.skip("dist/ has no single file (make single-file)")
    person = _Person(with_dist)
    try:
        assert person.follow("file", "A single file") == 7
    finally:
        person.stop()
    assert not (with_dist / ".local/bin/yp2p").exists()
    assert (with_dist / ".local/state/yp2p/store.db").exists(), "what stays"


@pytest.mark.long
def test_a_backup_and_a_move_to_a_new_machine(tmp_path: Path) -> None:
    old, new = (_Person(tmp_path / name, Path(YP2P).parent) for name in ("old", "new"))
    try:
        old.type("mkdir notes && echo apples > notes/list.txt && yp2p daemon --detach && yp2p share notes")
        who = old.type("yp2p identity show")
        assert old.follow("old", "Back up") == 8
        assert old.follow("old", "Move to a new machine") == 3
        shutil.copy(old.home / "moving.tar.gz", new.home)
        assert new.follow("new", "Move to a new machine") == 5
        assert new.type("yp2p identity show") == who
        assert "list.txt" in new.type("yp2p log ~/notes")
    finally:
        for person in (old, new):
            person.stop()


@pytest.mark.long
def test_going_back_to_the_copy(tmp_path: Path) -> None:
    person = _Person(tmp_path / "home", Path(YP2P).parent)
    state = person.home / ".local/state/yp2p"
    try:
        person.type("mkdir notes && echo apples > notes/list.txt && yp2p daemon --detach && yp2p share notes")
        person.type("yp2p wait --alone-is-fine && yp2p stop")
        shutil.copy(state / "store.db", state / f"store.db.schema-{SCHEMA_VERSION}")
        with closing(sqlite3.connect(state / "store.db", isolation_level=None)) as store:
            store.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        said = person.type("yp2p daemon --detach 2>&1 || test $? = 10")
        assert "newer yp2p" in said
        assert f"put back {state}/store.db.schema-{SCHEMA_VERSION}" in said
        (command,) = (command for command, _ in typed("back"))
        person.type(re.sub(r"schema-\d+", f"schema-{SCHEMA_VERSION}", command))
        person.type("yp2p daemon --detach && yp2p wait --alone-is-fine --timeout 60")
        assert person.type("cat notes/list.txt") == "apples"
        assert "list.txt" in person.type("yp2p log notes")
    finally:
        person.stop()
