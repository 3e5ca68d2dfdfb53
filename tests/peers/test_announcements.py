"""What one device says it has, while its link is slow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
import trio.testing
from bridge import open_bridge
from conditions import until

from yp2p.peers.announcements import Announcements
from yp2p.protocol.messages import FolderState
from yp2p.transport.link import LinkClosed


class _SlowLink:
    """Takes a message when it is let."""

    def __init__(self) -> None:
        self.is_open = trio.Event()
        self.waiting = 0
        self.sent: list[FolderState] = []

    async def send(self, message: FolderState) -> None:
        self.waiting += 1
        await self.is_open.wait()
        self.waiting -= 1
        self.sent.append(message)


def test_what_changes_while_an_announcement_is_on_its_way_is_announced_next(tmp_path: Path) -> None:
    """Not with the next heartbeat, half a minute later."""

    async def test() -> None:
        (tmp_path / "dir").mkdir()
        (tmp_path / "dir/a.txt").write_text("one\n")
        async with open_bridge(tmp_path) as bridge:
            bridge.folder.state.settled = True
            link: Any = _SlowLink()
            announcements = Announcements(bridge.folder, link, lambda: None)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(announcements.run)
                await until(lambda: link.waiting, 5)
                (tmp_path / "dir/b.txt").write_text("two\n")
                await bridge.look()
                await bridge.folder.database.pending().wait()
                bridge.folder.state.touch()
                link.is_open.set()
                await until(lambda: len(link.sent) > 1, 5)
                assert link.sent[-1].same_as(announcements.state())
                nursery.cancel_scope.cancel()

    trio.run(test, clock=trio.testing.MockClock(rate=1))


async def test_who_asks_over_a_link_that_is_replaced_gets_no_answer_and_no_fault(tmp_path: Path) -> None:
    class Closed:
        async def send(self, message: FolderState) -> None:
            raise LinkClosed("a newer link took its place")

    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        link: Any = Closed()
        assert await Announcements(bridge.folder, link, lambda: None).probe() is None
