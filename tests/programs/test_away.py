"""What was written in a program and saved, both while no daemon ran: it comes from the disk and from the program."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trio
from bridge import PEER, Bridge, clock, open_bridge, over_directory, replica_like

from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import FileGone, InvalidUpdate, MissingCharacters
from yp2p.folder.notices import NoticeKind
from yp2p.programs.document import ProgramDocument
from yp2p.programs.programs import Program
from yp2p.protocol import channel
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import encode_state_vector

NAME = "a.txt"
TEXT = "top\n\n\none\ntwo\nthree\n"
PROGRAM, OTHER = 77, 6
LIMIT = 1 << 20


@dataclass
class Away:
    """A program that has a file open, and what it shows while no daemon is there."""

    replica: TextReplica
    shown: list[str] = field(default_factory=list)
    since_s: list[float] = field(default_factory=list)  # when each came

    @classmethod
    def of(cls, bridge: Bridge) -> Away:
        replica = replica_like(bridge, NAME, PROGRAM, Writer.TYPED)
        return cls(replica, [replica.text()], [time.time()])

    def write(self, text: str) -> None:
        self.replica.edit(hunks(self.replica.text(), text))
        self.shown.append(text)
        self.since_s.append(time.time())

    async def come_back(self, bridge: Bridge, limit: int = LIMIT, asked_for: Collection[int] = ()) -> None:
        live = bridge.document(NAME)
        record = bridge.folder.files.by_path(NAME)
        assert record is not None
        document = ProgramDocument(
            bridge.folder, live, Program(record.entry, PROGRAM, is_this_file=True), limit, [], is_synced=lambda: False
        )
        known = {client: clock for client, clock in live.replica.clocks().items() if client not in asked_for}
        answer = self.replica.update_since(encode_state_vector(known))
        document.was_shown(channel.Shown(tuple(sha256(text.encode()).digest() for text in self.shown)))
        document.was_shown(channel.Since(tuple(round(at * 1000) for at in self.since_s)))
        theirs = PeerState(self.replica.clocks(), True, False, not asked_for, frozenset(asked_for))
        await document.receive_all([answer], self, theirs)
        news, _ = document.cut(self.replica.state_vector())
        document.subscribe(lambda update, source, _: self.replica.receive(update) if source is not self else None)
        self.replica.receive(news)


async def _comes(bridge: Bridge, text: str) -> None:
    """Another device makes a text of what the document says."""
    peer = replica_like(bridge, NAME, OTHER)
    update = peer.edit(hunks(peer.text(), text))
    assert update is not None
    await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))


def _replaced(*pairs: tuple[str, str]) -> list[str]:
    """The texts that come one after the other of a text."""
    texts = [TEXT]
    for old, new in pairs:
        texts.append(texts[-1].replace(old, new))
    return texts[1:]


# What is written in the program one after the other, and after how many of these steps the file is saved.
SITUATIONS = {
    "all of it": (_replaced(("two\n", "two\nmore\n")), 1),
    "a line, and another line after the save": (_replaced(("two\n", "two\nmore\n"), ("more\n", "more\nyet\n")), 1),
    "half a word": (_replaced(("two", "two mor"), ("mor", "more and more")), 1),
    "a mistake that is put right afterwards": (_replaced(("two", "teh two"), ("teh", "the")), 1),
    "what is deleted afterwards": (_replaced(("two", "two more"), (" more", "")), 1),
    "a deletion, and a letter afterwards": (_replaced(("two\n", ""), ("one\n", "one!\n")), 1),
    "a line that is deleted and written again": (_replaced(("two\n", ""), ("one\n", "one\ntwo\n")), 1),
    "nothing of it": (_replaced(("two\n", "two\nmore\n")), 0),
}


@over_directory
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("is_first", ["the disk", "the program"])
@pytest.mark.parametrize("others", [("top", "top!"), ("three\n", "three\nof another device\n"), None])
async def test_what_was_saved_and_comes_from_its_program_is_there_once(
    base: Path, situation: str, is_first: str, others: tuple[str, str] | None
) -> None:
    texts, saved = SITUATIONS[situation]
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    for text in texts:
        away.write(text)
    path.write_text(away.shown[saved])
    async with open_bridge(base, scan=False) as bridge:
        if is_first == "the disk":
            await bridge.scan()
        if others is not None:
            await _comes(bridge, bridge.document(NAME).text.text().replace(*others))
        await away.come_back(bridge)
        if is_first == "the program":
            await bridge.scan()
        clock().jump(5)
        await bridge.render()
        wanted = texts[-1].replace(*others) if others is not None else texts[-1]
        assert bridge.document(NAME).text.text() == path.read_text() == away.replica.text() == wanted
        assert not list(bridge.folder.notices)


@over_directory
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("is_first", ["the disk", "the program"])
async def test_a_restart_between_the_program_and_the_first_look_at_its_file_forgets_nothing(
    base: Path, situation: str, is_first: str
) -> None:
    texts, saved = SITUATIONS[situation]
    clean_end = is_first == "the disk"
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    for text in texts:
        away.write(text)
    path.write_text(away.shown[saved])
    async with open_bridge(base, scan=is_first == "the disk", clean_end=clean_end) as bridge:
        if is_first == "the program":
            await away.come_back(bridge)
    async with open_bridge(base, scan=is_first == "the program") as bridge:
        if is_first == "the disk":
            await away.come_back(bridge)
        clock().jump(5)
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == texts[-1]
        assert not list(bridge.folder.notices)


@over_directory
async def test_what_is_put_back_after_the_program_came_is_an_edit(base: Path) -> None:
    """What it showed counts for the file that was saved meanwhile alone."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    for text in _replaced(("two", "two more"), ("more", "and more")):
        away.write(text)
    path.write_text(away.shown[1])
    async with open_bridge(base) as bridge:
        await away.come_back(bridge)
        clock().jump(5)
        await bridge.render()
        assert path.read_text() == away.shown[-1]
        path.write_text(away.shown[1])  # as `cp` of a former version
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == away.shown[1]


