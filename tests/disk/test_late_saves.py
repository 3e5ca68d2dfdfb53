"""A program that opened a file before it was replaced saves into the one that is no longer there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from bridge import PEER, open_bridge, replica_like, run_with_directory

from yp2p.disk.render.displaced_files import DisplacedFile
from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.files import replace
from yp2p.files.inspect import Finding, Stamp

OLD, REMOTE, SAVED = "one\ntwo\n", "one\ntwo\nfrom elsewhere\n", "saved here\none\ntwo\n"


def test_what_is_saved_into_a_replaced_file_is_merged_as_soon_as_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    @contextmanager
    def opened_meanwhile(descriptor: int) -> Iterator[None]:
        """Opening breaks the lease and waits until it is given up; by then the file has been replaced."""
        opened.append(os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY))
        yield

    async def test(base: Path) -> None:
        path = base / "dir" / "a.txt"
        path.write_text(OLD)
        async with open_bridge(base) as bridge:
            peer = replica_like(bridge, "a.txt", 77)
            update = peer.edit(hunks(OLD, REMOTE))
            assert update is not None
            await bridge.document("a.txt").receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
            monkeypatch.setattr(replace, "read_lease", opened_meanwhile)
            await bridge.render()
            monkeypatch.undo()
            assert path.read_text() == REMOTE
            (late,) = opened
            os.ftruncate(late, 0)
            os.write(late, SAVED.encode())
            os.close(late)
            await bridge.render()
            await bridge.render()
            assert path.read_text() == "saved here\none\ntwo\nfrom elsewhere\n"

    run_with_directory(test)


def test_files_that_are_closed_while_all_are_looked_at_are_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their time is up then, which makes other objects of them."""

    async def test(base: Path) -> None:
        path = base / "dir" / "a.txt"
        path.write_text(OLD)
        async with open_bridge(base) as bridge:
            displaced, names = bridge.render_actor.displaced, [f".yp2p/tmp/out-{number}" for number in range(3)]
            record = bridge.folder.files.by_path("a.txt")
            assert record is not None
            for name in names:
                (base / "dir" / name).write_text(OLD)
                displaced.add(name, Stamp.of(os.lstat(base / "dir" / name)), record)
            (base / "dir" / names[2]).write_text(SAVED)
            real, looked_at = displaced._merge_displaced, list[str]()

            async def merge(out: DisplacedFile) -> None:
                looked_at.append(out.name)
                displaced.written(set(names))
                await real(out)

            monkeypatch.setattr(displaced, "_merge_displaced", merge)
            assert await displaced.end({record.entry}) == []
            assert sorted(looked_at) == names
            await bridge.render()
            assert path.read_text() == SAVED

    run_with_directory(test)


def test_what_was_closed_before_it_was_known_to_be_replaced_is_merged_at_once() -> None:
    """The kernel tells of it while the thread that exchanged the files is on its way back."""

    async def test(base: Path) -> None:
        path, name = base / "dir" / "a.txt", ".yp2p/tmp/out"
        path.write_text(OLD)
        async with open_bridge(base) as bridge:
            displaced, record = bridge.render_actor.displaced, bridge.folder.files.by_path("a.txt")
            assert record is not None
            (base / "dir" / name).write_text(OLD)
            stamp = Stamp.of(os.lstat(base / "dir" / name))
            (base / "dir" / name).write_text(SAVED)
            displaced.written({name})
            displaced.add(name, stamp, record)
            await displaced.inspect()
            await bridge.render()
            assert path.read_text() == SAVED

    run_with_directory(test)


def test_what_is_closed_while_it_is_looked_at_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not after a minute: it was busy when the thread looked, and is not by the time it has come back."""

    async def test(base: Path) -> None:
        path, name = base / "dir" / "a.txt", ".yp2p/tmp/out"
        path.write_text(OLD)
        async with open_bridge(base) as bridge:
            displaced, record = bridge.render_actor.displaced, bridge.folder.files.by_path("a.txt")
            assert record is not None
            out = base / "dir" / name
            out.write_text(OLD)
            displaced.add(name, Stamp.of(os.lstat(out)), record)
            opened = [os.open(out, os.O_WRONLY)]
            os.write(opened[0], SAVED.encode())
            real = replace.read_displaced

            def read(*arguments: Any) -> Finding | None:
                found = real(*arguments)
                if opened:
                    os.close(opened.pop())
                    trio.from_thread.run_sync(displaced.written, {name})
                return found

            monkeypatch.setattr(replace, "read_displaced", read)
            displaced.written({name})
            await displaced.inspect()
            await bridge.render()
            assert not opened
            assert path.read_text() == SAVED

    run_with_directory(test)
