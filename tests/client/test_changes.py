"""Changes that tasks are told of."""

from __future__ import annotations

import asyncio
import gc

from yp2p.client.changes import ChangeCount


def test_what_a_task_was_told_is_forgotten_with_the_task() -> None:
    """A new one may have its number, and is told of what comes next alone."""

    async def main() -> None:
        count = ChangeCount(lambda: None)
        for _ in range(5):
            task = asyncio.create_task(_wait(count))
            await asyncio.sleep(0)
            count.add()
            await task
            del task
        await asyncio.sleep(0)  # the last one is what woke us
        gc.collect()
        assert not count.told

    async def _wait(count: ChangeCount) -> None:
        await count.next()

    asyncio.run(main())
