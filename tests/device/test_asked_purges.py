"""What a device does when another one asks it to remove the past of files."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio
from device.test_purging import SECRET, _found, _saved

from yp2p.config import Config, History, PurgeMode
from yp2p.device.asked_purges import WAITS_S
from yp2p.device.device import Device
from yp2p.documents.registers import Change, Deletion
from yp2p.errors import CrdtPanic, FolderError, MessageFault, UsageError
from yp2p.files.trash import new_place
from yp2p.folder import purges as kept
from yp2p.folder.folder import Folder
from yp2p.folder.guard import MIN_FILES
from yp2p.folder.own_statements import OwnStatements
from yp2p.folder.purges import Asked
from yp2p.history import purge
from yp2p.history.purge_scope import scope_asked
from yp2p.identity import EntryID, Identity
from yp2p.protocol.messages import PurgeNews
from yp2p.protocol.state_vectors import encode_state_vector
from yp2p.store.database import open_database
from yp2p.trust.purges import Outcome, Request, Seen, make_answer, make_request, read_answer
from yp2p.trust.statements import Role

OTHER = Identity(b"o" * 32)


class _Session:
    """A peer that takes what it is told."""

    peer = OTHER.device_id
    compared = merges_alike = True

    def __init__(self) -> None:
        self.told: list[PurgeNews] = []

    def purge_news(self, message: PurgeNews) -> None:
        self.told.append(message)

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None

    def outcomes(self) -> list[Outcome]:
        """What this device has answered."""
        return [Outcome(body[-65]) for message in self.told for body in message.answers]


class _Room:
    """A device that shares `dir` with another administrator, who is not here."""

    def __init__(self, device: Device, base: Path, session: _Session) -> None:
        self.device, self.base, self.session = device, base, session

    @property
    def folder(self) -> Folder:
        (folder,) = self.device.folders
        return folder

    async def text(self, name: str = "a.txt", texts: tuple[str, ...] = (f"one\n{SECRET}\n", "one\n")) -> EntryID:
        for text in texts:
            await _saved(self.device, self.base / "dir" / name, text)
        return self.folder.files.at[name]

    def seen(self, *entries: EntryID) -> dict[EntryID, Seen]:
        """What another device has that has all that is here."""
        folder = self.folder
        documents = {entry: folder.catalogue.entries[entry].document for entry in entries}
        return {
            entry: Seen(True, encode_state_vector(folder.texts.clocks(document)))
            for entry, document in documents.items()
        }

    async def hear(self, request: Request, *answers: bytes) -> Asked | None:
        await self.folder.observers.purges.take(PurgeNews(self.folder.id, (request.body,), answers))
        return next((asked for asked in self.folder.observers.purges if asked.request == request), None)

    async def ask(self, entries: dict[EntryID, Seen], identity: Identity = OTHER) -> Asked | None:
        return await self.hear(make_request(identity, self.folder.id, secrets.token_bytes(16), entries))

    async def answered(self, outcome: Outcome) -> None:
        with trio.fail_after(20):
            while outcome not in self.session.outcomes():
                await trio.sleep(0.02)

    async def a_day_passes(self, asked: Asked) -> None:
        """The daemon has run for a day."""
        self.folder.observers.purges.waited(asked, WAITS_S)
        self.device.asked_purges._wake()


@asynccontextmanager
async def _room(base: Path, mode: PurgeMode = "day", role: Role = Role.ADMINISTRATOR) -> AsyncIterator[_Room]:
    (base / "dir").mkdir(exist_ok=True)
    async with open_database(base / "store.db", make_room=False) as database, trio.open_nursery() as nursery:
        device = Device(Config(history=History(purge=mode)), Identity(b"i" * 32), database, ())
        await nursery.start(device.run)
        if not device.home.by_id:
            await device.share(str(base / "dir"), None)
        room = _Room(device, base, _Session())
        if OTHER.device_id not in room.folder.membership.members:
            await OwnStatements(room.folder.membership).grant(OTHER.public, role, "other")
        room.folder.observers.sessions[OTHER.device_id] = room.session
        nursery.start_soon(device.asked_purges.run)
        await trio.testing.wait_all_tasks_blocked()
        try:
            yield room
        finally:
            nursery.cancel_scope.cancel()


async def test_it_tells_and_waits_for_a_day_in_which_it_ran(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        asked = await room.ask(room.seen(await room.text()))
        assert asked is not None
        await room.answered(Outcome.WAITS)
        (notice,) = room.folder.notices
        assert notice.text == (
            "other asks to remove the past of a.txt (1 version and 0 items of the trash here): it is done once yp2p"
            f" has run here for a day, unless you say `yp2p purge --refuse {asked.number}` or `--agree {asked.number}`"
        )
        (shown,) = room.device.status()["folders"][0]["purges"]
        assert (shown["paths"], shown["answer"], round(shown["done_in_s"] / 3600)) == (["a.txt"], "waits", 24)
        assert _found(tmp_path)
        await room.a_day_passes(asked)
        await room.answered(Outcome.DONE)
        assert _found(tmp_path) == []
        assert (tmp_path / "dir/a.txt").read_text() == "one\n"
        assert room.device.status()["folders"][0]["purges"] == []
        (listed,) = room.device.asked_purges.listed()
        assert (listed["answer"], listed["silent"]) == ("done", []), "who asked has done it"
        assert [one["device"] for one in room.device.purging.listed()] == ["other"]


async def test_what_is_waited_for_and_what_was_said_is_known_after_a_restart(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        first, second = [await room.ask(room.seen(await room.text(name))) for name in ("a.txt", "b.txt")]
        assert first is not None
        assert second is not None
        await room.device.asked_purges.decide(second.number, agree=False)
        room.folder.observers.purges.waited(first, 0.75 * WAITS_S)
        await room.folder.database.pending().wait()
    async with _room(tmp_path) as room:
        purges = room.folder.observers.purges
        assert [round(asked.waited_s / WAITS_S, 2) for asked in purges.undecided()] == [0.75]
        (refused,) = [asked for asked in purges if asked.number == second.number]
        assert purges.own_answer(refused) is Outcome.REFUSED
        assert len(list(purges.messages())) >= 3
        assert await room.hear(refused.request) == refused, "it comes again, and is known"


async def test_a_person_has_it_done_at_once_or_never(tmp_path: Path) -> None:
    async with _room(tmp_path, "ask") as room:
        first, second = [await room.ask(room.seen(await room.text(name))) for name in ("a.txt", "b.txt")]
        assert first is not None
        assert second is not None
        await room.answered(Outcome.WAITS)
        await room.a_day_passes(first)
        await room.a_day_passes(second)
        await room.device.asked_purges.decide(second.number, agree=False)
        await room.answered(Outcome.REFUSED)
        assert "b.txt" in str(room.device.asked_purges.listed())
        assert _found(tmp_path), "a person is asked for ever"
        await room.device.asked_purges.decide(first.number, agree=True)
        await room.answered(Outcome.DONE)
        with pytest.raises(UsageError, match="is done already"):
            await room.device.asked_purges.decide(first.number, agree=False)
        with pytest.raises(UsageError, match="there is no request 99"):
            await room.device.asked_purges.decide(99, agree=True)
        texts = [room.folder.texts.rows(room.folder.catalogue.entries[e].document) for e in room.folder.files]
        assert sorted(map(len, texts)) == [1, 2], "one of them has its past"


async def test_a_device_that_refuses_says_so_at_once(tmp_path: Path) -> None:
    async with _room(tmp_path, "refuse") as room:
        await room.ask(room.seen(await room.text()))
        await room.answered(Outcome.REFUSED)
        assert list(room.folder.notices) == []
        assert _found(tmp_path)


async def test_only_an_administrator_is_heard_and_only_as_long_as_it_is_one(tmp_path: Path) -> None:
    async with _room(tmp_path, role=Role.MEMBER) as room:
        entries = room.seen(await room.text())
        assert await room.ask(entries) is None
        assert await room.ask(entries, Identity(b"s" * 32)) is None
        await OwnStatements(room.folder.membership).grant(OTHER.public, Role.ADMINISTRATOR, "other")
        asked = await room.ask(entries)
        assert asked is not None
        await room.answered(Outcome.WAITS)
        await OwnStatements(room.folder.membership).remove(OTHER.device_id)
        await room.a_day_passes(asked)
        await trio.sleep(0.3)
        assert room.folder.observers.purges.undecided() == []
        assert _found(tmp_path)


async def test_what_was_written_since_stays(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        entry = await room.text()
        seen = room.seen(entry)
        await room.text(texts=("one\ntwo\n", "one\ntwo\nthree\n"))
        asked = await room.ask(seen)
        assert asked is not None
        await room.device.asked_purges.decide(asked.number, agree=True)
        document = room.folder.catalogue.entries[entry].document
        assert len(room.folder.texts.rows(document)) == 3
        assert _found(tmp_path) == []
        assert room.folder.texts.at(document, room.folder.texts.rows(document)[0][0]).text() == "one\n"
        await _saved(room.device, tmp_path / "dir/a.txt", "two\nthree\n")
        assert room.folder.texts.open(document).text.text() == "two\nthree\n"


async def test_what_its_author_had_not_seen_is_not_touched(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        entry = await room.text()
        nothing = {entry: Seen(True, b"\x00"), EntryID(b"n" * 16): Seen(True, b"\x00")}
        for seen in (nothing, {entry: Seen(True, b"\xff" * 9)}, {entry: Seen(False, bytes(32))}):
            asked = await room.ask(seen)
            assert asked is not None
            await room.device.asked_purges.decide(asked.number, agree=True)
        assert _found(tmp_path)
        assert len(room.folder.texts.rows(room.folder.catalogue.entries[entry].document)) == 2


async def test_more_than_anybody_may_delete_waits_for_a_person(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        names = [f"{number}.txt" for number in range(MIN_FILES + 1)]
        for text in (f"{SECRET}\n", "without\n"):
            for name in names:
                (tmp_path / "dir" / name).write_text(text)
            await room.text(names[-1], (text,))
            with trio.fail_after(20):
                while not all(room.folder.is_on_disk(entry) for entry in room.folder.files) or any(
                    room.folder.texts.head(room.folder.files[entry].document)[1] != text for entry in room.folder.files
                ):
                    await trio.sleep(0.05)
        asked = await room.ask(room.seen(*room.folder.files))
        assert asked is not None
        await room.answered(Outcome.WAITS)
        await room.a_day_passes(asked)
        await trio.sleep(0.5)
        assert Outcome.DONE not in room.session.outcomes()
        assert _found(tmp_path)
        await room.device.asked_purges.decide(asked.number, agree=True)
        assert _found(tmp_path) == []


async def test_what_nobody_signed_is_a_fault_and_what_is_too_much_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MAX_OPEN", 2)
    async with _room(tmp_path) as room:
        entries = room.seen(await room.text())
        request = make_request(OTHER, room.folder.id, bytes(16), entries)
        forged = request.body[:-1] + bytes([request.body[-1] ^ 1])
        with pytest.raises(MessageFault):
            await room.folder.observers.purges.take(PurgeNews(room.folder.id, (forged,), ()))
        for _ in range(2):
            assert await room.ask(entries) is not None
        assert await room.hear(request) is None
        assert await room.hear(request) is None
        assert room.session.outcomes().count(Outcome.NOT_KEPT) == 1, (
            "else two that have no room tell each other for ever"
        )


async def test_answers_are_handed_on_and_the_last_word_counts(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        await room.text()
        done = await room.device.purging.purge(str(tmp_path / "dir/a.txt"), with_file=False)
        (asked,) = room.folder.observers.purges
        assert done["asked"] == [asked.number]
        assert [len(message.requests) for message in room.session.told if message.requests] == [1]
        (listed,) = room.device.asked_purges.listed()
        assert (listed["is_own"], listed["answer"], listed["silent"]) == (True, "done", ["other"])
        for outcome, says in ((Outcome.DONE, "done"), (Outcome.WAITS, "done"), (Outcome.REFUSED, "done")):
            answer = make_answer(OTHER, room.folder.id, asked.request.id, outcome)
            await room.folder.observers.purges.take(PurgeNews(room.folder.id, (), (answer.body,)))
            assert room.device.asked_purges.listed()[0]["answers"] == [{"device": "other", "answer": says}]
        stranger = make_answer(Identity(b"s" * 32), room.folder.id, asked.request.id, Outcome.DONE)
        unknown = make_answer(OTHER, room.folder.id, bytes(16), Outcome.DONE)
        await room.folder.observers.purges.take(PurgeNews(room.folder.id, (), (stranger.body, unknown.body)))
        assert room.device.asked_purges.listed()[0]["silent"] == []
        handed_on = [body for message in room.session.told for body in message.answers]
        assert read_answer(handed_on[-1], room.folder.id, OTHER.public).outcome is Outcome.DONE


async def test_a_fault_while_it_is_looked_at_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _room(tmp_path) as room:
        entries = room.seen(await room.text())

        async def panics(*_: object) -> None:
            raise CrdtPanic("a panic of the library")

        with monkeypatch.context() as broken:
            broken.setattr("yp2p.history.purge.preview_asked", panics)
            asked = await room.ask(entries)
            assert asked is not None
            await trio.sleep(0.2)
            assert room.folder.observers.purges.own_answer(asked) is None
        room.device.asked_purges._wake()
        await room.answered(Outcome.WAITS)


async def _waits_for(lock: trio.Lock) -> None:
    with trio.fail_after(20):
        while not lock.statistics().tasks_waiting:
            await trio.sleep(0.02)


async def test_what_is_refused_while_another_one_is_carried_out_is_not_done(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        both = [await room.ask(room.seen(await room.text(name))) for name in ("a.txt", "b.txt")]
        async with room.device.purging.alone:
            for asked in both:
                assert asked is not None
                await room.a_day_passes(asked)
            await _waits_for(room.device.purging.alone)
            for asked in both:
                assert asked is not None
                await room.device.asked_purges.decide(asked.number, agree=False)
        await trio.sleep(0.5)
        assert Outcome.DONE not in room.session.outcomes()
        assert [one["answer"] for one in room.device.asked_purges.listed()] == ["refused", "refused"]
        assert _found(tmp_path)


@pytest.mark.parametrize("says", ["no", "ask", "refuse", "agrees"])
async def test_what_is_said_before_anything_is_removed_counts(tmp_path: Path, says: str) -> None:
    """It waits for other work on the texts of the folder with what it needs in its hands."""
    async with _room(tmp_path) as room:
        asked, purges = await room.ask(room.seen(await room.text())), room.device.asked_purges
        assert asked is not None
        rewriting = room.folder.texts.rewriting
        async with trio.open_nursery() as nursery:
            async with rewriting:
                if says == "agrees":
                    nursery.start_soon(partial(purges.decide, asked.number, agree=True))
                    purges.use("ask")
                else:
                    await room.a_day_passes(asked)
                await _waits_for(rewriting)
                if says == "no":
                    await purges.decide(asked.number, agree=False)
                elif says != "agrees":
                    purges.use("ask" if says == "ask" else "refuse")
            if says == "agrees":
                await room.answered(Outcome.DONE)
            else:
                await trio.sleep(0.5)
                assert Outcome.DONE not in room.session.outcomes()
        assert bool(_found(tmp_path)) is (says != "agrees")


async def test_who_refuses_what_is_being_done_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _room(tmp_path) as room:
        asked = await room.ask(room.seen(await room.text()))
        assert asked is not None
        begun, goes_on = trio.Event(), trio.Event()

        async def waits(*_: object) -> list[str]:
            begun.set()
            await goes_on.wait()
            return []

        monkeypatch.setattr(room.device.home.disks[room.folder.id], "forget_versions", waits)
        await room.a_day_passes(asked)
        with trio.fail_after(20):
            await begun.wait()
        with pytest.raises(FolderError, match="is being done at this moment"):
            await room.device.asked_purges.decide(asked.number, agree=False)
        goes_on.set()
        await room.answered(Outcome.DONE)
        assert Outcome.REFUSED not in room.session.outcomes()


async def test_a_folder_that_is_left_while_its_request_waits_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yp2p.device.leaving._HEARD_LIMIT_S", 0.1)  # nobody is there who could hear of it
    async with _room(tmp_path) as room:
        asked = await room.ask(room.seen(await room.text()))
        assert asked is not None
        async with room.device.purging.alone:
            await room.a_day_passes(asked)
            await _waits_for(room.device.purging.alone)
            await room.device.leaving.leave(str(tmp_path / "dir"), with_files=False)
        await trio.sleep(0.3)
        assert room.device.asked_purges.listed() == []
        assert _found(tmp_path)


async def test_a_fault_of_one_request_is_none_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _room(tmp_path) as room:
        seen = [room.seen(await room.text(name)) for name in ("a.txt", "b.txt")]
        real = purge.preview_asked

        async def fails(folder: Folder, asked: Asked) -> purge.Purged:
            if asked.request.entries.keys() == seen[0].keys():
                raise KeyError("a fault of yp2p")
            return await real(folder, asked)

        monkeypatch.setattr("yp2p.history.purge.preview_asked", fails)
        first, second = [await room.ask(one) for one in seen]
        assert first is not None
        assert second is not None
        await room.answered(Outcome.WAITS)
        assert [room.folder.observers.purges.own_answer(one) for one in (first, second)] == [None, Outcome.WAITS]


def test_the_setting_is_one_of_three() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"purge": "never"}, History)


async def _renamed(room: _Room, entry: EntryID, path: str) -> None:
    await room.folder.catalogue.write([Change(entry, path=path)]).wait()
    with trio.fail_after(20):
        while room.folder.files.at.get(path) != entry:
            await trio.sleep(0.02)


def _in_trash(room: _Room, name: str, text: str) -> Path:
    """Put a file there now."""
    path = room.base / "dir" / new_place() / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


async def test_the_trash_of_other_files_stays_whatever_name_and_content_the_file_that_is_meant_had(
    tmp_path: Path,
) -> None:
    async with _room(tmp_path) as room:
        photo, before = await room.text("photo.txt", ("a photo\n",)), _in_trash(room, "early.txt", "untracked\n")
        theirs = _in_trash(room, "photo.txt", "a photo\n")
        found = room.folder.catalogue.entries[photo]
        seen = Deletion(found.document, room.folder.texts.open(found.document).state_vector())
        await room.folder.catalogue.write([Change(photo, deletion=seen)]).wait()
        with trio.fail_after(20):
            while photo in room.folder.files:
                await trio.sleep(0.02)
        await trio.sleep(1.1)  # names in the trash tell seconds
        own = await room.text("own.txt", (f"one\n{SECRET}\n", "a photo\n", "one\n"))
        for name in ("photo.txt", "early.txt", "own.txt"):
            await _renamed(room, own, name)
        meant = _in_trash(room, "own.txt", f"{SECRET}\n")
        asked = await room.ask(room.seen(own))
        assert asked is not None
        await room.answered(Outcome.WAITS)
        (notice,) = room.folder.notices
        assert "(2 versions and 1 item of the trash here; 3 that may be of other files stay)" in notice.text
        await room.device.asked_purges.decide(asked.number, agree=True)
        assert (theirs.exists(), before.exists(), meant.exists()) == (True, True, False)


async def test_what_goes_of_the_trash_counts_as_deletions(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        own = await room.text()
        items = [_in_trash(room, "a.txt", f"{number}\n") for number in range(MIN_FILES + 1)]
        asked = await room.ask(room.seen(own))
        assert asked is not None
        await room.answered(Outcome.WAITS)
        await room.a_day_passes(asked)
        await trio.sleep(0.5)
        assert Outcome.DONE not in room.session.outcomes()
        assert all(item.exists() for item in items)
        await room.device.asked_purges.decide(asked.number, agree=True)
        assert not any(item.exists() for item in items)


async def test_a_content_that_its_author_names_and_nobody_knows_means_nothing(tmp_path: Path) -> None:
    async with _room(tmp_path) as room:
        (tmp_path / "dir/own.bin").write_bytes(b"\0one")
        await room.text("a.txt", ("one\n",))
        with trio.fail_after(20):
            while "own.bin" not in room.folder.files.at:
                await trio.sleep(0.02)
        own = room.folder.files.at["own.bin"]
        first = room.folder.catalogue.entries[own].content
        (tmp_path / "dir/own.bin").write_bytes(b"\0two")
        with trio.fail_after(20):
            while room.folder.catalogue.entries[own].content == first:
                await trio.sleep(0.02)
        for seen in (Seen(False, bytes(32)), Seen(True, b"\x00")):
            assert (await scope_asked(room.folder, {own: seen}, 1e10)).contents == {}
        now = Seen(False, room.folder.catalogue.entries[own].content.hash)
        assert (await scope_asked(room.folder, {own: now}, 1e10)).contents.keys() == {first.hash}
