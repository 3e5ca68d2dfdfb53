"""A save that is found while programs have the text open: those are asked whether it is of what they show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge, over_directory, replica_like

from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.programs.screen import Screen
from yp2p.programs.websocket import WebSocketClosed
from yp2p.protocol.channel import Saved, Showed, decode
from yp2p.protocol.clients import Writer

NAME = "a.txt"
TEXT = "top\n\none\ntwo\nthree\n"
PROGRAM, OTHER = 77, 6


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()


class Open:
    """A program that has the file open; what it types comes when it is asked, or before that."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.replica = replica_like(bridge, NAME, PROGRAM, Writer.TYPED)
        self.shown = [self.replica.text()]
        self._waiting: list[bytes] = []
        self.asked = 0

    def type(self, text: str) -> None:
        update = self.replica.edit(hunks(self.replica.text(), text))
        assert update is not None
        self._waiting.append(update)
        self.shown.append(text)

    async def come(self) -> None:
        """What was typed so far arrives."""
        waiting, self._waiting = self._waiting, []
        for update in waiting:
            await self._bridge.document(NAME).receive(update, self)

    async def ask(self, contents: Sequence[bytes]) -> int:
        self.asked += 1
        await self.come()
        hashes = [_hash(text) for text in self.shown]
        return next((number for number, content in enumerate(contents, 1) if content in hashes), 0)


@asynccontextmanager
async def _open(bridge: Bridge, ask: Callable[[Sequence[bytes]], Awaitable[int]] | None = None) -> AsyncIterator[Open]:
    live = bridge.document(NAME)
    program = Open(bridge)
    end = live.subscribe(lambda *_: None, early=True)
    with live.shown.screens.asking(ask or program.ask):
        yield program
    end()


async def _comes(bridge: Bridge, text: str) -> None:
    """Another device makes a text of what the document says."""
    peer = replica_like(bridge, NAME, OTHER)
    update = peer.edit(hunks(peer.text(), text))
    assert update is not None
    await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))


async def _stands(bridge: Bridge, text: str) -> None:
    clock().jump(5)
    await bridge.render()
    assert bridge.document(NAME).text.text() == text == (bridge.folder.path / NAME).read_text()


def _save(path: Path, text: str, how: str) -> None:
    """As editors do."""
    if how == "a backup was renamed":  # Emacs, vim
        path.rename(f"{path}~")
    there = path.with_name("other.tmp") if how == "renamed over" else path
    there.write_text(text)
    there.rename(path)


@over_directory
@pytest.mark.parametrize("how", ["in place", "renamed over", "a backup was renamed"])
async def test_what_was_typed_and_saved_is_there_once_when_the_save_is_found_first(base: Path, how: str) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        await bridge.scan()
        async with _open(bridge) as program:
            for word in ("wo", "word\n"):
                program.type(TEXT.replace("one", f"{word}one"))
                _save(path, program.shown[-1], how)
                await bridge.look()
                assert bridge.document(NAME).text.text() == program.shown[-1]
            assert program.asked == 2
            await _stands(bridge, TEXT.replace("one", "word\none"))


@over_directory
@pytest.mark.parametrize("end", ["", "\n"])
async def test_what_no_version_was_because_others_came_between_is_there_once(base: Path, end: str) -> None:
    """Half of a word was saved, perhaps with a line end at the end that is in the file alone."""
    path = base / "dir" / NAME
    text = TEXT.removesuffix("\n") if end else TEXT
    path.write_text(text)
    async with open_bridge(base) as bridge:
        await bridge.scan()
        async with _open(bridge) as program:
            program.type(text.replace("one", "one hel"))
            path.write_text(program.shown[-1] + end)
            program.type(text.replace("one", "one hello there"))
            await _comes(bridge, text.replace("top", "top of another"))
            await bridge.look()
            await _stands(bridge, text.replace("one", "one hello there").replace("top", "top of another") + end)


