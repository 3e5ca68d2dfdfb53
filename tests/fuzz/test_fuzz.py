"""Hostile bytes in processes of their own, so that a crash of the library is a failed test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]

# What kills pycrdt 0.14.13 when it gets it: one document each, updates in turn.
CORPUS = {
    "pending merge": ["01010103000700", "010101028401040361616100"],
    "nested any": ["010101000801017401" + "7501" * 50_000 + "7e00"],
    "empty section": ["0100010100"],
    "huge clock": ["0103010004010174026865810101ffffffff0f8405040620776f726c640101010203"],
    "wrapping clock": ["010101ffffffffffff00040101741068656c6c6f20f09f988020776f726c6400"],
    "wrong root": ["010101000401016104f09f988000"],
    "half a character": [
        "0101070004010 106736f7572636504f09f988000".replace(" ", ""),
        "00010701 0101".replace(" ", ""),
    ],
    "a circle": ["0201010084020001610102008401000161" + "00"],
}

_GUARDED = """
import sys
from yp2p.documents.manifest import ManifestReplica
from yp2p.documents.text import TextReplica
from yp2p.errors import HistoriesDiffer, InvalidUpdate, MissingDependency
for make in (TextReplica, ManifestReplica):
    replica = make(9)
    for update in sys.stdin.read().split() if make is TextReplica else []:
        try:
            replica.receive(bytes.fromhex(update))
        except (InvalidUpdate, MissingDependency, HistoriesDiffer) as refused:
            print(type(refused).__name__, refused)
    replica.state()
"""
_UNGUARDED = """
import sys
from pycrdt import Array, Doc, Text
doc = Doc(client_id=9)
doc.get("source", type=Text)
for update in sys.stdin.read().split():
    doc.apply_update(bytes.fromhex(update))
doc.get_update()
"""


def _run(program: str, updates: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], input=" ".join(updates), capture_output=True, text=True, timeout=60
    )


def _module(*arguments: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(_TESTS)}
    return subprocess.run(
        [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, timeout=timeout_s
    )


@pytest.mark.parametrize("name", CORPUS)
def test_the_wall_refuses_what_kills_the_library(name: str) -> None:
    done = _run(_GUARDED, CORPUS[name])
    assert done.returncode == 0, done.stderr
    assert done.stdout, "nothing was refused"


@pytest.mark.parametrize("name", ["pending merge", "nested any"])
def test_without_the_wall_it_does(name: str) -> None:
    """If this fails, a new release of the library got better, and the wall may be looked at again."""
    assert _run(_UNGUARDED, CORPUS[name]).returncode < 0


@pytest.mark.fuzz
@pytest.mark.timeout(900)
def test_hostile_updates_crash_nothing() -> None:
    done = _module("fuzz.hostile", os.environ.get("YP2P_HOSTILE", "200000"))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "'panics': 0" in done.stdout


@pytest.mark.fuzz
@pytest.mark.timeout(900)
def test_honest_updates_are_never_refused() -> None:
    done = _module("fuzz.honest", os.environ.get("YP2P_HONEST", "200000"))
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-3000:]
    assert " 0 refused" in done.stdout


@pytest.mark.fuzz
@pytest.mark.timeout(900)
def test_every_target_for_a_moment() -> None:
    done = _module("fuzz", "all", "2", "--no-guide")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
