"""Who made what stands beside another file is written as soon as it does, whenever that is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from yp2p.disk.render import conflict_names
from yp2p.disk.render.conflict_names import ConflictNames
from yp2p.identity import EntryID

FIRST, SECOND = (EntryID(bytes([number]) * 16) for number in (1, 2))


async def test_what_comes_to_stand_beside_another_while_names_are_written_gets_its_name_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beside, named = [frozenset({FIRST})], list[EntryID]()

    class Commit:
        async def wait(self) -> None:
            await trio.lowlevel.checkpoint()
            beside.append(frozenset({FIRST, SECOND}))

    def write(changes: list[Any]) -> Commit:
        named.extend(change.entry for change in changes)
        return Commit()

    async def made_here(folder: object, entries: list[EntryID]) -> dict[EntryID, float]:
        return dict.fromkeys(entries, 0.0)

    monkeypatch.setattr(conflict_names, "made_here", made_here)
    monkeypatch.setattr(conflict_names, "own_origin", lambda folder, at: "desk-2026-11-29")
    entries = {entry: SimpleNamespace(origin=None) for entry in (FIRST, SECOND)}
    folder: Any = SimpleNamespace(
        catalogue=SimpleNamespace(
            entries=entries, write=write, layout=lambda: SimpleNamespace(conflicts=beside[min(len(beside), 2) - 1])
        )
    )
    names = ConflictNames(folder)
    await names.write()
    assert named == [FIRST, SECOND]
    await names.write()
    assert named == [FIRST, SECOND], "it is written once"
