"""What others loosen of the rules on what is ignored frees nothing here until a person here agrees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from bridge import open_folder

from yp2p.config import Files, Trash
from yp2p.disk.actor import Disk
from yp2p.disk.render import staged_writes
from yp2p.documents.diff import hunks
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Deletion, index_of
from yp2p.documents.text import TextReplica, imported
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules, loosened
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.members import Membership
from yp2p.folder.new_texts import document_id_for
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DeviceID, EntryID, FolderID
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

_FOLDER = FolderID(bytes(range(16)))
_PEER = DeviceID(b"p" * 32)


class Room:
    """A folder with its disk actor at work, in which other devices change the rules."""

    def __init__(self, folder: Folder, disk: Disk) -> None:
        self.folder = folder
        self.disk = disk
        self.rules = folder.path / IGNORE_FILE

    async def others_save(self, text: str) -> None:
        record = self.folder.files.by_path(IGNORE_FILE)
        assert record is not None
        live = self.folder.texts.open(record.document)
        peer = TextReplica.from_updates(fresh_client_id(), [live.replica.state()])
        update = peer.edit(hunks(peer.text(), text))
        assert update is not None
        await live.receive(update, _PEER)
        await self.until(lambda: self.rules.read_text() == text)
        await self.settled()

    async def others_remove(self) -> None:
        await self.receive_removal()
        await self.until(lambda: not self.rules.exists())
        await self.settled()

    def forget_record(self) -> None:
        """As of an entry that no member has: its file stays."""
        record = self.folder.files.by_path(IGNORE_FILE)
        assert record is not None
        self.folder.files.drop(record.entry)
        self.folder.database.submit([record.delete(self.folder.id)])
        self.folder.render_queue.wake()

    async def receive_removal(self) -> None:
        record = self.folder.files.by_path(IGNORE_FILE)
        assert record is not None
        live = self.folder.catalogue.documents[index_of(record.entry)]
        peer = ManifestReplica(fresh_client_id())
        peer.load([live.replica.state()])
        deletion = Deletion(record.document, self.folder.texts.open(record.document).state_vector())
        update = peer.write(Change(record.entry, deletion=deletion).registers())
        assert update is not None
        await live.receive(update, _PEER)

    async def until(self, condition: Callable[[], Any]) -> None:
        with trio.fail_after(20):
            while not condition():
                with trio.move_on_after(0.02):
                    await self.folder.state.changed.wait()

    async def settled(self) -> None:
        await self.until(lambda: self.folder.state.settled and not self.disk._changed.is_waiting)

    def has(self, path: str) -> bool:
        """Whether it is an entry, for everybody."""
        return path in self.folder.catalogue.layout().entry_at

    @property
    def waiting(self) -> str:
        return self.folder.files.ignored.waiting


@asynccontextmanager
async def _room(base: Path, *ignored_here: str, after_power_cut: bool = False) -> AsyncIterator[Room]:
    path = base / "dir"
    path.mkdir(exist_ok=True)
    async with open_folder(base, _FOLDER) as folder:
        disk = Disk(folder, Files(ignore=list(ignored_here)), Trash(), after_power_cut=after_power_cut)
        async with trio.open_nursery() as nursery:
            await nursery.start(disk.run)
            room = Room(folder, disk)
            await room.until(lambda: folder.state.is_scanned)
            await room.settled()
            yield room
            nursery.cancel_scope.cancel()


def _with_secret(base: Path, rules: str = ".env\n*.log\n") -> None:
    (base / "dir").mkdir()
    (base / "dir" / IGNORE_FILE).write_text(rules)
    (base / "dir/.env").write_text("secret\n")
    (base / "dir/a.txt").write_text("text\n")


async def test_what_others_loosen_waits_and_is_told_and_a_person_agrees(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        await room.others_save("*.log\n")
        await room.until(lambda: room.waiting)
        assert "'.env'" in room.waiting
        assert not room.has(".env")
        (tmp_path / "dir/b.txt").write_text("more\n")
        await room.until(lambda: room.has("b.txt"))
        assert not room.has(".env")
        assert [notice.kind for notice in room.folder.notices] == [NoticeKind.RULES_LOOSENED]
        assert room.disk.agree()
        await room.until(lambda: room.has(".env"))
        assert room.waiting == ""
        assert not room.disk.agree()


async def test_rules_that_others_remove_are_kept_also_across_a_restart(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        await room.others_remove()
        await room.until(lambda: room.waiting)
        assert not room.has(".env")
    async with _room(tmp_path) as room:
        assert room.waiting
        assert not room.has(".env")
        assert room.disk.agree()
        await room.until(lambda: room.has(".env"))


async def test_rules_that_a_reader_removed_as_all_did_wait_for_a_person_and_can_be_agreed_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file says them any more, and nothing of the disk changes when what others did arrives."""
    _with_secret(tmp_path)
    async with _room(tmp_path):
        pass
    monkeypatch.setattr(Membership, "is_reader", True)
    (tmp_path / "dir" / IGNORE_FILE).unlink()
    async with open_folder(tmp_path, _FOLDER) as folder:
        await Room(folder, Disk(folder, Files(), Trash())).receive_removal()
    async with _room(tmp_path) as room:
        await room.until(lambda: room.waiting)
        assert room.disk.agree()
        await room.until(lambda: not room.folder.files.ignored.rules.ignores(".env"))


