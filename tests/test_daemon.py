"""The order in which a daemon ends."""

from __future__ import annotations

import trio

from yp2p.daemon import _floor


async def test_what_is_above_still_works_while_what_is_below_ends(autojump_clock: trio.abc.Clock) -> None:
    told: list[str] = []

    async def answering() -> None:
        try:
            while True:
                await trio.sleep(0.1)
                told.append("answered")
        finally:
            told.append("api over")

    async def draining() -> None:
        try:
            await trio.sleep_forever()
        finally:
            told.append("draining")
            with trio.move_on_after(1, shield=True):
                await trio.sleep(0.5)
            told.append("drained")

    async with _floor() as api, _floor() as peers:
        api.start_soon(answering)
        peers.start_soon(draining)
        await trio.sleep(0.05)
    assert told == ["draining", *["answered"] * 5, "drained", "api over"]
