"""The last lines of the log: how many are kept, what came behind a line, waiting for the next one."""

from __future__ import annotations

import threading

import trio
import trio.testing

from yp2p.recent_lines import RecentLines


def test_the_last_lines_are_kept() -> None:
    lines = RecentLines(3)
    assert lines.after(0, 10) == (0, [])
    for number in range(1, 6):
        lines.add({"event": number})
    assert lines.after(0, 10) == (5, [{"event": 3}, {"event": 4}, {"event": 5}])
    assert lines.after(0, 1) == (5, [{"event": 5}])
    assert lines.after(4, 10) == (5, [{"event": 5}])
    assert lines.after(5, 10) == lines.after(9, 10) == (5, [])
    assert lines.after(0, 0) == (5, [])


async def test_whoever_waits_hears_of_a_line_from_any_thread(autojump_clock: trio.abc.Clock) -> None:
    lines = RecentLines()
    lines.add({"event": "first"})
    await lines.wait(0)  # it is there
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines.wait, 1)
        nursery.start_soon(lines.wait, 1)
        await trio.testing.wait_all_tasks_blocked()
        threading.Thread(target=lines.add, args=({"event": "second"},)).start()
    with trio.move_on_after(1) as scope:
        await lines.wait(2)
    assert scope.cancelled_caught
    assert lines._waiting == []
