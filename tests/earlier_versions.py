"""Wheels of earlier commits, for tests of upgrades, which are skipped without them (in a shallow clone)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from yp2p.compatibility import Versions

ROOT = Path(__file__).resolve().parents[1]


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the commit is not here (a shallow clone, or no clone): {done.stderr.strip()}")
    return done.stdout.strip()


def last_with_another_schema() -> str:
    """The last commit whose store has another schema."""
    newest = f"yp2p/store/migrate_{Versions().schema - 1}_to_{Versions().schema}.sql"
    added = _git("log", "--diff-filter=A", "--format=%H", "--", newest)
    if not added:
        pytest.skip(f"no commit here added {newest}")
    return f"{added.split()[-1]}~1"


def build_wheel(commit: str, base: Path) -> Path:
    """The wheel of a commit, built beneath a directory."""
    sources, wheels = base / "sources", base / "wheels"
    sources.mkdir(parents=True)
    _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    archive = base / "sources.tar"
    _git("archive", "--output", str(archive), commit)
    shutil.unpack_archive(archive, sources, "tar")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, sources]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(wheels.glob("*.whl"))
