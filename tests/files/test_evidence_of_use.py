"""What the disk tells of the programs that use a file: whether it is read, open in an editor, written to by git."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from yp2p.files import reads as reads_module
from yp2p.files.editor_locks import EditorLock, is_standing, lock_of, locked_names
from yp2p.files.ignore import IgnoreRules
from yp2p.files.reads import Reads
from yp2p.files.root import Root
from yp2p.files.watch import Batch, Watcher, open_watcher
from yp2p.identity import FolderID


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    directory = tmp_path / "work" / "dir"
    directory.mkdir(parents=True)
    made = Root(directory)
    made.prepare(FolderID(bytes(16)))
    made.probe()
    yield made
    made.close()


async def _next(watcher: Watcher) -> Batch:
    with trio.fail_after(60):
        return await watcher.next_batch()


def _queue_limit() -> int:
    return int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


# --- reads ------------------------------------------------------------------------------------------------------------


async def test_reading_is_told_by_path_and_opening_or_writing_is_not(root: Root) -> None:
    (root.path / "d" / "deep").mkdir(parents=True)
    for name in ("top", "d/read", "d/written", "d/opened", "d/deep/é 😀"):
        (root.path / name).write_text("x")
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        watcher.reads.take_all()
        (root.path / "d" / "written").write_text("y")
        os.close(os.open(root.path / "d" / "opened", os.O_RDONLY))
        os.listdir(root.path / "d")
        assert watcher.reads.take_all() == Reads()
        for name in ("top", "d/read", "d/deep/é 😀"):
            (root.path / name).read_text()
        (root.path / "d" / "written").read_bytes()
        assert watcher.reads.take_all() == Reads({"top", "d/read", "d/deep/é 😀", "d/written"})
        (root.path / "d").rename(root.path / "moved")
        watcher.scan("moved")
        (root.path / "moved" / "deep" / "é 😀").read_text()
        assert watcher.reads.take_all().paths == {"moved/deep/é 😀"}


async def test_reads_come_in_slices(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads_module, "_SLICE_BYTES", 128)
    names = {f"file-{number}" for number in range(50)}
    for name in names:
        (root.path / name).write_text("x")
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        for name in names:
            (root.path / name).read_text()
        found, slices = Reads(), 0
        while watcher.reads.take(found):
            slices += 1
        assert found == Reads(names)
        assert slices > 10


async def test_a_queue_of_reads_that_overflows_is_told_and_does_not_touch_the_watcher(root: Root) -> None:
    for name in ("a", "b"):
        (root.path / name).write_text("x")
    limit = _queue_limit()
    if limit > 100_000:
        pytest.skip(f"fs.inotify.max_queued_events is {limit}: that takes too long")
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        descriptors = [os.open(root.path / name, os.O_RDONLY) for name in ("a", "b")]
        for _ in range(limit // 2 + 1):  # in turns: equal events in a row are one
            for descriptor in descriptors:
                os.pread(descriptor, 1, 0)
        for descriptor in descriptors:
            os.close(descriptor)
        assert watcher.reads.take_all().overflow
        (root.path / "a").write_text("y")
        batch = await _next(watcher)
        assert batch.finished == {"a"}
        assert not batch.overflow


def test_where_watches_are_few_those_for_reads_go_first(tmp_path: Path) -> None:
    """In a user namespace with a limit of its own: 20 directories, 30 watches."""
    script = f"""
import trio
from pathlib import Path
from yp2p.files.ignore import IgnoreRules
from yp2p.files.root import Root
from yp2p.files.watch import open_watcher
from yp2p.identity import FolderID

async def main():
    root = Root(Path({str(tmp_path)!r}))
    root.prepare(FolderID(bytes(16)))
    for number in range(20):
        (root.path / str(number)).mkdir()
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        assert watcher.watched_directories == 21, watcher.watched_directories
        assert not watcher.exhausted
        assert watcher.reads.is_blind

