"""Notices, bringing back, older versions and damage, on one folder without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from bridge import PEER, Bridge, open_bridge, over_directory, replica_like, run_with_directory

from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import imported
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import log_row
from yp2p.history.trash import bring_back_removed
from yp2p.identity import DocumentID

NAME = "a.txt"


async def _remote(bridge: Bridge, before: str, after: str) -> None:
    peer = replica_like(bridge, NAME, 77)
    assert peer.text() == before
    update = peer.edit(hunks(before, after))
    assert update is not None
    await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))


def _kinds(bridge: Bridge) -> list[NoticeKind]:
    return [notice.kind for notice in bridge.folder.notices]


@over_directory
async def test_removing_what_another_device_wrote_a_moment_ago_is_told_and_can_be_undone(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text("one\ntwo\n")
    async with open_bridge(base) as bridge:
        await _remote(bridge, "one\ntwo\n", "one\nfrom elsewhere é\ntwo\n")
        await bridge.render()
        path.write_text(path.read_text().replace("from elsewhere é\n", "") + "three\n")
        await bridge.look()
        assert _kinds(bridge) == [NoticeKind.REMOVED_OTHERS_TEXT]
        assert bridge.document(NAME).text.text() == "one\ntwo\nthree\n"
    async with open_bridge(base) as bridge:  # it is still known after a restart
        (notice,) = list(bridge.folder.notices)
        path.write_text("zero\none\ntwo\nthree\n")
        await bridge.look()
        assert await bring_back_removed([bridge.folder], notice.id) == {"path": NAME}
        await bridge.render()
        assert path.read_text() == "zero\none\nfrom elsewhere é\ntwo\nthree\n"
        assert [left.undo for left in bridge.folder.notices] == [None]


@pytest.mark.parametrize("after_power_cut", [False, True])
@over_directory
async def test_a_former_version_found_at_a_start_is_an_edit_unless_the_power_was_cut(
    base: Path, after_power_cut: bool
) -> None:
    path = base / "dir" / NAME
    path.write_text("one\n")
    async with open_bridge(base) as bridge:
        for text in ("one\ntwo\n", "one\ntwo\nthree\n"):
            path.write_text(text)
            await bridge.look()
    path.write_text("one\ntwo\n")  # somebody put it back; or that is what the disk came back with
    async with open_bridge(base, after_power_cut=after_power_cut) as bridge:
        await bridge.render()
        assert path.read_text() == ("one\ntwo\nthree\n" if after_power_cut else "one\ntwo\n")
        assert bridge.document(NAME).text.text() == path.read_text()
        assert _kinds(bridge) == [NoticeKind.OLDER_VERSION] * after_power_cut


@over_directory
async def test_a_version_that_a_rolled_back_store_learns_of_again_is_no_edit(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text("one\n")
    async with open_bridge(base) as bridge:
        await _remote(bridge, "one\n", "one\ntwo\n")
        await _remote(bridge, "one\ntwo\n", "one\n2\nthree\n")
    path.write_text("one\ntwo\n")  # as it was rendered before the store went back to before that
    async with open_bridge(base) as bridge:
        await bridge.render()
        assert path.read_text() == "one\n2\nthree\n"
        assert _kinds(bridge) == []


@over_directory
async def test_damage_after_a_power_cut(base: Path) -> None:
    directory = base / "dir"
    texts = {"empty": "some text\n", "nul": "other text\n", "gone": "third text\n", "fine": "fourth\n"}
    for name, text in texts.items():
        (directory / name).write_text(text)
    (directory / "was-empty").write_text("")
    async with open_bridge(base):
        pass
    (directory / "empty").write_text("")
    (directory / "nul").write_bytes(bytes(11))
    (directory / "gone").unlink()
    (directory / "fine").write_text("fourth and more\n")
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        found = {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}
        assert found == {**texts, "fine": "fourth and more\n", "was-empty": ""}
        assert _kinds(bridge) == [NoticeKind.DAMAGED] * 3
    kept = {path.name: path.read_bytes() for path in (directory / ".yp2p/trash").rglob("*") if path.is_file()}
    assert kept == {"empty": b"", "nul": bytes(11)}


@over_directory
async def test_without_a_power_cut_an_empty_file_is_an_edit(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text("one\n")
    async with open_bridge(base):
        pass
    path.write_text("")
    async with open_bridge(base) as bridge:
        assert bridge.document(NAME).text.text() == ""
        assert _kinds(bridge) == []


@over_directory
async def test_after_a_power_cut_a_save_can_be_of_what_was_saved_before_others_changes_were_put_in_place(
    base: Path,
) -> None:
    path = base / "dir" / NAME
    path.write_text("one\ntwo\n")
    async with open_bridge(base, clean_end=False) as bridge:
        await _remote(bridge, "one\ntwo\n", "one\nfar\ntwo\n")
        path.write_text("one\ntwo\nsaved here\n")
        await bridge.look()  # no version of the document's log holds this text
        await bridge.render()
        assert bridge.document(NAME).text.text() == "one\nfar\ntwo\nsaved here\n"
    path.write_text("one\ntwo\nsaved here\nand this, by who had not read\n")
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        assert path.read_text() == "one\nfar\ntwo\nsaved here\nand this, by who had not read\n"
        assert _kinds(bridge) == []


_LINES = "begin\nline <a> end\nfinish\n"


@pytest.mark.parametrize("is_read", [False, True])
@over_directory
async def test_after_a_power_cut_a_line_takes_the_place_of_no_other_that_its_writer_may_not_have_seen(
    base: Path, is_read: bool
) -> None:
    """What is nearest is a change of the line that had just come: by three characters, not by a whole line."""
    path = base / "dir" / NAME
    path.write_text(_LINES)
    async with open_bridge(base, clean_end=False) as bridge:
        path.write_text(_LINES.replace("begin", "begin here"))
        await bridge.look()
        mine = path.read_text()
        await _remote(bridge, mine, mine.replace("finish", "line <b> end\nfinish"))
        await bridge.render()
        if is_read:
            path.read_text()
            await bridge.look()
    path.write_text(mine.replace("finish", "line <c> end\nfinish"))
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        lines = path.read_text().splitlines()
        assert sorted(lines) == sorted(["begin here", "line <a> end", "line <b> end", "line <c> end", "finish"])
        assert _kinds(bridge) == [NoticeKind.BOTH_CHANGED]


def test_a_row_that_nobody_submitted_yet_is_not_forgotten() -> None:
    """Else whoever opens its document meanwhile finds it empty, and a save of the file would write it all again."""
    run_with_directory(_keep_a_row)


async def _keep_a_row(base: Path) -> None:
    async with open_bridge(base) as bridge:
        folder, document = bridge.folder, DocumentID(b"d" * 16)
        seq, update = folder.database.next_seq(), imported("text\n")
        folder.texts.submitted(document, seq, update)
        await folder.database.pending().wait()
        folder.close_idle_documents()
        assert folder.texts.rows(document) == [(seq, update)]
        await folder.database.submit([log_row(folder.id, document, seq, None, update)]).wait()
        folder.close_idle_documents()
        assert document not in folder.texts._unstored
        assert folder.texts.rows(document) == [(seq, update)]