@over_directory
@pytest.mark.parametrize("situation", ["half a word", "what is deleted afterwards"])
async def test_programs_that_were_not_away_push_none_out_that_was(base: Path, situation: str) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    texts, saved = SITUATIONS[situation]
    for text in texts:
        away.write(text)
    path.write_text(away.shown[saved])
    async with open_bridge(base, scan=False) as bridge:
        await away.come_back(bridge)
        for client in range(100, 120):
            await Away(replica_like(bridge, NAME, client, Writer.TYPED)).come_back(bridge)
        await bridge.scan()
        clock().jump(5)
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == away.shown[-1]


@over_directory
async def test_what_a_program_brings_is_not_taken_where_the_file_becomes_another_one_meanwhile(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
        away.write(TEXT.replace("two", "two more"))
        live, meetings = bridge.document(NAME), bridge.folder.edits.meetings
        meet_program = meetings.meet_program

        async def meet_and_save(*args: Any) -> Any:
            settled = await meet_program(*args)
            path.write_bytes(b"\x00\xff")
            await bridge.scan()
            return settled

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(meetings, "meet_program", meet_and_save)
            with pytest.raises(FileGone):
                await away.come_back(bridge)
        assert path.read_bytes() == b"\x00\xff"
        assert live.text.text() == TEXT


@over_directory
@pytest.mark.parametrize("seed", range(2))
async def test_whatever_is_written_and_saved_each_line_is_there_once(base: Path, seed: int) -> None:
    """Stops and starts, saves of any moment, and another device in between."""
    rng = random.Random(seed)
    path = base / "dir" / NAME
    path.write_text(TEXT)
    away: Away | None = None
    there: set[str] = set()
    for round_ in range(6):
        async with open_bridge(base, scan=False, clean_end=rng.random() < 0.5) as bridge:
            is_before = rng.random() < 0.5 and round_ > 0
            if not is_before:
                await bridge.scan()
            word = f"<{round_} other>\n"
            await _comes(bridge, _with_line(rng, bridge.document(NAME).text.text(), word))
            there.add(word)
            if away is not None:
                await away.come_back(bridge)
            if is_before:
                await bridge.scan()
            clock().jump(5)
            await bridge.render()
            text = bridge.document(NAME).text.text()
            assert text == path.read_text()
            assert _all_once(text, there), (round_, text)
            away = Away.of(bridge)
        for number in range(rng.randint(0, 5)):
            word = f"<{round_}.{number} 😀>\n"
            away.write(_with_line(rng, away.shown[-1], word))
            there.add(word)
        if rng.random() < 0.7:
            path.write_text(rng.choice(away.shown))


def _with_line(rng: random.Random, text: str, line: str) -> str:
    lines = text.splitlines(keepends=True)
    lines.insert(rng.randint(0, len(lines)), line)
    return "".join(lines)


def _all_once(text: str, there: set[str]) -> bool:
    return sorted(text.splitlines()) == sorted([*TEXT.splitlines(), *map(str.strip, there)])


@over_directory
@pytest.mark.parametrize("is_first", ["the disk", "the program"])
@pytest.mark.parametrize("is_saved", [False, True])
async def test_what_is_put_back_into_a_file_that_others_changed_is_an_edit(
    base: Path, is_first: str, *, is_saved: bool
) -> None:
    """The program did not know what the file said, so a copy of what it showed is no save of its own."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    if is_saved:
        away.write(TEXT + "saved\n")
        path.write_text(away.shown[-1])
    copy = path.read_text()
    async with open_bridge(base) as bridge:
        await _comes(bridge, bridge.document(NAME).text.text().replace("two\n", ""))
        clock().jump(5)
        await bridge.render()
        assert path.read_text() == copy.replace("two\n", "")
    away.write(away.shown[-1] + "hello\n")
    path.write_text(copy)
    async with open_bridge(base, scan=False) as bridge:
        if is_first == "the disk":
            await bridge.scan()
        await away.come_back(bridge)
        if is_first == "the program":
            await bridge.scan()
        clock().jump(5)
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == away.replica.text()
        assert {"two", "hello"} <= set(path.read_text().splitlines())


@over_directory
async def test_what_is_put_back_right_before_the_program_comes_is_an_edit(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    away.write(TEXT + "hello\n")
    async with open_bridge(base) as bridge:
        await _comes(bridge, TEXT.replace("two\n", ""))
        clock().jump(5)
        await bridge.render()
        assert path.read_text() == TEXT.replace("two\n", "")
        path.write_text(TEXT)
        await away.come_back(bridge)
        await bridge.render()
        clock().jump(5)
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == TEXT + "hello\n"


@over_directory
@pytest.mark.parametrize("how", ["it is too large", "it goes meanwhile", "the device only reads", "it has a NUL"])
async def test_what_was_saved_stays_where_its_program_was_not_heard(
    base: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused is in no document, so the save is all there is of it."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    away.write(TEXT.replace("two\n", "two\nan hour of work\n"))
    path.write_text(away.shown[-1])
    away.write(away.shown[-1] + ("\0" if how == "it has a NUL" else "x" * 500 + "\n"))
    async with open_bridge(base, scan=False) as bridge:
        with monkeypatch.context() as patch:
            if how == "it is too large":
                with pytest.raises(InvalidUpdate):
                    await away.come_back(bridge, limit=300)
            elif how == "it goes meanwhile":
                reached = trio.Event()

                async def decided_for_long(*_: object) -> None:
                    reached.set()
                    await trio.sleep_forever()

                patch.setattr(bridge.folder.edits.meetings, "meet_program", decided_for_long)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(away.come_back, bridge)
                    await reached.wait()
                    nursery.cancel_scope.cancel()
            elif how == "the device only reads":
                patch.setattr(type(bridge.folder.membership), "is_reader", True)
                await away.come_back(bridge)
            else:
                await away.come_back(bridge)
        await _comes(bridge, bridge.document(NAME).text.text().replace("top", "top!"))
        await bridge.scan()
        clock().jump(5)
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text()
        assert {"top!", "an hour of work"} <= set(path.read_text().splitlines())


@over_directory
async def test_what_was_saved_several_times_before_the_program_came_is_there_once(base: Path) -> None:
    """Each save is made of the one before, which the program showed as well."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    async with open_bridge(base) as bridge:
        for word in ("mor", "more and mo", "more and more and m"):
            away.write(TEXT.replace("two", "two " + word))
            path.write_text(away.shown[-1])
            await bridge.render()
            assert bridge.document(NAME).text.text() == away.shown[-1]
        away.write(TEXT.replace("two", "two more and more and more"))
        await away.come_back(bridge)
        clock().jump(5)
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == away.shown[-1] == away.replica.text()


@over_directory
@pytest.mark.parametrize("is_first", ["the disk", "the program"])
@pytest.mark.parametrize("says_times", [True, False])
async def test_what_was_put_back_while_the_program_was_away_is_told(
    base: Path, is_first: str, *, says_times: bool
) -> None:
    """The file was written long after its text was on the screen, so nobody saved it there. What the program shows may
    have been in the file, or not: it stays."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        away = Away.of(bridge)
    for text in _replaced(("two", "two mor"), ("mor", "more and more")):
        away.write(text)
    path.write_text(away.shown[1])
    hour = 3600.0
    away.since_s = [at - hour for at in away.since_s] if says_times else []
    async with open_bridge(base, scan=is_first == "the disk") as bridge:
        if is_first == "the program":
            await away.come_back(bridge)
    async with open_bridge(base, scan=is_first == "the program") as bridge:
        if is_first == "the disk":
            await away.come_back(bridge)
        clock().jump(5)
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == away.shown[-1]
        told = [(one.kind, one.path) for one in bridge.folder.notices if "put back" in one.text]
        assert told == ([(NoticeKind.OLDER_SAVE_MERGED, NAME)] if says_times else [])


async def _heard_of_as_deleted(base: Path, bridge: Bridge) -> TextReplica:
    """A program that has a line, and a word in it that it wrote while no daemon was there, of which this device knows
    nothing but that it is deleted; what was saved here meanwhile."""
    path = base / "dir" / NAME
    live = bridge.document(NAME)
    remover, holder = replica_like(bridge, NAME, OTHER), replica_like(bridge, NAME, PROGRAM, Writer.TYPED)
    known = live.state_vector()
    line = remover.edit(hunks(TEXT, TEXT.replace("two\n", "two\nof another device\n")))
    assert line is not None
    holder.apply(line)
    assert remover.edit(hunks(remover.text(), TEXT)) is not None
    await live.receive(remover.update_since(known), PEER, PeerState(remover.clocks(), is_answer=True))
    holder.edit(hunks(holder.text(), holder.text().replace("another device", "another device and mine")))
    path.write_text("saved\n" + TEXT)
    await bridge.take_events()
    await bridge.look()
    return holder


@over_directory
async def test_what_a_program_has_and_is_known_here_as_deleted_alone_is_asked_for(base: Path) -> None:
    """Else a word without its line would stand there."""
    (base / "dir" / NAME).write_text(TEXT)
    async with open_bridge(base) as bridge:
        replica = await _heard_of_as_deleted(base, bridge)
        before = bridge.document(NAME).text.text()
        with pytest.raises(MissingCharacters) as missing:
            await Away(replica).come_back(bridge)
        assert bridge.document(NAME).text.text() == before
        replica.edit(hunks(replica.text(), replica.text().replace("one\n", "one, meanwhile\n")))
        await Away(replica).come_back(bridge, asked_for=missing.value.clients)
        wanted = "saved\ntop\n\n\none, meanwhile\ntwo\nof another device and mine\nthree\n"
        assert bridge.document(NAME).text.text() == replica.text() == wanted