trio.run(main)
"""
    (tmp_path / "script.py").write_text(script)
    limited = f"echo 30 > /proc/sys/user/max_inotify_watches && exec {sys.executable} {tmp_path}/script.py"
    done = subprocess.run(["unshare", "-Ur", "sh", "-c", limited], capture_output=True, text=True, timeout=30)
    if "unshare" in done.stderr or "max_inotify_watches" in done.stderr:
        pytest.skip(f"no user namespace here: {done.stderr}")
    assert done.returncode == 0, done.stderr


# --- editors ----------------------------------------------------------------------------------------------------------


def _swap(path: Path, pid: int) -> None:
    path.write_bytes(b"b0VIM 9.0".ljust(24, b"\x00") + pid.to_bytes(4, "little") + bytes(100))


@pytest.mark.parametrize(
    ("name", "lock"),
    [
        ("f.txt", ".f.txt.swp"), ("f.txt", ".f.txt.swo"), (".bashrc", ".bashrc.swp"), ("f.txt", ".~lock.f.txt#"),
        ("f.txt", ".f.txt.kate-swp"), ("a b.c", ".a b.c.swp"), (".bashrc", ".~lock..bashrc#"),
    ],
)  # fmt: skip
def test_an_editors_lock_is_found_and_known_by_its_name(root: Root, name: str, lock: str) -> None:
    (root.path / "d").mkdir()
    assert lock_of(root, f"d/{name}") is None
    (root.path / "d" / lock).write_text("")
    found = lock_of(root, f"d/{name}")
    assert found == EditorLock(lock, (root.path / "d" / lock).stat().st_ino)
    assert is_standing(root, f"d/{name}", found)
    assert name in locked_names(lock)
    (root.path / "d" / lock).rename(root.path / "away")
    (root.path / "d" / lock).write_text("")  # of another run
    assert not is_standing(root, f"d/{name}", found)
    (root.path / "d" / lock).unlink()
    assert not is_standing(root, f"d/{name}", found)


@pytest.mark.parametrize("name", ["f.txt", ".f", "f.swp", ".swp", ".#", "#f#", ".~lock.#", "f~"])
def test_other_files_are_no_locks(name: str) -> None:
    assert locked_names(name) == ()


def test_a_lock_counts_only_while_its_program_runs(root: Root) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait(10)
    swap, link = root.path / ".f.swp", root.path / ".#f"
    _swap(swap, ended.pid)
    link.symlink_to(f"me@here.{ended.pid}:1700000000")
    assert lock_of(root, "f") is None
    _swap(swap, os.getpid())
    assert lock_of(root, "f") == EditorLock(".f.swp", swap.stat().st_ino)
    swap.unlink()
    assert lock_of(root, "f") is None
    link.unlink()
    link.symlink_to(f"me@here.{os.getpid()}")
    assert lock_of(root, "f") == EditorLock(".#f", link.lstat().st_ino)


@pytest.mark.parametrize("content", [b"", b"b0", b"no swap file of vim, but of this name", b"b0VIM" + bytes(19)])
def test_a_lock_that_names_no_process_counts(root: Root, content: bytes) -> None:
    (root.path / ".f.swp").write_bytes(content)
    assert lock_of(root, "f") is not None


async def test_the_watcher_tells_whether_a_lock_went_before_or_after_a_save(root: Root) -> None:
    (root.path / "d").mkdir()
    path, swap = root.path / "d" / "f", root.path / "d" / ".f.swp"
    path.write_text("x")
    swap.write_text("")
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        path.write_text("y")
        swap.unlink()
        assert ("d/f", ".f.swp", True) in (await _next(watcher)).released
        swap.write_text("")
        swap.unlink()
        path.write_text("z")
        assert ("d/f", ".f.swp", False) in (await _next(watcher)).released


# --- git --------------------------------------------------------------------------------------------------------------


def _git(directory: Path, *words: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"}
    settings = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *settings, *words], cwd=directory, check=True, capture_output=True, env=environment)


@pytest.mark.parametrize("kind", ["in the folder", "beneath it", "around it", "made later", "of a work tree"])
async def test_what_git_writes_is_told_from_what_others_write(root: Root, kind: str) -> None:
    tree = {"beneath it": root.path / "sub", "around it": root.path.parent}.get(kind, root.path)
    tree.mkdir(exist_ok=True)
    main = root.path.parent / "main" if kind == "of a work tree" else tree
    main.mkdir(exist_ok=True)

    def make() -> None:
        _git(main, "init", "-q")
        (main / "f.txt").write_text("one\n")
        _git(main, "add", "f.txt")
        _git(main, "commit", "-qm", "one")
        if main != tree:
            _git(main, "worktree", "add", "-q", "-f", "--no-checkout", str(root.path / "sub"))
            _git(root.path / "sub", "checkout", "-q", "HEAD", "--", ".")

    if kind != "made later":
        make()
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        if kind == "made later":
            make()
            await _next(watcher)
        where = root.path / "sub" if kind == "of a work tree" else tree
        file = where / "f.txt" if where.is_relative_to(root.path) else root.path / "g.txt"
        if kind == "around it":
            file.write_text("one\n")
            _git(tree, "add", "-f", str(file))
            _git(tree, "commit", "-qm", "two")
            await _next(watcher)
        name = str(file.relative_to(root.path))
        file.write_text("changed by a person\n")
        batch = await _next(watcher)
        assert name in batch.written
        assert name not in batch.in_git
        _git(where, "checkout", "-q", "--", ".")
        assert file.read_text() == "one\n"
        batch = await _next(watcher)
        assert name in batch.in_git
        assert batch.git_ended
        file.write_text("changed again\n")
        batch = await _next(watcher)
        assert name not in batch.in_git
