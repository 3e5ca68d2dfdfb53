"""Of large messages a peer cannot have us keep more than a few, whatever it sends and does not read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from yp2p.identity import DocumentID, FolderID
from yp2p.peers.inbox import Inbox
from yp2p.peers.questions import Questions
from yp2p.protocol.messages import Documents, ManifestQuery
from yp2p.transport.channel import LARGE_BYTES, LinkChannel
from yp2p.transport.large_messages import Turn
from yp2p.transport.undone import MOST_BYTES, Undone

FOLDER = FolderID(bytes(16))


class _Link:
    """A link that takes everything."""

    def __init__(self) -> None:
        self.turn = Turn()
        self.undone = Undone()

    async def send(self, message: object) -> None:
        await trio.lowlevel.checkpoint()


def _answer(size: int) -> Documents:
    return Documents(FOLDER, ((DocumentID(bytes(16)), bytes(size)),))


async def test_an_answer_that_nobody_asked_for_is_dropped() -> None:
    link: Any = _Link()
    questions = Questions(link)
    with trio.fail_after(60):
        for _ in range(100):
            await questions.deliver(_answer(1))
        await questions.tell(ManifestQuery(FOLDER))
        await questions.deliver(_answer(2))
        assert await questions.reply() == _answer(2)
        await questions.deliver(_answer(3))
        questions.close()
        await questions.tell(ManifestQuery(FOLDER))
        await questions.deliver(_answer(4))
        assert await questions.reply() == _answer(4), "what came for an earlier question is no answer to this one"


async def test_what_comes_after_the_one_answer_to_a_question_is_dropped() -> None:
    """Nobody takes it; while it waited the link was not read, and so nothing else of what was waited for could come."""
    link: Any = _Link()
    questions = Questions(link)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(questions.ask, ManifestQuery(FOLDER))
            await trio.testing.wait_all_tasks_blocked()
            await questions.deliver(_answer(1))
        for _ in range(100):
            await questions.deliver(_answer(2))


async def test_of_large_answers_one_waits() -> None:
    link: Any = _Link()
    questions, came = Questions(link), 0

    async def send() -> None:
        nonlocal came
        for _ in range(3):
            await questions.deliver(_answer(LARGE_BYTES))
            came += 1

    await questions.tell(ManifestQuery(FOLDER))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert came == 1
        for _ in range(3):
            await questions.reply()


async def test_of_large_messages_one_is_with_the_channels_of_a_link() -> None:
    link: Any = _Link()
    channels = [LinkChannel(link, FOLDER, DocumentID(bytes([number]) * 16)) for number in range(3)]
    came = 0

    async def send() -> None:
        nonlocal came
        for channel in channels:
            await channel.deliver(bytes(LARGE_BYTES))
            came += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert came == 1
        await channels[0].recv()
        await trio.testing.wait_all_tasks_blocked()
        assert came == 1, "it is being dealt with"
        await channels[0].deliver(b"small")
        await channels[0].recv()
        await trio.testing.wait_all_tasks_blocked()
        assert came == 2
        channels[1].ended()
        await trio.testing.wait_all_tasks_blocked()
        assert came == 3, "a channel that ends gives way"


async def test_what_waits_in_all_channels_of_a_link_is_bounded_in_bytes() -> None:
    """There are hundreds of them, and each has room for dozens of messages."""
    link: Any = _Link()
    channels = [LinkChannel(link, FOLDER, DocumentID(bytes([number]) * 16)) for number in range(20)]
    size, came = LARGE_BYTES - 1, 0

    async def send() -> None:
        nonlocal came
        for number in range(2 * len(channels)):
            await channels[number % len(channels)].deliver(bytes(size))
            came += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert came == MOST_BYTES // size
        before = came
        await channels[0].recv()
        await trio.testing.wait_all_tasks_blocked()
        assert came == before, "it is being dealt with"
        channels[0].ended()
        await trio.testing.wait_all_tasks_blocked()
        assert came == before + 1, "who takes no more gives room to the others"
        for channel in channels:
            channel.ended()
        nursery.cancel_scope.cancel()
    assert link.undone.bytes == 0


async def test_one_message_may_always_wait() -> None:
    link: Any = _Link()
    with trio.fail_after(60):
        await link.undone.add(10 * MOST_BYTES)
    link.undone.done(10 * MOST_BYTES)
    channel = LinkChannel(link, FOLDER, DocumentID(bytes(16)))
    channel.close()
    for _ in range(3):
        with pytest.raises(trio.ClosedResourceError):
            await channel.deliver(b"nobody takes it")
    assert link.undone.bytes == 0


async def test_the_inbox_of_a_session_is_bounded_in_bytes_and_lets_go_of_all() -> None:
    link: Any = _Link()
    took, go_on = list[Any](), trio.Event()
    folder: Any = SimpleNamespace(
        observers=SimpleNamespace(uncounted=SimpleNamespace(doubted=())),
        database=SimpleNamespace(writability=SimpleNamespace(problem="", wait=trio.lowlevel.checkpoint)),
    )

    async def take(message: Any) -> None:
        took.append(message)
        await go_on.wait()

    inbox, put = Inbox(folder, take, link.turn, link.undone), 0

    async def send() -> None:
        nonlocal put
        for _ in range(40):
            await inbox.put(_answer(1), LARGE_BYTES - 1)
            put += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert put == MOST_BYTES // (LARGE_BYTES - 1)
        nursery.start_soon(inbox.run)
        await trio.testing.wait_all_tasks_blocked()
        assert (len(took), put) == (1, MOST_BYTES // (LARGE_BYTES - 1) + 1)
        nursery.cancel_scope.cancel()
    inbox.close()
    assert link.undone.bytes == 0
