"""Where git merges alone, the result is git's; where it would ask, there is a place."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from effort import many

from yp2p.threeway.merge import merge
from yp2p.threeway.myers import changed_rows
from yp2p.threeway.sequences import blocks

_BUDGET = 2_000_000  # steps, so that long texts with many changes are among those that are compared

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def git_merge(tmp_path: Path) -> Callable[[str, str, str], tuple[bool, str]]:
    def merged(base: str, ours: str, theirs: str) -> tuple[bool, str]:
        """Whether git merges alone, and the text."""
        for name, text in (("base", base), ("ours", ours), ("theirs", theirs)):
            (tmp_path / name).write_text(text, newline="")
        done = subprocess.run(
            ["git", "merge-file", "-p", "ours", "base", "theirs"], cwd=tmp_path, capture_output=True, check=False
        )
        return done.returncode == 0, done.stdout.decode()

    return merged


def _small_texts(seed: int) -> Iterator[str]:
    """A base of few different lines, so that many shortest differences exist, and two edits of it."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrst"[: rng.choice([1, 2, 3, 5, 20])]

    def lines(most: int) -> list[str]:
        return [rng.choice(letters) for _ in range(rng.randint(0, most))]

    base = lines(rng.choice([3, 8, 20, 60]))
    for edits in (0, rng.randint(1, 4), rng.randint(1, 4)):
        side = list(base)
        for _ in range(edits):
            at = rng.randint(0, len(side))
            side[at : at + rng.randint(0, 3)] = lines(3)
        yield "\n".join(side) + "\n" * (rng.random() < 0.9)


def test_a_clean_merge_is_git_s(git_merge: Callable[[str, str, str], tuple[bool, str]]) -> None:
    clean = 0
    for seed in range(many(250)):
        base, ours, theirs = _small_texts(seed)
        is_clean, by_git = git_merge(base, ours, theirs)
        merged = merge("notes.txt", base, ours, theirs)
        if is_clean:
            clean += 1
            assert merged.text == by_git, seed
        assert bool(merged.told) == (not is_clean), seed
    assert clean >= many(60)


def _long_texts(seed: int) -> tuple[list[str], list[str]]:
    """Two texts of some thousand lines: scattered edits, repeated lines, and a block that moved."""
    rng = random.Random(seed)
    kinds = rng.choice([5, 50, 300, 5000])

    def line() -> str:
        return f"w{int(rng.random() ** 2 * kinds)}\n" if rng.random() < 0.7 else f"u{rng.randint(0, 10**6)}\n"

    old = [line() for _ in range(rng.choice([300, 2000, 6000]))]
    new = list(old)
    for _ in range(rng.choice([5, 50, 400])):
        at = rng.randint(0, len(new))
        new[at : at + rng.randint(0, 4)] = [line() for _ in range(rng.randint(0, 4))]
    if rng.random() < 0.5:
        at = rng.randrange(len(new))
        block, new[at : at + len(old) // 10] = new[at : at + len(old) // 10], []
        to = rng.randint(0, len(new))
        new[to:to] = block
    return old, new


def test_long_texts_differ_where_git_says(tmp_path: Path) -> None:
    compared = 0
    for seed in range(8):
        old, new = _long_texts(seed)
        if changed_rows(old, new, _BUDGET) is None:
            continue
        compared += 1
        (tmp_path / "old").write_text("".join(old))
        (tmp_path / "new").write_text("".join(new))
        # The heuristic that `git diff` has besides is not part of `git merge-file`.
        shown = subprocess.run(
            ["git", "diff", "--no-index", "--no-indent-heuristic", "-U0", "old", "new"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        by_git = [_hunk(match) for match in re.finditer(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", shown, re.M)]
        assert [(b.old_start, b.old_stop, b.new_start, b.new_stop) for b in blocks(old, new, _BUDGET)] == by_git, seed
    assert compared > 5


def _hunk(match: re.Match[str]) -> tuple[int, int, int, int]:
    old, size_old, new, size_new = (1 if group is None else int(group) for group in match.groups())
    start_old, start_new = old - (size_old > 0), new - (size_new > 0)
    return start_old, start_old + size_old, start_new, start_new + size_new
