"""What cannot be done is tried again with patience: never by its own failure, and at once when something changes."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge, replica_like
from scenes import Test, as_test

from yp2p.disk.render import retries
from yp2p.disk.render.retries import Retries
from yp2p.disk.render.staged_writes import StagedWrite, StagedWrites
from yp2p.documents.diff import hunks
from yp2p.documents.registers import Change
from yp2p.documents.synced import PeerState
from yp2p.files import replace as disk
from yp2p.files import temporary_files
from yp2p.files.blobs import name_of
from yp2p.files.ignore import IGNORE_FILE
from yp2p.files.replace import Outcome, Result
from yp2p.identity import EntryID
from yp2p.peers.blob_transfer import BlobFetcher
from yp2p.protocol.blobs import blob_hash, chunk_hash
from yp2p.protocol.clients import Writer
from yp2p.protocol.entries import Content, Mode
from yp2p.transport.pacing import Pace, Pacing

_OLD, _NEW = b"\xff\x00 old", b"\xff\x00 new"
_HASH = blob_hash(len(_NEW), [chunk_hash(_NEW)])


class _Session:
    """A session whose peer has the blob, which is here already."""

    def __init__(self, bridge: Bridge) -> None:
        link: Any = SimpleNamespace(pace=Pace(Pacing()))
        self._fetcher = BlobFetcher(bridge.folder, link, PEER, None)  # type: ignore[arg-type]

    def fetch(self) -> None:
        assert self._fetcher._next() == [], "what is here is not fetched again"

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


def _run(test: Callable[[Bridge, Path], Awaitable[None]]) -> None:
    async def run(base: Path) -> None:
        root = base / "dir"
        root.mkdir()
        for name in ("one.bin", "two.bin"):
            (root / name).write_bytes(_OLD)
        async with open_bridge(base) as bridge:
            bridge.folder.observers.sessions[PEER] = _Session(bridge)  # type: ignore[assignment]
            await test(bridge, root)

    with tempfile.TemporaryDirectory() as base:
        trio.run(run, Path(base), clock=trio.testing.MockClock())


def over_blobs(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes a bridge over two blobs, and their directory."""
    return as_test(test, 2, _run)


def _arrives(bridge: Bridge, root: Path) -> None:
    """Both files are to hold another content, which has just come."""
    (root / name_of(_HASH)).write_bytes(_NEW)
    entries = [bridge.folder.files.at[name] for name in ("one.bin", "two.bin")]
    content = Content.blob(_HASH, len(_NEW), Mode.PLAIN, 0).after(bridge.folder.files[entries[0]].content, ())
    bridge.folder.catalogue.write([Change(entry, content=content) for entry in entries])
    bridge.folder.files.blobs.downloaded[_HASH] = name_of(_HASH)


