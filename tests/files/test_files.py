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
from trio.testing import MockClock

from yp2p.errors import FolderError
from yp2p.files import replace, temporary_files, trash
from yp2p.files.capabilities import Capabilities
from yp2p.files.ignore import IgnoreRules
from yp2p.files.inspect import NO_STAMP, Found, Stamp, inspect
from yp2p.files.replace import Outcome
from yp2p.files.root import TMP, Root
from yp2p.files.syscalls import _walk_beneath
from yp2p.files.temporary_files import Filling
from yp2p.files.temporary_names import ASIDE, Purpose, Temporary, read_purpose
from yp2p.files.watch import Batch, Watcher, open_watcher
from yp2p.identity import FolderID
from yp2p.protocol.entries import Mode

FOLDER = FolderID(b"f" * 16)


@pytest.fixture(params=[True, False], ids=["exchange", "by hand"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Root]:
    """A root; everything must hold where the file system has no exchange as well."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    (tmp_path / "folder").mkdir()
    found = Root(tmp_path / "folder")
    found.prepare(FOLDER)
    found.probe()
    assert found.capabilities == Capabilities()
    if not request.param:
        found.capabilities = Capabilities(exchange=False, no_replace=False)
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
    link = inspect(root, "file-link", None, 1000, trust_stamp=False)
    assert (link.found, link.target) == (Found.SYMLINK, os.fsencode(tmp_path / "secret"))
    with pytest.raises(OSError):
        root.make_parents("link/new/file")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("left", ["", FOLDER.hex()[:16], "\0" * 33])
def test_a_marker_that_a_crash_cut_off_is_made_again(root: Root, left: str) -> None:
    (root.path / ".yp2p/marker").write_text(left)
    assert root.marker() is None
    root.prepare(FOLDER)
    assert root.marker() == FOLDER


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
        (b"text\r\n\xef\xbb\xbf", Found.TEXT), (b"", Found.TEXT), (b"nul\0", Found.BLOB),
        (b"\xff", Found.BLOB), (b"\xed\xa0\x80", Found.BLOB), (b"x" * 101, Found.BLOB),
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
    temporary = temporary_files.create_temporary(root, "f", Purpose.of(bytes(16), 7, bytes(32)) if like else None)
    assert temporary_files.fill_temporaries(root, [Filling(temporary, like, text.encode(), Mode.PLAIN)]) == [None]
    return temporary


def test_an_exchange_keeps_the_mode_and_what_came_out(root: Root) -> None:
    path = root.path / "f"
    path.write_text("old")
    path.chmod(0o640)
    os.setxattr(path, "user.colour", b"blue")
    temporary = _ready(root, "new", "f")
    assert read_purpose(temporary.name) == (Purpose(bytes(16), 7, bytes(8)), temporary)
    assert not replace.was_exchanged(root, temporary)
    result = replace.exchange(root, temporary, "f", _content("old"), NO_STAMP)
    assert result.outcome is Outcome.DONE
    assert result.unexpected is None
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.getxattr(path, "user.colour") == b"blue"
    assert result.stamp == Stamp.of(path.stat())
    assert (root.path / temporary.name).read_text() == "old"
    assert replace.was_exchanged(root, temporary)
    assert result.displaced is not None
    assert replace.read_displaced(root, temporary.name, result.displaced) is None
    (root.path / temporary.name).write_text("old and late")
    late = replace.read_displaced(root, temporary.name, result.displaced)
    assert late is not None
    assert late.text == "old and late"


def test_nothing_is_replaced_that_is_not_the_base(root: Root) -> None:
    (root.path / "f").write_text("a person's edit")
    for base in ("old", "other"):
        temporary = _ready(root, "new", "f")
        assert replace.exchange(root, temporary, "f", _content(base), NO_STAMP).outcome is Outcome.CHANGED
        temporary_files.discard(root, temporary.name)
    assert (root.path / "f").read_text() == "a person's edit"
    assert replace.exchange(root, _ready(root, "x", None), "gone", _content(""), NO_STAMP).outcome is Outcome.CHANGED
    with (root.path / "f").open("a"):
        outcome = replace.exchange(root, _ready(root, "y", None), "f", _content("a person's edit"), NO_STAMP).outcome
        assert outcome is Outcome.BUSY


def test_new_files_never_overwrite(root: Root) -> None:
    assert replace.install_new(root, _ready(root, "new", None), "d/e/f").outcome is Outcome.DONE
    assert (root.path / "d/e/f").read_text() == "new"
    assert replace.install_new(root, _ready(root, "other", None), "d/e/f").outcome is Outcome.CHANGED
    assert replace.install_new(root, _ready(root, "other", None), "d/e/f/g").outcome is Outcome.BLOCKED
    assert (root.path / "d/e/f").read_text() == "new"
    moved = replace.move_away(root, "d/e/f", ".yp2p/trash/x/d/e/f", _content("new"), NO_STAMP)
    assert moved.outcome is Outcome.DONE
    root.remove_empty_parents("d/e/f")
    assert not (root.path / "d").exists()
    assert (root.path / ".yp2p/trash/x/d/e/f").read_text() == "new"


def test_a_directory_that_goes_while_files_are_put_into_it_is_made_again(root: Root) -> None:
    with root.keeping_open() as directories:
        assert directories.parent("d/one")[1] == "one"
        (root.path / "d").rmdir()
        with root.parent(f"{TMP}/x") as (tmp, _):
            temporary = _ready(root, "new", None)
            assert replace._install_new(root, tmp, directories, temporary, "d/two").outcome is Outcome.DONE
    assert (root.path / "d/two").read_text() == "new"
    made = [(_ready(root, f"{n}", None), path) for n, path in enumerate(("d/two", "e/x", "e/y", "e/x/z", "e/y", "top"))]
    changed, done, blocked = Outcome.CHANGED, Outcome.DONE, Outcome.BLOCKED
    outcomes = [result.outcome for result in replace.put_all_new(root, made)]
    assert outcomes == [changed, done, done, blocked, changed, done]
    assert [(root.path / name).read_text() for name in ("d/two", "e/x", "e/y", "top")] == ["new", "1", "2", "5"]


def test_many_files_are_forced_to_the_disk_together(root: Root) -> None:
    temporaries = [temporary_files.create_temporary(root, "f") for _ in range(20)]
    items = [
        Filling(t, None, f"{n}".encode(), Mode.EXECUTABLE if n == 3 else Mode.PLAIN) for n, t in enumerate(temporaries)
    ]
    assert temporary_files.fill_temporaries(root, items) == [None] * 20
    for number, temporary in enumerate(temporaries):
        assert replace.install_new(root, temporary, f"f{number}").outcome is Outcome.DONE
    assert (root.path / "f7").read_text() == "7"
    assert os.access(root.path / "f3", os.X_OK)
    assert not (root.path / "f7").stat().st_mode & 0o111


@pytest.mark.parametrize("finished", [True, False])
def test_an_exchange_by_hand_that_a_crash_cut_in_two(root: Root, finished: bool) -> None:
    (root.path / "f").write_text("old")
    temporary = _ready(root, "new", "f")
    aside = root.path / (temporary.name + ASIDE)
    (root.path / "f").rename(aside)
    if finished:
        (root.path / temporary.name).rename(root.path / "f")
    assert replace.settle_aside(root, temporary, "f")
    assert not aside.exists()
    assert (root.path / "f").read_text() == ("new" if finished else "old")
    assert (root.path / temporary.name).read_text() == ("old" if finished else "new")
    assert replace.was_exchanged(root, temporary) is finished


def test_a_crash_in_an_exchange_by_hand_overwrites_nothing(root: Root) -> None:
    (root.path / "f").write_text("old")
    temporary = _ready(root, "new", "f")
    (root.path / "f").rename(root.path / (temporary.name + ASIDE))
    (root.path / "f").write_text("somebody was quick")
    assert not replace.settle_aside(root, temporary, "f")
    assert (root.path / "f").read_text() == "somebody was quick"
    assert (root.path / (temporary.name + ASIDE)).read_text() == "old"


def _throw_away(root: Root, path: str, text: str, place: str) -> None:
    (root.path / path).parent.mkdir(exist_ok=True)
    (root.path / path).write_text(text)
    assert replace.move_away(root, path, f"{place}/{path}", None, NO_STAMP).outcome is Outcome.DONE


def test_the_trash_gives_back_and_forgets(root: Root) -> None:
    old, new = ".yp2p/trash/2026-01-01T120000-aaaaaa", ".yp2p/trash/2026-03-01T120000-bbbbbb"
    assert trash.items(root) == []
    _throw_away(root, "d/f", "1", old)
    _throw_away(root, "g", "22", old)
    _throw_away(root, "d/f", "333", new)
    found = trash.items(root)
    assert [(item.path, item.size, item.day) for item in found] == [
        ("d/f", 1, "2026-01-01"), ("g", 2, "2026-01-01"), ("d/f", 3, "2026-03-01"),
    ]  # fmt: skip
    assert trash.restore(root, found[2]).outcome is Outcome.DONE
    assert (root.path / "d/f").read_text() == "333"
    assert trash.restore(root, found[0]).outcome is Outcome.CHANGED
    assert not (root.path / new).exists()
    assert (root.path / ".yp2p/trash").is_dir()
    # Age is counted in days that were seen: a clock that jumps removes nothing.
    assert trash.prune(root, ["2026-01-01", "2027-01-01"], 1, 100).removed == []
    assert [item.path for item in trash.prune(root, _DAYS, 30, 1).removed] == ["d/f"]
    assert [item.path for item in trash.prune(root, ["2026-01-02", "2026-01-03"], 1, 100).removed] == ["g"]
    assert trash.items(root) == []


def test_a_large_file_does_not_cost_everything_else_in_the_trash(root: Root) -> None:
    for number, size in enumerate((30, 20, 1000)):
        _throw_away(root, f"{number}", "x" * size, f".yp2p/trash/2026-01-0{number + 1}T120000-aaaaaa")
    assert trash.prune(root, _DAYS, 30, 100).removed == []
    _throw_away(root, "3", "x" * 1000, ".yp2p/trash/2026-01-04T120000-aaaaaa")
    assert [item.path for item in trash.prune(root, _DAYS, 30, 100).removed] == ["0", "1"]
    assert [item.path for item in trash.prune(root, _DAYS, 30, 1).removed] == ["2"], "what came last stays"


def test_what_came_within_the_last_day_is_not_pruned_however_much_it_is(root: Root) -> None:
    for number in range(5):
        _throw_away(root, f"{number}", "x" * 4096, f".yp2p/trash/2026-01-0{number + 1}T120000-aaaaaa")
    for max_age_days in (0, 30):
        pruned = trash.prune(root, ["2026-01-04", "2026-01-05"], max_age_days, 1)
        assert [item.path for item in pruned.removed] == (["0", "1", "2"] if not max_age_days else [])
        assert pruned.bytes_left == 2 * 4096


def test_what_the_trash_holds_is_counted_without_the_holes(root: Root) -> None:
    for number in range(3):
        (root.path / "f").touch()
        os.truncate(root.path / "f", 1 << 30)
        replace.move_away(root, "f", f".yp2p/trash/2026-01-0{number + 1}T120000-aaaaaa/f", None, NO_STAMP)
    assert trash.prune(root, _DAYS, 30, 1 << 20) == trash.Pruned([], 0)


# So many that whatever is in the trash is older than a day.
_DAYS = ("2026-02-01", "2026-03-02", "2026-03-03")


async def _next(watcher: Watcher) -> Batch:
    with trio.fail_after(60):
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


async def test_files_that_are_put_in_place_are_no_news_and_what_others_put_there_is(root: Root) -> None:
    (root.path / "d").mkdir()
    (root.path / "other").write_text("theirs")
    paths = ["d/ours", "d/saved", "d/replaced", "new/deep"]
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        items = [(_ready(root, "x", None), path) for path in paths]
        with watcher.expecting(paths) as placed:
            assert {result.outcome for result in replace.put_all_new(root, items)} == {Outcome.DONE}
            placed |= set(paths)
        (root.path / "d" / "saved").write_text("y")
        (root.path / "other").rename(root.path / "d" / "replaced")
        batch = await _next(watcher)
        by_hand = set() if root.capabilities.no_replace else {"d/ours"}
        assert batch.finished == {"d/saved", "d/replaced", "other"} | by_hand
        assert batch.new_directories == {"new"}
        assert watcher.scan("new") == ["new/deep"], "what had no watch is listed"
        for name in ("d/ours", "new/deep"):  # it is over: the next of these is somebody else's
            (root.path / name).rename(root.path / "gone")
            (root.path / "gone").rename(root.path / name)
            assert name in (await _next(watcher)).finished


async def test_what_could_not_be_put_or_was_moved_with_its_directory_is_news(root: Root) -> None:
    for name in ("d", "e"):
        (root.path / name).mkdir()
    (root.path / "e" / "f").write_text("theirs")
    (root.path / "other").write_text("newer")
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        with watcher.expecting(["e/f"]) as placed:
            (result,) = replace.put_all_new(root, [(_ready(root, "x", None), "e/f")])
            assert result.outcome is Outcome.CHANGED
            assert not placed
        (root.path / "other").rename(root.path / "e" / "f")
        assert (await _next(watcher)).finished == {"other", "e/f"}
        with watcher.expecting(["d/one", "d/two"]):
            assert replace.install_new(root, _ready(root, "1", None), "d/one").outcome is Outcome.DONE
            (root.path / "top").write_text("x")
            assert (await _next(watcher)).finished >= {"top"}
            (root.path / "d").rename(root.path / "moved")
            batch = await _next(watcher)
        assert batch.removed_directories == {"d"}
        assert batch.finished == ({"d/one", "d/two"} if root.capabilities.no_replace else set())


async def test_many_events_are_taken_many_at_a_time(root: Root, autojump_clock: MockClock) -> None:
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        waits: list[float] = []
        for number in range(100):
            (root.path / f"f{number}").write_text("x")
            before = trio.current_time()
            await watcher.next_batch()
            waits.append(trio.current_time() - before)
        assert waits[:10] == [0.0] * 10, "a few are told at once"
        assert max(waits) > 0
        await trio.sleep(1)  # of a clock that jumps: after a quiet second what comes is told at once again
        (root.path / "later").write_text("x")
        before = trio.current_time()
        assert "later" in (await watcher.next_batch()).finished
        assert trio.current_time() == before


async def test_reading_is_reported_once(root: Root) -> None:
    (root.path / "f").write_text("x")
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        assert watcher.watch_reading("f", b"key")
        assert (root.path / "f").read_text() == "x"
        assert (await _next(watcher)).read == {b"key": frozenset()}
        assert not watcher.watch_reading("nothing", b"key")


@pytest.mark.parametrize("scanned", [False, True])
async def test_reading_after_writing_is_reading_something_else(root: Root, scanned: bool) -> None:
    """Also before the first scan, when nobody watches the directories yet."""
    for name in "fg":
        (root.path / name).write_text("x")
    async with open_watcher(root, IgnoreRules()) as watcher:
        if scanned:
            watcher.scan()
        assert watcher.watch_reading("f", b"key")
        assert watcher.watch_reading("g", b"other")
        (root.path / "f").write_text("y")
        assert (root.path / "f").read_text() == "y"
        assert (root.path / "g").read_text() == "x"
        assert set((await _next(watcher)).read) == {b"other"}


def test_ignoring() -> None:
    rules = IgnoreRules(["*.log", "!keep.log"], "build/\n!a.log\n")
    for path in ("a.txt~", ".a.txt.swp", "4913", "x/.git/config", ".yp2p/tmp/x", "a.log", "d/.hg/x", "build/x"):
        assert rules.ignores(path), path
    for path in ("a.txt", "keep.log", ".gitignore", ".yp2pignore", "builder"):
        assert not rules.ignores(path), path
    assert IgnoreRules([], "!.git/\n!.git/**\n").ignores(".git/hooks/post-checkout"), "nothing lifts the reserved names"


def test_a_file_that_was_replaced_as_it_was_about_to_be_moved_stays(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root.path / "f"
    path.write_text("old")
    (root.path / "new").write_text("somebody's save")
    stamp = Stamp.of(path.stat())
    make_parents = root.make_parents

    def meanwhile(target: str) -> None:
        make_parents(target)
        (root.path / "new").rename(path)

    monkeypatch.setattr(root, "make_parents", meanwhile)
    result = replace.move_away(root, "f", "beside", _content("old"), stamp)
    assert result.outcome is Outcome.CHANGED
    assert path.read_text() == "somebody's save"
    assert not (root.path / "beside").exists()


def test_a_name_is_tried_and_nothing_stays_of_that(root: Root) -> None:
    """What a disk refuses is tried with exFAT (tests/power); here all names are taken, and another reason stands."""
    missing = os.strerror(errno.ENOENT)
    before = root.temporaries()
    assert root.why_not("d:ir/a?.txt", missing) == missing
    assert root.why_not("a" * 255, missing) == missing
    assert root.why_not("a\0b", "Permission denied") == "Permission denied"
    assert root.temporaries() == before