@over_directory
@pytest.mark.parametrize("is_changed", [False, True])
async def test_a_save_that_others_lines_overtook_makes_no_operation(base: Path, *, is_changed: bool) -> None:
    """Devices that each do so would repair each other's. What no program shows is still a change of what was saved."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        await bridge.scan()
        live = bridge.document(NAME)
        async with _open(bridge) as program:
            program.type(TEXT.replace("one", "own\none"))
            path.write_text(program.shown[-1])
            program.type(program.shown[-1].replace("two", "more\ntwo"))
            await _comes(bridge, TEXT.replace("top", "top\nof another"))
            await program.come()
            wanted, before = live.text.text(), live.text.clocks()
            await bridge.look()
            assert live.text.clocks() == before
            if is_changed:
                path.write_text(path.read_text() + "of a script\n")
                await bridge.look()
                wanted += "of a script\n"
            await _stands(bridge, wanted)
            assert wanted == TEXT.replace("top", "top\nof another").replace("one", "own\none").replace(
                "two", "more\ntwo"
            ) + "of a script\n" * is_changed  # fmt: skip
        assert not list(bridge.folder.notices)


@over_directory
@pytest.mark.parametrize("has_typed", [False, True])
async def test_an_editor_that_is_behind_saves_over_what_it_was_not_told(base: Path, *, has_typed: bool) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        await bridge.scan()
        async with _open(bridge) as program:
            await _comes(bridge, TEXT.replace("two", "two of another"))
            wanted = TEXT.replace("two", "two of another")
            if has_typed:
                program.type(TEXT.replace("one", "one typed"))
                await program.come()
                wanted = wanted.replace("one", "one typed")
            await _stands(bridge, wanted)
            path.write_text(program.shown[-1])
            await bridge.look()
            await _stands(bridge, wanted)
        assert not list(bridge.folder.notices)


@over_directory
async def test_what_no_program_shows_is_an_edit(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        await bridge.scan()
        async with _open(bridge) as program:
            program.type(TEXT.replace("one", "one typed"))
            path.write_text(TEXT.replace("three", "three saved"))
            await bridge.look()
            await _stands(bridge, TEXT.replace("one", "one typed").replace("three", "three saved"))


@over_directory
async def test_a_program_that_hangs_is_waited_for_once(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        await bridge.scan()
        sent: list[bytes] = []
        screen = Screen(bridge.document(NAME), PROGRAM, _channel(sent))
        async with _open(bridge, screen.ask):
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_let_pass)
                for number in range(3):
                    path.write_text(TEXT + f"{number}\n")
                    await bridge.look()
                    assert bridge.document(NAME).text.text() == TEXT + f"{number}\n"
                nursery.cancel_scope.cancel()
            assert len(sent) == 1
            assert trio.current_time() - began < 3


async def _let_pass() -> None:
    while True:
        await trio.testing.wait_all_tasks_blocked(0.01)
        clock().jump(0.5)


@over_directory
@pytest.mark.parametrize("fault", [WebSocketClosed(1006, ""), trio.BrokenResourceError(), trio.ClosedResourceError()])
async def test_a_program_that_goes_while_it_is_asked_shows_nothing(base: Path, fault: Exception) -> None:
    """That is no fault of the folder."""
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        await bridge.scan()
        screen = Screen(bridge.document(NAME), PROGRAM, _channel([], fault))
        async with _open(bridge, screen.ask):
            for number in range(2):
                path.write_text(TEXT + f"{number}\n")
                await bridge.look()
                assert bridge.document(NAME).text.text() == TEXT + f"{number}\n"


def _channel(sent: list[bytes], fault: Exception | None = None) -> Any:
    class Channel:
        path = ""

        async def send(self, message: bytes) -> None:
            if fault is not None:
                raise fault
            sent.append(message)

    return Channel()


@over_directory
async def test_an_answer_counts_while_the_document_has_what_the_program_wrote(base: Path) -> None:
    (base / "dir" / NAME).write_text(TEXT)
    async with open_bridge(base) as bridge:
        await bridge.scan()
        live = bridge.document(NAME)
        sent: list[bytes] = []
        screen = Screen(live, PROGRAM, _channel(sent))
        replica: TextReplica = replica_like(bridge, NAME, PROGRAM, Writer.TYPED)
        client = replica.client_id
        screen = Screen(live, client, _channel(sent))
        update = replica.edit(hunks(TEXT, "typed " + TEXT))
        assert update is not None
        for is_there in (False, True):
            if is_there:
                await live.receive(update, PEER)
            answers: list[int] = []

            async def ask() -> None:
                answers.append(await screen.ask([b"h" * 32]))  # noqa: B023

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                assert decode(sent.pop()) == Saved((b"h" * 32,))
                screen.answered(Showed(1, replica.clocks()[client]))
            assert answers == [1 if is_there else 0]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            screen.end()
        assert answers == [1, 0]
        screen.answered(Showed(1, 0))  # what was not asked