async def _work(bridge: Bridge) -> int:
    """What the disk actor does until nothing is wanted; gives the number of rounds."""
    rounds = 0
    while bridge.folder.render_queue and rounds < 50:
        await bridge.render_actor.run()
        rounds += 1
    return rounds


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were tried to be put in place."""
    tried: list[str] = []
    real = disk.exchange

    def exchange(root: Any, temporary: Any, path: str, *others: Any) -> Result:
        tried.append(path)
        return real(root, temporary, path, *others)

    monkeypatch.setattr(disk, "exchange", exchange)
    return tried


@over_blobs
async def test_what_waits_is_not_wanted_by_its_own_failure(bridge: Bridge, root: Path, tries: list[str]) -> None:
    with (root / "one.bin").open("rb+"), (root / "two.bin").open("rb+"):
        _arrives(bridge, root)
        assert await _work(bridge) <= 4
        assert sorted(tries) == ["one.bin", "two.bin"], "each once"
        assert set(bridge.folder.files.waiting.entries) == {bridge.folder.files.at[p] for p in tries}
        for _ in range(60 * 4):
            clock().jump(0.25)
            await bridge.render_actor.run()
            assert await _work(bridge) < 50
        assert 20 < len(tries) <= 2 * (60 / 2 + 5), "less and less often"
    await bridge.render()
    await _work(bridge)
    for name in ("one.bin", "two.bin"):
        assert (root / name).read_bytes() == _NEW, "closing it is seen"


@pytest.mark.parametrize("outcome", [Outcome.BLOCKED, Outcome.BUSY])
@over_blobs
async def test_it_works_again_as_soon_as_the_directory_changes(
    bridge: Bridge, root: Path, outcome: Outcome, tries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _arrives(bridge, root)
    with monkeypatch.context() as blocked:
        blocked.setattr(disk, "exchange", lambda *_: Result(outcome, reason="Read-only file system"))
        for _ in range(20):
            await bridge.render()
            assert await _work(bridge) < 50
    assert (root / "one.bin").read_bytes() == _OLD
    root.chmod(0o755)  # noqa: ASYNC240
    await bridge.take_events()
    await bridge.render_actor.run()
    await _work(bridge)
    assert (root / "one.bin").read_bytes() == (root / "two.bin").read_bytes() == _NEW
    assert not bridge.folder.files.waiting.entries


@over_blobs
async def test_a_temporary_file_that_cannot_be_made_costs_no_blob(
    bridge: Bridge, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _arrives(bridge, root)

    def no_room(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(temporary_files, "take_over", no_room)
        assert await _work(bridge) <= 4
        assert bridge.folder.files.blobs.downloaded == {_HASH: name_of(_HASH)}
    clock().jump(5)
    await bridge.render()
    await _work(bridge)
    assert (root / "one.bin").read_bytes() == (root / "two.bin").read_bytes() == _NEW


@over_blobs
async def test_waiting_doubles_to_a_limit_and_begins_anew_after_a_success(bridge: Bridge, root: Path) -> None:
    entry = bridge.folder.files.at["one.bin"]
    waiting = Retries(bridge.folder, bridge.root, lambda _: None)

    def pauses(count: int, *, is_busy: bool) -> list[float]:
        found = []
        for _ in range(count):
            waiting.wait(entry, "a reason", is_busy=is_busy)
            found.append(round(waiting.next_deadline() - trio.current_time(), 2))
        return found

    assert pauses(5, is_busy=True) == [0.25, 0.5, 1.0, 2.0, 2.0]
    clock().jump(3)
    waiting.take_due(trio.current_time())
    waiting.forget_failures([entry])
    assert pauses(4, is_busy=False) == [5.0, 10.0, 20.0, 20.0]


@over_blobs
async def test_what_waited_is_wanted_when_the_root_is_opened_again(bridge: Bridge, root: Path) -> None:
    """Whoever knew when its time comes went with the root."""
    entry = bridge.folder.files.at["one.bin"]
    bridge.folder.render_queue.take(entry)
    Retries(bridge.folder, bridge.root, lambda _: None).wait(entry, "Input/output error")
    bridge.folder.render_queue.want_unless_resting([entry])
    assert entry not in bridge.folder.render_queue
    Retries(bridge.folder, bridge.root, lambda _: None)
    assert entry in bridge.folder.render_queue


@over_blobs
async def test_an_event_hurries_what_is_at_its_path_and_beneath_it(bridge: Bridge, root: Path) -> None:
    folder = bridge.folder
    paths = {"a": EntryID(b"a" * 16), "d/b": EntryID(b"b" * 16), "d/e/c": EntryID(b"c" * 16)}
    folder.catalogue.write([Change(entry, path, Content.directory()) for path, entry in paths.items()])
    for seen, directories, hurried in (
        ({"a"}, set(), {"a"}), ({"d"}, set(), set()), (set(), {"d"}, {"d/b", "d/e/c"}), (set(), {""}, set(paths)),
    ):  # fmt: skip
        waiting = Retries(folder, bridge.root, lambda _: None)
        for entry in paths.values():
            waiting.wait(entry, "a reason")
        waiting.retry_at_paths(seen, directories)
        folder.render_queue.put_off(list(folder.render_queue))
        waiting.take_due(trio.current_time())
        assert {path for path, entry in paths.items() if entry in folder.render_queue} == hurried


def test_the_longest_pauses_are_short_enough_for_a_person() -> None:
    assert retries._LONGEST_S <= 2
    assert retries._LONGEST_BLOCKED_S <= 30


async def _adds_a_line(bridge: Bridge, name: str) -> None:
    """Another device adds a line to a file that holds "one"."""
    replica = replica_like(bridge, name, 77, Writer.TYPED)
    update = replica.edit(hunks("one\n", "one\ntwo\n"))
    assert update is not None
    await bridge.document(name).receive(update, PEER, PeerState(replica.clocks(), is_answer=False))


async def test_a_batch_that_ends_by_an_exception_is_done_one_by_one_and_nothing_of_it_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    names = [f"{number}.txt" for number in range(8)]
    (tmp_path / "dir").mkdir()
    for name in names:
        (tmp_path / "dir" / name).write_text("one\n")
    write, bad = StagedWrites.commit_batch, {"3.txt", "5.txt"}

    async def commit_batch(self: StagedWrites, writes: Sequence[StagedWrite]) -> None:
        if bad.intersection(write.path for write in writes):
            raise RuntimeError("a fault")
        await write(self, writes)

    monkeypatch.setattr(StagedWrites, "commit_batch", commit_batch)
    async with open_bridge(tmp_path) as bridge:
        for name in names:
            await _adds_a_line(bridge, name)
        for _ in range(20):
            with suppress(RuntimeError):
                await bridge.render_actor.run()
        texts = {name: (tmp_path / "dir" / name).read_text() for name in names}
        assert texts == {name: "one\n" if name in bad else "one\ntwo\n" for name in names}
        assert set(bridge.folder.render_queue) == {bridge.folder.files.at[name] for name in bad}
        bad.clear()
        assert await _work(bridge) == 2
        assert {(tmp_path / "dir" / name).read_text() for name in names} == {"one\ntwo\n"}
        assert not any(bridge.folder.render_queue.has_failed(entry) for entry in bridge.folder.files)


async def test_a_fault_with_the_rules_keeps_no_file_from_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    for name in ("a.txt", IGNORE_FILE):
        (tmp_path / "dir" / name).write_text("one\n")
    write = StagedWrites.commit_batch

    async def commit_batch(self: StagedWrites, writes: Sequence[StagedWrite]) -> None:
        if any(write.path == IGNORE_FILE for write in writes):
            raise RuntimeError("a fault")
        await write(self, writes)

    monkeypatch.setattr(StagedWrites, "commit_batch", commit_batch)
    async with open_bridge(tmp_path) as bridge:
        for name in ("a.txt", IGNORE_FILE):
            await _adds_a_line(bridge, name)
        for _ in range(5):
            with suppress(RuntimeError):
                await bridge.render_actor.run()
        assert (tmp_path / "dir" / "a.txt").read_text() == "one\ntwo\n"
        assert set(bridge.folder.render_queue) == {bridge.folder.files.at[IGNORE_FILE]}
