"""An editor that shows a text live, and saves it as well."""

from __future__ import annotations

import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from bridge import PEER, Bridge, clock, open_bridge, over_directory, replica_like, settle

from yp2p.disk.ingest import known_files
from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.files.inspect import Finding, Found
from yp2p.folder import old_versions
from yp2p.folder.live_document import SAVED_S
from yp2p.folder.notices import NoticeKind
from yp2p.folder.old_versions import version_found
from yp2p.folder.records import FileRecord
from yp2p.protocol.clients import Writer
from yp2p.protocol.ysync import Shape, check
from yp2p.store.writer import Commit
from yp2p.store.writer import Writer as StoreWriter

NAME = "a.txt"
TEXT = "one\ntwo\nthree\n"
TYPED = TEXT.replace("two\n", "two\ntyped here\n")
BOTH = TYPED.replace("three\n", "three\nof another device\n")


async def _comes(bridge: Bridge, text: str, client: int) -> None:
    """Somebody makes a text of what the document says; nothing of it is on the disk yet."""
    peer = replica_like(bridge, NAME, client)
    update = peer.edit(hunks(peer.text(), text))
    assert update is not None
    await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))


def _comes_unstored(bridge: Bridge, text: str, client: int) -> None:
    peer = replica_like(bridge, NAME, client)
    update = peer.edit(hunks(peer.text(), text))
    assert update is not None
    assert bridge.document(NAME).receive_nowait([update], PEER)


@asynccontextmanager
async def _open(base: Path, *, is_live: bool) -> AsyncIterator[tuple[Bridge, Path]]:
    """A folder with one text, which an editor shows live or not."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        unsubscribe = bridge.document(NAME).subscribe(lambda *told: None, early=True) if is_live else None
        yield bridge, path
        if unsubscribe is not None:
            unsubscribe()


def _slow_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Nothing is stored until somebody waits for it; gives what begins that anew."""
    gate = threading.Event()
    gate.set()
    commit, wait = StoreWriter._commit, Commit.wait

    def commits(self: StoreWriter, batch: list[Commit]) -> None:
        assert gate.wait(20)
        commit(self, batch)

    async def waits(self: Commit) -> None:
        gate.set()
        await wait(self)

    monkeypatch.setattr(StoreWriter, "_commit", commits)
    monkeypatch.setattr(Commit, "wait", waits)
    return gate.clear


@over_directory
async def test_a_save_of_what_is_live_is_no_second_change(base: Path) -> None:
    async with _open(base, is_live=True) as (bridge, path):
        await _comes(bridge, TYPED, 1 << 32 | 5)
        await _comes(bridge, BOTH, 1 << 32 | 6)
        path.write_text(TYPED)  # it has not heard of the other device yet
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == BOTH
        assert not list(bridge.folder.notices)
        path.write_text(BOTH + "saved\n")
        await bridge.render()
        assert path.read_text() == BOTH + "saved\n"


@over_directory
async def test_a_save_of_what_was_live_until_its_editor_was_closed_is_no_change(base: Path) -> None:
    """As `:wq`: the editor has gone when the file is read, and the text has gone on."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    half = TYPED.replace("here", "he")
    async with open_bridge(base) as bridge:
        unsubscribe = bridge.document(NAME).subscribe(lambda *told: None, early=True)
        await _comes(bridge, half, 5)
        await _comes(bridge, TYPED, 5)
        unsubscribe()
        await _comes(bridge, BOTH, 6)
        path.write_text(half)  # one that its editor showed
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == BOTH
        assert not list(bridge.folder.notices)
        for text in (BOTH + "one\n", BOTH + "one more\n"):
            await _comes(bridge, text, 6)
        path.write_text(BOTH + "one\n")  # one that no editor showed
        written = bridge.document(NAME).text.clocks()
        await bridge.render()
        assert bridge.document(NAME).text.clocks() != written, "it is no edit"


@over_directory
async def test_what_an_editor_showed_is_known_until_its_save_is_read(base: Path) -> None:
    """Also while the disk is busy and a second makes a text idle; but for a save that never comes, not for ever."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    half = TYPED.replace("here", "he")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yp2p.folder.texts.MAX_OPEN_DOCUMENTS", 0)
        async with open_bridge(base) as bridge:
            folder, document = bridge.folder, bridge.document(NAME).id

            async def is_let_go_of(after_s: float) -> bool:
                await folder.database.pending().wait()
                clock().jump(after_s)
                folder.close_idle_documents()
                return folder.texts.in_memory(document) is None

            async def is_shown(*texts: str) -> None:
                unsubscribe = bridge.document(NAME).subscribe(lambda *told: None, early=True)
                for text in texts:
                    await _comes(bridge, text, 5)
                unsubscribe()

            await is_shown(half, TYPED)
            await _comes(bridge, BOTH, 6)
            path.write_text(half)  # one that its editor showed
            bridge.document(NAME).subscribe(lambda *told: None)()  # a peer that goes says nothing of programs
            assert not await is_let_go_of(100)
            await bridge.render()
            assert bridge.document(NAME).text.text() == path.read_text() == BOTH
            assert not list(folder.notices)
            assert await is_let_go_of(2), "the file has what was shown"
            await is_shown(BOTH + "more\n")
            assert not await is_let_go_of(SAVED_S - 1)
            bridge.document(NAME).subscribe(lambda *told: None)()
            assert await is_let_go_of(2), "no save has come for long"


