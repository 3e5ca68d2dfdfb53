"""The wheel and the sdist: one makes the other, both are sound, and pipx finds the pages and completions in them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from yp2p.cli.main import COMMANDS

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
# What only these tests need.
TOOLS = Path(os.environ.get("YP2P_TOOLS", "/nowhere"))
_SHARED = ("bash-completion/completions/yp2p", "zsh/site-functions/_yp2p", "fish/vendor_completions.d/yp2p.fish")


def _run(*command: str | Path, **settings: str) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=os.environ | settings, timeout=550
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel that was made of the sdist, and the sdist."""
    into = tmp_path_factory.mktemp("built")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", into, ROOT)
    return next(into.glob("*.whl")), next(into.glob("*.tar.gz"))


def test_the_sdist_makes_the_same_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT)
    wheel, sdist = built
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in (
        "systemd/yp2p@.service",
        "config/yp2p.example.toml",
        "docs/guide.md",
        "packaging/manual.py",
        "LICENSE",
    ):
        assert needed in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", ".ci", "dist"))]


def test_the_wheel_has_pages_and_completions(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as archive:
        names = set(archive.namelist())
    shared = {name.partition(".data/data/share/")[2] for name in names} - {""}
    pages = {f"man/man1/yp2p-{name}.1" for name in COMMANDS} | {"man/man1/yp2p.1", "man/man5/yp2p.toml.5"}
    assert shared >= pages | set(_SHARED)
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "yp2p").rglob("*") if path.suffix in (".py", ".sql")}
    assert modules <= names


def test_it_is_fit_to_be_published(built: tuple[Path, Path]) -> None:
    if not (TOOLS / "twine").exists():
        pytest.skip("twine is not in YP2P_TOOLS")
    assert "FAILED" not in _run(TOOLS / "twine", "check", "--strict", *built, NO_COLOR="1")
