"""Of large messages a peer cannot have us keep more than a few, whatever it sends and does not read."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing

from yp2p.identity import DocumentID, FolderID
from yp2p.peers.questions import Questions
from yp2p.protocol.messages import Documents, ManifestQuery
from yp2p.transport.channel import LARGE_BYTES, LinkChannel
from yp2p.transport.large_messages import Turn

FOLDER = FolderID(bytes(16))


class _Link:
    """A link that takes everything."""

    large_one: trio.Event | None = None

    def __init__(self) -> None:
        self.turn = Turn()

    async def send(self, message: object) -> None:
        await trio.lowlevel.checkpoint()


def _answer(size: int) -> Documents:
    return Documents(FOLDER, ((DocumentID(bytes(16)), bytes(size)),))


async def test_an_answer_that_nobody_asked_for_is_dropped() -> None:
    link: Any = _Link()
    questions = Questions(link)
    with trio.fail_after(5):
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
    with trio.fail_after(5):
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