@over_directory
async def test_random_saves_of_what_is_live_are_no_changes(base: Path) -> None:
    rng = random.Random(1)
    async with _open(base, is_live=True) as (bridge, path):
        for round_ in range(20):
            wanted, versions = bridge.document(NAME).text.text(), []
            for number in range(8):
                lines = wanted.splitlines(keepends=True)
                lines.insert(rng.randint(0, len(lines)), f"<{round_}.{number}> 😀\n")
                if rng.random() < 0.3:
                    del lines[rng.randrange(len(lines))]
                wanted = "".join(lines)
                await _comes(bridge, wanted, 1 << 32 | (5 + number % 2))
                versions.append(wanted)
            path.write_text(rng.choice(versions))
            await bridge.render()
            assert bridge.document(NAME).text.text() == wanted
            assert not list(bridge.folder.notices)


@over_directory
@pytest.mark.parametrize("is_live", [False, True])
async def test_what_the_file_held_before_is_put_back_also_while_it_is_live(base: Path, is_live: bool) -> None:
    async with _open(base, is_live=is_live) as (bridge, path):
        await _comes(bridge, TYPED, 1 << 32 | 5)
        await bridge.render()
        await _comes(bridge, BOTH, 1 << 32 | 6)
        clock().jump(5)  # what is typed is written less often
        await bridge.render()
        assert path.read_text() == BOTH
        path.write_text(TYPED)  # as `cp` of a former version
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == TYPED


