"""The file system of a folder, for real: path safety, leases, exchange, watching, ignoring."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from yp2p.errors import FolderError
from yp2p.files import replace
from yp2p.files.ignore import IgnoreRules
from yp2p.files.inspect import NO_STAMP, Found, Stamp, inspect
from yp2p.files.replace import Outcome, Temporary
from yp2p.files.root import Root
from yp2p.files.syscalls import _walk_beneath
from yp2p.files.watch import Batch, Watcher, open_watcher
from yp2p.identity import FolderID

FOLDER = FolderID(b"f" * 16)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    (tmp_path / "folder").mkdir()
    found = Root(tmp_path / "folder")
    found.prepare(FOLDER)
    yield found
    found.close()


def _content(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_no_path_leads_out_of_the_root(root: Root, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (root.path / "link").symlink_to(tmp_path)
    (root.path / "file-link").symlink_to(tmp_path / "secret")
    for path in ("../secret", "link/secret", "file-link", "/etc/passwd"):
        with pytest.raises(OSError) as caught:
            os.close(root.open(path, os.O_RDONLY))
        assert caught.value.errno in (errno.EXDEV, errno.ELOOP), path
    for path in ("link/secret", "file-link"):
        with pytest.raises(OSError):
            os.close(_walk_beneath(root.descriptor, path, os.O_RDONLY, 0))
    assert root.lstat("link/secret") is None
    assert inspect(root, "file-link", None, 1000, trust_stamp=False).found is Found.OTHER
    with pytest.raises(OSError):
        root.make_parents("link/new/file")
    assert not (tmp_path / "new").exists()


def test_a_root_belongs_to_one_folder(root: Root) -> None:
    assert root.marker() == FOLDER
    with pytest.raises(FolderError, match="another folder"):
        root.prepare(FolderID(b"g" * 16))
    assert root.is_in_place()
    root.path.rename(root.path.with_name("moved"))
    assert not root.is_in_place()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"text\r\n\xef\xbb\xbf", Found.TEXT), (b"", Found.TEXT), (b"nul\0", Found.NOT_TEXT),
        (b"\xff", Found.NOT_TEXT), (b"\xed\xa0\x80", Found.NOT_TEXT), (b"x" * 101, Found.TOO_BIG),
    ],
)  # fmt: skip
def test_what_is_text(root: Root, data: bytes, found: Found) -> None:
    (root.path / "f").write_bytes(data)
    finding = inspect(root, "f", None, 100, trust_stamp=False)
    assert finding.found is found
    if found is Found.TEXT:
        assert finding.text.encode() == data
        assert finding.content == hashlib.sha256(data).digest()


def test_a_file_that_is_open_for_writing_is_busy(root: Root) -> None:
    with (root.path / "f").open("w") as file:
        file.write("half")
        file.flush()
        assert inspect(root, "f", None, 100, trust_stamp=False).found is Found.BUSY
    assert inspect(root, "f", None, 100, trust_stamp=False).found is Found.TEXT
    os.mkfifo(root.path / "fifo")
    assert inspect(root, "fifo", None, 100, trust_stamp=False).found is Found.OTHER
    assert inspect(root, "nothing/here", None, 100, trust_stamp=False).found is Found.MISSING


def test_stamps(root: Root) -> None:
    (root.path / "f").write_text("a")
    stamp = inspect(root, "f", None, 100, trust_stamp=False).stamp
    assert inspect(root, "f", stamp, 100, trust_stamp=True).found is Found.UNCHANGED
    (root.path / "f").write_text("b")
    assert inspect(root, "f", stamp, 100, trust_stamp=True).found is Found.TEXT


def _ready(root: Root, text: str, like: str | None) -> Temporary:
    temporary = replace.create_temporary(root, (bytes(16), 7) if like else None)
    assert replace.fill_temporaries(root, [(temporary, like, text.encode(), False)]) == [None]
    return temporary


def test_an_exchange_keeps_the_mode_and_what_came_out(root: Root) -> None:
    path = root.path / "f"
    path.write_text("old")
    path.chmod(0o640)
    os.setxattr(path, "user.colour", b"blue")
    temporary = _ready(root, "new", "f")
    assert replace.read_purpose(temporary.name) == (bytes(16), 7, temporary)
    assert not replace.was_put(root, temporary)
    result = replace.exchange(root, temporary, "f", _content("old"), NO_STAMP)
    assert result.outcome is Outcome.DONE
    assert result.odd is None
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.getxattr(path, "user.colour") == b"blue"
    assert result.stamp == Stamp.of(path.stat())
    assert (root.path / temporary.name).read_text() == "old"
    assert replace.was_put(root, temporary)
    assert result.came_out is not None
    assert replace.read_late(root, temporary.name, result.came_out) is None
    (root.path / temporary.name).write_text("old and late")
    late = replace.read_late(root, temporary.name, result.came_out)
    assert late is not None
    assert late.text == "old and late"


def test_nothing_is_replaced_that_is_not_the_base(root: Root) -> None:
    (root.path / "f").write_text("a person's edit")
    for base in ("old", "other"):
        temporary = _ready(root, "new", "f")
        assert replace.exchange(root, temporary, "f", _content(base), NO_STAMP).outcome is Outcome.CHANGED
        replace.discard(root, temporary.name)
    assert (root.path / "f").read_text() == "a person's edit"
    assert replace.exchange(root, _ready(root, "x", None), "gone", _content(""), NO_STAMP).outcome is Outcome.CHANGED
    with (root.path / "f").open("a"):
        outcome = replace.exchange(root, _ready(root, "y", None), "f", _content("a person's edit"), NO_STAMP).outcome
        assert outcome is Outcome.BUSY


def test_new_files_never_overwrite(root: Root) -> None:
    assert replace.put_new(root, _ready(root, "new", None), "d/e/f").outcome is Outcome.DONE
    assert (root.path / "d/e/f").read_text() == "new"
    assert replace.put_new(root, _ready(root, "other", None), "d/e/f").outcome is Outcome.CHANGED
    assert replace.put_new(root, _ready(root, "other", None), "d/e/f/g").outcome is Outcome.BLOCKED
    assert (root.path / "d/e/f").read_text() == "new"
    moved = replace.move_away(root, "d/e/f", ".yp2p/trash/x/d/e/f", _content("new"), NO_STAMP)
    assert moved.outcome is Outcome.DONE
    root.remove_empty_parents("d/e/f")
    assert not (root.path / "d").exists()
    assert (root.path / ".yp2p/trash/x/d/e/f").read_text() == "new"


def test_many_files_are_forced_to_the_disk_together(root: Root) -> None:
    temporaries = [replace.create_temporary(root) for _ in range(20)]
    items = [(t, None, f"{n}".encode(), n == 3) for n, t in enumerate(temporaries)]
    assert replace.fill_temporaries(root, items) == [None] * 20
    for number, temporary in enumerate(temporaries):
        assert replace.put_new(root, temporary, f"f{number}").outcome is Outcome.DONE
    assert (root.path / "f7").read_text() == "7"
    assert os.access(root.path / "f3", os.X_OK)
    assert not (root.path / "f7").stat().st_mode & 0o111


async def _next(watcher: Watcher) -> Batch:
    with trio.fail_after(5):
        return await watcher.next_batch()


async def test_what_happens_is_reported(root: Root) -> None:
    (root.path / "d").mkdir()
    (root.path / "d" / "old").write_text("x")
    async with open_watcher(root, IgnoreRules()) as watcher:
        assert watcher.scan() == ["d/old"]
        (root.path / "d" / "new").write_text("x")
        assert "d/new" in (await _next(watcher)).finished
        (root.path / "later").mkdir()
        (root.path / "later" / "inside").write_text("x")
        assert (await _next(watcher)).new_directories == {"later"}
        assert watcher.scan("later") == ["later/inside"]
        (root.path / "later").rename(root.path / "moved")
        batch = await _next(watcher)
        assert batch.removed_directories == {"later"}
        assert batch.new_directories == {"moved"}
        assert watcher.scan("moved") == ["moved/inside"]
        (root.path / "moved" / "inside").write_text("y")
        assert "moved/inside" in (await _next(watcher)).finished
        (root.path / "d" / "scratch~").write_text("x")
        (root.path / ".git").mkdir()
        (root.path / "d" / "seen").write_text("x")
        assert (await _next(watcher)).finished == {"d/seen"}


async def test_reading_is_reported_once(root: Root) -> None:
    (root.path / "f").write_text("x")
    async with open_watcher(root, IgnoreRules()) as watcher:
        assert watcher.watch_reading("f", b"key")
        assert (root.path / "f").read_text() == "x"
        assert (await _next(watcher)).read == {b"key": frozenset({"f"})}
        assert not watcher.watch_reading("nothing", b"key")


def test_ignoring() -> None:
    rules = IgnoreRules(["*.log"], "build/\n!keep.log\n")
    for path in ("a.txt~", ".a.txt.swp", "4913", "x/.git/config", ".yp2p/tmp/x", "a.log", "d/.hg/x", "build/x"):
        assert rules.ignores(path), path
    for path in ("a.txt", "keep.log", ".gitignore", ".yp2pignore", "builder"):
        assert not rules.ignores(path), path
    assert IgnoreRules([], "!.git/\n!.git/**\n").ignores(".git/hooks/post-checkout"), "nothing lifts the reserved names"
