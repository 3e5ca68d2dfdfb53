"""The log of a directory: the newest changes, as many as are asked for, are those of the whole log."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import open_bridge

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Entry
from yp2p.history import file_log
from yp2p.history.entry_changes import ChangeKind, all_changes, newest_changes


def test_a_part_of_the_log_is_the_newest_part_of_all_of_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with open_bridge(tmp_path) as bridge:
            root, folder = tmp_path / "dir", bridge.folder
            for number in range(12):
                (root / f"{number}.bin").write_bytes(bytes([0, number]))
                (root / f"{number}.txt").write_text(f"text {number}\n")
                await bridge.look()
            for number in (3, 7):
                (root / f"{number}.bin").unlink()
                (root / f"{number}.txt").unlink()
                await bridge.look()
            whole = (await file_log.log(folder, "", 1000))["changes"]
            assert len(whole) >= 24 + 4
            for limit in (1, 2, 5, 11, len(whole) - 1, len(whole)):
                found = await file_log.log(folder, "", limit)
                seen = [(one["path"], one["change"]) for one in found["changes"]]
                assert seen == [(one["path"], one["change"]) for one in whole[:limit]]
                assert found["more"] == (limit < len(whole))
            every = [one for one in await all_changes(folder, lambda entry: True) if one.kind is ChangeKind.DELETED]
            rows = file_log._last_rows(folder)
            part = await newest_changes(
                folder, rows, lambda entry: True, lambda kind, entry: kind is ChangeKind.DELETED, 1, 0
            )
            assert len(every) == 4
            assert part == every[-len(part) :]
            assert part

    (tmp_path / "dir").mkdir()
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.01))


def test_of_a_folder_in_which_little_happened_lately_little_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for by a page that somebody looks at, also of folders of 10,000 files."""
    read: list[int] = []
    read_changed = Manifest.read

    def counted(replica: ManifestReplica, index: int) -> list[Entry]:
        read.append(index)
        return read_changed(replica, index)

    async def test() -> None:
        async with open_bridge(tmp_path) as bridge:
            root, folder = tmp_path / "dir", bridge.folder
            for number in range(200):
                (root / f"{number}.txt").write_text(f"text {number}\n")
            await bridge.look()
            for number in range(20):
                (root / f"{number}.txt").write_text(f"text {number} again\n")
                await bridge.look()
            (root / "199.txt").unlink()
            await bridge.look()
            monkeypatch.setattr(Manifest, "read", counted)
            found = await file_log.log(folder, "", 10)
            assert [one["change"] for one in found["changes"]] == ["deleted", *["changed"] * 9]
            assert found["more"]
            assert len(set(read)) == 1, "that of the file that was deleted"

    (tmp_path / "dir").mkdir()
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.01))
