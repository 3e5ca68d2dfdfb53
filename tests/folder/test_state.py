"""When a folder is settled, and which of its entries may wait."""

from __future__ import annotations

from pathlib import Path

import trio.testing
from bridge import open_bridge

from yp2p.documents.registers import Change, Deletion
from yp2p.folder.state import Activity
from yp2p.identity import EntryID
from yp2p.protocol.entries import Content, Mode

_ENTRY = EntryID(bytes(range(16)))


async def test_a_folder_that_is_paused_is_not_settled(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        state = bridge.folder.state
        state.settled = True
        state.problem = "its marker is missing"
        assert not state.settled
        state.problem = ""
        assert state.settled
        state.pause_for_confirmation("many files were deleted")
        assert not state.settled
        state.pause_for_confirmation("")
        assert not state.settled, "what waited for the decision is to be done first"
        state.settled = True
        assert state.activity is Activity.IDLE


async def test_what_waits_goes_with_its_entry(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """A file that could not be written, of an entry that another device deletes then."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "here.txt").write_text("here\n")
    async with open_bridge(tmp_path) as bridge:
        folder, waiting = bridge.folder, bridge.folder.files.waiting.entries
        folder.catalogue.write([Change(_ENTRY, "never.bin", Content.blob(bytes(32), 7, Mode.PLAIN, 1))])
        folder.note_waiting(_ENTRY, "no space left on device")
        assert list(waiting) == [_ENTRY]
        folder.catalogue.write([Change(_ENTRY, deletion=Deletion(folder.catalogue.entries[_ENTRY].document, b"\x00"))])
        assert not waiting
        folder.note_waiting(_ENTRY, "what was on its way then")
        assert not waiting, "nor does it come back"
        here = folder.files.by_path("here.txt")
        assert here is not None
        folder.note_waiting(here.entry, "a file that cannot be removed")
        seen = Deletion(here.document, bridge.document("here.txt").replica.state_vector())
        folder.catalogue.write([Change(here.entry, deletion=seen)])
        assert list(waiting) == [here.entry], "as long as its file is there"
        folder.files.drop(here.entry)
        assert not waiting


async def test_what_is_ignored_from_now_on_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        folder = bridge.folder
        folder.catalogue.write([Change(_ENTRY, "never.bin", Content.blob(bytes(32), 7, Mode.PLAIN, 1))])
        folder.note_waiting(_ENTRY, "no space left on device")
        folder.note_ignored(_ENTRY, True)
        assert not folder.files.waiting.entries


async def test_what_waited_to_be_rendered_and_is_as_it_should_be_waits_no_more(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    """The change that could not be written was taken back elsewhere."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a\n")
    async with open_bridge(tmp_path) as bridge:
        folder = bridge.folder
        record = folder.files.by_path("a.txt")
        assert record is not None
        bridge.render_actor.retries.wait(record.entry, "permission denied")
        assert list(folder.files.waiting.entries) == [record.entry]
        folder.render_queue.want(record.entry)
        await bridge.render()
        assert not folder.files.waiting.entries
