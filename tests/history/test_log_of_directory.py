"""The log of a directory: the newest changes, as many as are asked for, are those of the whole log."""

from __future__ import annotations

from pathlib import Path

import trio
import trio.testing
from bridge import open_bridge

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
            part = await newest_changes(folder, lambda entry: True, lambda kind, entry: kind is ChangeKind.DELETED, 1)
            assert len(every) == 4
            assert part == every[-len(part) :]
            assert part

    (tmp_path / "dir").mkdir()
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.01))
