"""Of the large messages of all links as much is in memory as fits, whoever sends them and however slowly."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from transport.ends import open_ends

from yp2p.identity import DocumentID, FolderID
from yp2p.protocol.messages import ChannelData, Documents, ManifestQuery, subject_of
from yp2p.transport import incoming, large_messages
from yp2p.transport import link as link_module
from yp2p.transport.large_messages import MOST_BYTES, TURN_BYTES, Turn
from yp2p.transport.link import LinkClosed

FOLDER, DOCUMENT = FolderID(bytes(16)), DocumentID(bytes(16))


def _large(size: int = TURN_BYTES + 1) -> ChannelData:
    return ChannelData(FOLDER, DOCUMENT, bytes(size))


async def test_turns_are_given_in_order_and_as_many_as_fit() -> None:
    turns = [Turn() for _ in range(4)]
    given: list[int] = []

    async def take(number: int, size: int) -> None:
        await turns[number].take(size)
        given.append(number)

    half = MOST_BYTES // 2
    async with trio.open_nursery() as nursery:
        for number, size in enumerate((half, 4 * MOST_BYTES, half, half)):
            nursery.start_soon(take, number, size)
            await trio.testing.wait_all_tasks_blocked()
        assert given == [0], "what fits does not overtake one that came before"
        turns[0].let_go()
        await trio.testing.wait_all_tasks_blocked()
        assert given == [0, 1], "one that is too large for all goes alone"
        turns[1].end()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(given) == [0, 1, 2, 3]
    for turn in turns:
        turn.end()


async def test_who_is_cancelled_while_waiting_keeps_nobody() -> None:
    first, second, third = Turn(), Turn(), Turn()
    await first.take(MOST_BYTES)
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.01):
            await second.take(4 * MOST_BYTES)
        nursery.start_soon(third.take, MOST_BYTES)
        await trio.testing.wait_all_tasks_blocked()
        first.let_go()
    assert third.is_taken
    assert not second.is_taken
    third.end()


async def test_a_turn_lasts_until_all_who_hold_it_are_done() -> None:
    turn, other = Turn(), Turn()
    assert not turn.hold()
    await turn.take(MOST_BYTES)
    assert turn.hold()
    turn.let_go()
    assert turn.is_taken
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.take, MOST_BYTES)
        await trio.testing.wait_all_tasks_blocked()
        assert not other.is_taken
        turn.let_go()
    assert other.is_taken
    other.end()


async def test_one_link_reads_a_large_message_while_another_works_on_one() -> None:
    """It waits as long as both do not fit, and small ones of others go past."""
    size = MOST_BYTES // 2 + 1
    with trio.fail_after(20):
        async with open_ends() as one, open_ends() as two, trio.open_nursery() as nursery:
            nursery.start_soon(one[0].send, _large(size))
            assert await one[1].receive() == _large(size)
            nursery.start_soon(two[0].send, _large(size))
            with trio.move_on_after(0.3) as waited:
                await two[1].receive()
            assert waited.cancelled_caught, "one is worked on"
            nursery.start_soon(one[0].send, ManifestQuery(FOLDER))
            assert await one[1].receive() == ManifestQuery(FOLDER)  # the first is done
            assert await two[1].receive() == _large(size)


async def test_a_link_that_ends_lets_go() -> None:
    size = MOST_BYTES // 2 + 1
    with trio.fail_after(20):
        async with open_ends() as one, trio.open_nursery() as nursery:
            nursery.start_soon(one[0].send, _large(size))
            assert await one[1].receive() == _large(size)
        async with open_ends() as two, trio.open_nursery() as nursery:
            nursery.start_soon(two[0].send, _large(size))
            assert await two[1].receive() == _large(size)


async def test_what_nobody_waits_for_is_not_kept() -> None:
    with trio.fail_after(20):
        async with open_ends() as (there, here), trio.open_nursery() as nursery:
            heads: list[bytes] = []
            here.is_wanted = lambda head, size: bool(heads.append(head))
            there.send_nowait(Documents(FOLDER, ((DOCUMENT, bytes(8 * TURN_BYTES)),)))
            nursery.start_soon(there.send, _large(TURN_BYTES // 2))
            assert await here.receive() == _large(TURN_BYTES // 2), "what comes after it in its lane"
            assert [subject_of(head) for head in heads] == [(Documents.TYPE, FOLDER, DOCUMENT)]
            assert not here.turn.is_taken
            here.is_wanted = lambda head, size: True
            nursery.start_soon(there.send, _large())
            assert await here.receive() == _large()
            assert here.turn.is_taken


async def test_a_message_that_does_not_come_keeps_the_others_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_messages, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(large_messages, "_SLOW_BYTES_PER_S", 1 << 40)
    monkeypatch.setattr(incoming, "_LOOK_S", 0.05)
    size = MOST_BYTES // 2 + 1
    with trio.fail_after(20):
        async with open_ends() as slow, open_ends() as other, trio.open_nursery() as nursery:
            slow[0]._encoder.send(b"\x20" + bytes(size), link_module.Lane.BULK)
            for _ in range(4):  # a part of it that the kernels take while nobody reads, and then no more
                await slow[0]._stream.send_all(slow[0]._encoder.data_to_send() or b"")
            with trio.move_on_after(0.5) as alone:
                await slow[1].receive()
            assert alone.cancelled_caught, "nobody else waits: it may take its time"
            nursery.start_soon(other[0].send, _large(size))
            async with trio.open_nursery() as both:
                both.start_soon(other[1].receive)
                with pytest.raises(LinkClosed, match="too long"):
                    await slow[1].receive()
                slow[1].turn.end()
