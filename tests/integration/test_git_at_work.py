"""A repository in a folder, whose git is at work while others get the files for the first time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree

pytestmark = [pytest.mark.long, pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")]
_COMMITS, _FILES = 50, 1500
_BYTES_A_S, _LEAST = 200_000, 65_536


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "gc.auto=0"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {arguments}: {done.stdout} {done.stderr}"
    return done.stdout


def _path(root: Path, number: int) -> Path:
    return root / f"d{number // 50:02d}" / f"{number}.py"


def _text(number: int, **changed: str) -> str:
    """Lines; those that are given by number are other ones."""
    return "".join(changed.get(f"line{line}", f"line {line} of file {number}") + "\n" for line in range(120))


def _make_repository(root: Path) -> None:
    """Two branches that changed the same files in other lines: fifty commits of one, to be put upon the other.

    Each of the commits changes ten files, adds one and takes one out.
    """
    _git(root, "init", "-q", "-b", "main")
    for number in range(_FILES):
        _path(root, number).parent.mkdir(exist_ok=True)
        _path(root, number).write_text(_text(number))
    _git(root, "add", ".")
    _git(root, "commit", "-qm", "The beginning")
    _git(root, "checkout", "-qb", "feature")
    for commit in range(_COMMITS):
        for number in range(10 * commit, 10 * commit + 10):
            _path(root, number).write_text(_text(number, line30=f"what commit {commit} says"))
        _path(root, _FILES - 1 - commit).unlink()
        (root / f"new {commit}.py").write_text(f"a file of commit {commit}\n")
        _git(root, "add", "-A", ".")
        _git(root, "commit", "-qm", f"Commit {commit}")
    _git(root, "checkout", "-q", "main")
    for number in range(0, 10 * _COMMITS, 2):
        _path(root, number).write_text(_text(number, line5="what the main branch says"))
    _git(root, "commit", "-qam", "Meanwhile")
    _git(root, "checkout", "-q", "feature")


def _working_tree(root: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(root).items() if name.partition("/")[0] != ".git"}


def _as_committed(root: Path, base: Path) -> dict[str, bytes]:
    """What the branch holds, by a checkout elsewhere."""
    _git(root, "clone", "-q", "-b", "feature", str(root), str(base / "committed"))
    return _working_tree(base / "committed")


def _conflict_copies(*several: Device) -> list[str]:
    return [name for device in several for name in _working_tree(device.dir) if ".conflict-" in name]


@pytest.mark.timeout(300)
def test_a_rebase_of_fifty_commits_while_a_first_sync_runs(tmp_path: Path) -> None:
    """Every file on both disks is the one that git left: none is of a commit between, and there are no copies."""
    with devices(tmp_path, "one", "two", YP2P_LOG__LEVEL="info") as (one, two):
        _make_repository(one.dir)
        one.call("POST", "/v1/limits/set", {"upload": _BYTES_A_S})  # so that it takes some seconds on any machine
        two.join(one)
        eventually(lambda: len(_working_tree(two.dir)) > _FILES // 20, 60, "the first sync has begun")
        one.call("POST", "/v1/limits/set", {"upload": _LEAST})  # git may be slow
        assert len(_working_tree(two.dir)) < _FILES, "and is not over"
        _git(one.dir, "rebase", "-q", "main")
        assert _git(one.dir, "log", "--oneline", "main..feature").count("\n") == _COMMITS
        assert len(_working_tree(two.dir)) < _FILES, "it was not over before git was"
        one.call("POST", "/v1/limits/set", {"upload": 0})
        for device in (one, two):
            device.wait(120)
        for device in (one, two):
            device.wait(120)
        wanted = _as_committed(one.dir, tmp_path)
        assert len(wanted) == _FILES
        assert _conflict_copies(one, two) == []
        here, there = _working_tree(one.dir), _working_tree(two.dir)
        assert sorted(here) == sorted(wanted)
        assert [name for name in wanted if here[name] != wanted[name]] == [], "git's own files"
        assert sorted(there) == sorted(wanted)
        assert [name for name in wanted if there[name] != wanted[name]] == [], "no stale file"
        assert _git(one.dir, "status", "--short") == ""


@pytest.mark.timeout(120)
def test_what_git_writes_on_the_way_is_no_version(tmp_path: Path) -> None:
    """`checkout --merge` writes the other branch's file, then that with what was changed here; slowly, this time."""
    with devices(tmp_path, "one", "two") as (one, two):
        file = one.dir / "a.md"
        _git(one.dir, "init", "-q", "-b", "main")
        for name, words in (("smudge", "sleep 1; cat"), ("clean", "cat")):
            _git(one.dir, "config", f"filter.slow.{name}", words)
        (one.dir / ".gitattributes").write_text("*.md filter=slow\n")
        file.write_text("branch main\n\nin the middle\n\nend\n")
        _git(one.dir, "add", ".")
        _git(one.dir, "commit", "-qm", "main")
        _git(one.dir, "checkout", "-qb", "other")
        file.write_text(file.read_text().replace("main", "other"))
        _git(one.dir, "commit", "-qam", "other")
        two.join(one)
        for device in (one, two):
            device.wait()
        file.write_text(file.read_text().replace("end", "end, as changed here"))
        for device in (one, two):
            device.wait()
        seen: set[str] = set()
        with subprocess.Popen(["git", "-C", str(one.dir), "checkout", "-q", "--merge", "main"]) as git:
            while git.poll() is None:
                seen.add((two.dir / "a.md").read_text())
        assert git.returncode == 0
        wanted = "branch main\n\nin the middle\n\nend, as changed here\n"
        assert file.read_text() == wanted
        for device in (one, two):
            device.wait()
        assert (two.dir / "a.md").read_text() == wanted
        assert [text for text in seen if "as changed here" not in text] == []
        assert two.call("GET", "/v1/notices") == []