async def test_what_waits_still_does_when_the_record_of_the_file_goes_and_the_file_stays(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        await room.others_save("*.log\n")
        await room.until(lambda: room.waiting)
        async with room.folder.files.writing:
            await room.receive_removal()
            room.forget_record()
        await room.until(lambda: room.folder.files.by_path(IGNORE_FILE))
        await room.settled()
        assert room.waiting
        assert not room.has(".env")


async def test_what_others_loosened_waits_when_the_record_goes_before_anybody_looked(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:

        async def forget_when_rendered() -> None:
            while True:
                async with room.folder.files.writing:  # the next one after the round that renders it
                    if room.rules.read_text() == "*.log\n":
                        assert not room.waiting
                        room.forget_record()
                        return

        async with trio.open_nursery() as nursery:
            nursery.start_soon(forget_when_rendered)
            await room.others_save("*.log\n")
        await room.until(lambda: room.waiting)
        await room.settled()
        assert room.waiting
        assert not room.has(".env")


async def test_what_others_loosened_waits_after_a_restart_without_a_record(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        await room.others_save("*.log\n")
        await room.until(lambda: room.waiting)
    async with open_folder(tmp_path, _FOLDER) as folder:
        record = folder.files.by_path(IGNORE_FILE)
        assert record is not None
        await folder.database.submit([record.delete(folder.id)]).wait()
    async with _room(tmp_path) as room:
        assert room.waiting
        assert not room.has(".env")


async def test_a_save_while_nothing_runs_does_not_agree_to_what_others_loosened_before(tmp_path: Path) -> None:
    _with_secret(tmp_path, ".env\n*.log\n*.bak\n")
    async with _room(tmp_path) as room:
        await room.others_save("*.log\n*.bak\n")
        await room.until(lambda: room.waiting)
    (tmp_path / "dir" / IGNORE_FILE).write_text("*.log\n*.tmp\n")
    async with _room(tmp_path) as room:
        assert "'.env'" in room.waiting
        assert "'*.bak'" not in room.waiting
        assert not room.has(".env")
        assert room.folder.files.ignored.rules.ignores("x.tmp")
        assert not room.folder.files.ignored.rules.ignores("x.bak")


async def test_a_person_may_loosen_the_rules_while_nothing_runs(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        assert not room.has(".env")
    (tmp_path / "dir" / IGNORE_FILE).write_text("*.log\n")
    async with _room(tmp_path) as room:
        assert room.has(".env")
        assert (room.waiting, list(room.folder.notices)) == ("", [])


async def test_what_a_power_cut_takes_away_agrees_to_nothing(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        await room.others_save("*.log\n")
        await room.until(lambda: room.waiting)
    rules = tmp_path / "dir" / IGNORE_FILE
    rules.unlink()
    async with _room(tmp_path, after_power_cut=True) as room:
        await room.until(rules.exists)
        await room.settled()
        assert room.waiting
        assert not room.has(".env")


async def test_a_new_file_of_rules_does_not_agree_to_what_others_removed_before(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        await room.others_remove()
        await room.until(lambda: room.waiting)
        room.rules.write_text("*.tmp\n*.log\n")
        await room.until(lambda: room.folder.files.by_path(IGNORE_FILE))
        await room.settled()
        assert "'.env'" in room.waiting
        assert not room.has(".env")


async def test_rules_that_never_came_to_this_disk_are_kept_as_well_until_people_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _room(tmp_path) as room:
        folder = room.folder
        monkeypatch.setattr(staged_writes, "low_room", lambda *_: "No space left on device")
        entry, peer = EntryID(b"r" * 16), ManifestReplica(fresh_client_id())
        document = document_id_for(entry)
        made = peer.write(Change(entry, IGNORE_FILE, Content.text(document, Mode.PLAIN)).registers())
        assert made is not None
        await folder.catalogue.documents[index_of(entry)].receive(made, _PEER)
        folder.edits.take_pulled(document, check(imported(".env\n"), Shape.TEXT), _PEER)
        await room.until(lambda: folder.files.ignored.rules.ignores(".env"))
        (folder.path / ".env").write_text("secret\n")
        (folder.path / "other").write_text("other\n")
        await room.until(lambda: room.has("other"))
        assert not room.rules.exists()
        assert not room.has(".env")
        deletion = Deletion(document, folder.texts.open(document).state_vector())
        gone = peer.write(Change(entry, deletion=deletion).registers())
        assert gone is not None
        await folder.catalogue.documents[index_of(entry)].receive(gone, _PEER)
        await room.until(lambda: room.waiting)
        (folder.path / "more").write_text("more\n")
        await room.until(lambda: room.has("more"))
        assert not room.has(".env")
        assert room.disk.agree()
        await room.until(lambda: room.has(".env"))


async def test_what_a_person_here_changes_takes_effect_at_once(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        room.rules.write_text("*.log\n")
        await room.until(lambda: room.has(".env"))
        assert room.waiting == ""
        room.rules.write_text("*.log\na.*\n")
        await room.until(lambda: room.folder.files.ignored.rules.ignores("a.txt"))
        room.rules.unlink()
        await room.until(lambda: not room.folder.files.ignored.rules.ignores("a.txt"))
        assert (room.waiting, list(room.folder.notices)) == ("", [])


async def test_a_save_here_does_not_agree_to_what_others_loosened_before(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        await room.others_save("*.log\n")
        await room.until(lambda: room.waiting)
        with room.rules.open("a") as rules:
            rules.write("*.tmp\n")
        await room.until(lambda: room.folder.files.ignored.rules.ignores("x.tmp"))
        await room.settled()
        assert room.waiting
        assert not room.has(".env")


async def test_others_may_have_more_ignored(tmp_path: Path) -> None:
    _with_secret(tmp_path)
    async with _room(tmp_path) as room:
        await room.others_save(".env\n*.log\n*.tmp\n")
        await room.until(lambda: room.folder.files.ignored.rules.ignores("x.tmp"))
        assert room.waiting == ""
        await room.others_save(".env\n*.log\n")
        await room.until(lambda: room.waiting)
        assert room.folder.files.ignored.rules.ignores("x.tmp"), "what was agreed to by itself is no less a rule"


async def test_rules_of_the_settings_cannot_be_lifted(tmp_path: Path) -> None:
    _with_secret(tmp_path, "!.env\n!*~\n")
    (tmp_path / "dir/a.txt~").write_text("backup\n")
    async with _room(tmp_path, ".env") as room:
        assert room.has("a.txt")
        assert not room.has(".env")
        assert not room.has("a.txt~")


@pytest.mark.parametrize(
    ("local", "synced", "agreed", "path", "is_ignored"),
    [
        ([".env"], "!.env\n", "", ".env", True),
        ([], "!x~\n!4913\n", "", "x~", True),
        ([], "!x~\n", "", "d/4913", True),
        (["secret/"], "!secret/\n!secret/**\n", "", "secret/a", True),
        (["*.log", "!keep.log"], "", "", "keep.log", False),
        (["*.log", "!keep.log"], "keep.log\n", "", "keep.log", True),
        ([], "*\n!a\n", "", "a", False),
        ([], "!a\n", "a\n", "a", True),
        ([], "", "a/\n", "a/b", True),
    ],
)
def test_no_rules_lift_what_others_ignore(
    local: list[str], synced: str, agreed: str, path: str, is_ignored: bool
) -> None:  # fmt: skip
    assert IgnoreRules(local, synced, agreed).ignores(path) is is_ignored


@pytest.mark.parametrize(
    ("agreed", "text", "missing"),
    [
        ("", "a\n!b\n", []),
        ("a\n", "a\nb\n", []),
        ("a\nb\n", "x\na\ny\nb\n", []),
        ("a\n# note\n\n", "# another\na  \n", []),
        ("a\n!b\n", "a\n", []),
        ("a\nb\n", "a\n", ["b"]),
        ("a\n", "", ["a"]),
        ("a\n", "a\n!b\n", ["!b"]),
        ("a\n", "a\n!a\n", ["!a"]),
        ("a\n!b\nc\n", "a\n!b\nc\n!b\n", ["!b"]),
        ("a\nb\n", "b\na\n", ["b"]),
    ],
)
def test_what_leaves_out_less_is_known_by_its_lines(agreed: str, text: str, missing: list[str]) -> None:
    assert loosened(agreed, text) == missing