@over_directory
async def test_a_save_of_what_is_live_and_not_stored_yet_is_no_change(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _open(base, is_live=True) as (bridge, path):
        await bridge.folder.database.pending().wait()
        hold = _slow_disk(monkeypatch)
        for number in range(5):
            before = bridge.document(NAME).text.text()
            saved = before.replace("two\n", f"two\ntyped {number}\n")
            both = saved.replace("three\n", f"three\nof another device {number}\n")
            hold()
            _comes_unstored(bridge, saved, 1 << 32 | 5)
            _comes_unstored(bridge, both, 1 << 32 | 6)
            written = bridge.document(NAME).text.clocks()
            path.write_text(saved)
            await bridge.render()
            assert bridge.document(NAME).text.text() == both
            assert bridge.document(NAME).text.clocks() == written
            clock().jump(5)  # what is typed is written less often
            await bridge.render()
            assert path.read_text() == both
            assert not list(bridge.folder.notices)


@over_directory
async def test_a_save_of_a_version_that_is_not_stored_yet_is_no_save_of_an_older_one(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _open(base, is_live=False) as (bridge, path):
        (path.parent / f".{NAME}.swp").touch()
        await _comes(bridge, TYPED, 1 << 32 | 5)
        clock().jump(5)
        await bridge.render()
        assert path.read_text() == TYPED
        await bridge.folder.database.pending().wait()
        _slow_disk(monkeypatch)()
        without = TEXT.replace("one\n", "one\nof another device\n")
        _comes_unstored(bridge, without, 1 << 32 | 6)
        _comes_unstored(bridge, without + "more\n", 1 << 32 | 6)
        path.write_text(without)
        await bridge.look()
        assert NoticeKind.OLDER_SAVE_MERGED not in [one.kind for one in bridge.folder.notices]


@over_directory
async def test_of_what_is_live_only_versions_behind_the_base_are_compared(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _open(base, is_live=False) as (bridge, _):
        for number in range(40):
            await _comes(bridge, f"{TEXT}{number:02}\n", 1 << 32 | 5)
        clock().jump(5)
        await bridge.render()
        record = bridge.folder.files.by_path(NAME)
        assert record is not None
        assert record.base_seq == bridge.document(NAME).last_seq
        for number in range(3):
            await _comes(bridge, f"{TEXT}{40 + number:02}\n", 1 << 32 | 5)
        compared: list[str] = []
        content = TextReplica.content

        def counted(self: TextReplica) -> bytes:
            compared.append(self.text())
            return content(self)

        monkeypatch.setattr(TextReplica, "content", counted)
        text = f"{TEXT}41\n"
        size = len(text)
        finding = Finding(NAME, Found.TEXT, replace(record.stamp, size=size), text, sha256(text.encode()).digest())
        found = await version_found(bridge.folder, record, finding, may_be_older=False)
        assert found is not None
        assert found.base_seq > record.base_seq
        assert compared == [f"{TEXT}{40 + number:02}\n" for number in range(3)]
        compared.clear()
        assert await version_found(bridge.folder, record, finding, may_be_older=True) == found
        assert len(compared) == 43


@over_directory
@pytest.mark.parametrize("is_read", [False, True])
async def test_what_was_typed_here_since_git_read_the_file_is_told_where_it_goes(base: Path, is_read: bool) -> None:
    async with _open(base, is_live=False) as (bridge, path):
        path.read_text()
        await bridge.take_events()
        update = replica_like(bridge, NAME, 4711, Writer.TYPED).edit(hunks(TEXT, TYPED))
        assert update is not None
        live = bridge.document(NAME)
        bridge.folder.edits.accept_from_program(live, check(update, Shape.TEXT), object(), 10.0, 4711)
        clock().jump(5)
        await bridge.render()
        assert path.read_bytes() == TYPED.encode() if is_read else path.stat().st_size == len(TYPED)
        await bridge.take_events()
        (base / "dir" / ".git").mkdir()
        (base / "dir" / ".git" / "index.lock").touch()
        path.write_text(TEXT.replace("one", "ONE"))
        await bridge.render()
        assert live.text.text() == TEXT.replace("one", "ONE")
        told = [(notice.kind, notice.text) for notice in bridge.folder.notices]
        removed = len(TYPED) - len(TEXT)
        assert told == [] if is_read else [kind for kind, _ in told] == [NoticeKind.REMOVED_OTHERS_TEXT]
        assert is_read or f"removed {removed} characters" in told[0][1]


@pytest.mark.parametrize("moment", ["before", "during", "after"])
@over_directory
async def test_a_text_that_goes_on_while_its_log_is_looked_through_for_the_version_that_was_saved(
    base: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [TEXT.replace("two\n", f"two\n{'typed here now'[:length]}\n") for length in range(1, 15)]
    path, client = base / "dir" / NAME, Writer.TYPED.client_id(5)
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        unsubscribe = bridge.document(NAME).subscribe(lambda *told: None, early=True)
        for text in texts[:6]:
            await _comes(bridge, text, client)
        path.write_text(texts[8])  # an editor has saved, and what it typed last is on its way
        late = texts[6:]

        async def arrive() -> None:
            while late:
                await _comes(bridge, late.pop(0), client)

        class Slice(old_versions.Slice):
            async def end_if_long(self) -> None:
                await arrive()

        async def found(*given: Any, **options: Any) -> FileRecord | None:
            old = await version_found(*given, **options)
            await arrive()
            return old

        if moment == "before":
            await arrive()
        elif moment == "during":
            monkeypatch.setattr(old_versions, "Slice", Slice)
        else:
            monkeypatch.setattr(known_files, "version_found", found)
        await bridge.render()
        assert not late
        assert bridge.document(NAME).text.text() == texts[-1]
        assert not [*bridge.folder.notices]
        unsubscribe()


# Of what two made apart of ten lines, a repair has put in again what one of them wrote, as characters of its own.
_THEIRS = (
    "0 1+ 2 theirs 3 4 5 6 7 8 9", "0 1 2 3 4 9 5 theirs 6 other 7 8"
)  # fmt: skip
_OURS = ("0 4 5 1 2 ours 6 7 own 8 9", "0 1 2 3 5+ 6 4 7 8+ 9")


def _lines(words: str) -> str:
    def line(word: str) -> str:
        number = word.rstrip("+")
        return f"line {number} of the text{' here' * word.count('+')}\n" if number.isdigit() else f"{word} wrote this\n"

    return "".join(map(line, words.split()))


@over_directory
@pytest.mark.parametrize(("ours", "theirs"), list(zip(_OURS, _THEIRS, strict=True)))
async def test_what_a_repair_has_put_in_again_is_told_where_a_save_removes_it(
    base: Path, ours: str, theirs: str
) -> None:
    path = base / "dir" / NAME
    path.write_text(_lines("0 1 2 3 4 5 6 7 8 9"))
    async with open_bridge(base) as bridge:
        peer = replica_like(bridge, NAME, Writer.SAVED.client_id(5))
        path.write_text(_lines(ours))
        await bridge.look()
        update = peer.edit(hunks(peer.text(), _lines(theirs)))
        assert update is not None
        await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=True))
        await bridge.render()
        path.read_text()  # whoever saves next has read all of it
        await bridge.take_events()
        merged = path.read_text()
        path.write_text(merged.replace("theirs wrote this\n", ""))
        await settle(bridge)
        assert path.read_text() == merged.replace("theirs wrote this\n", "")
        told = [notice.text for notice in bridge.folder.notices if notice.kind is NoticeKind.REMOVED_OTHERS_TEXT]
        assert [text.split()[4] for text in told] == [str(len("theirs wrote this\n"))]
