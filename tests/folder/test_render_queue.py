"""What is to be rendered, and in which batches after one of them has failed."""

from __future__ import annotations

from yp2p.folder.render_queue import RenderQueue
from yp2p.identity import EntryID

_ENTRIES = [EntryID(bytes([number]) * 16) for number in range(100)]
_BAD, _TYPED = _ENTRIES[40], EntryID(b"t" * 16)


async def test_after_a_batch_that_failed_each_file_comes_soon_whatever_else_there_is_to_do() -> None:
    queue = RenderQueue()
    queue.want_all(_ENTRIES)
    done: set[EntryID] = set()
    rounds = 0
    while len(done) < len(_ENTRIES) - 1:
        rounds += 1
        assert rounds < 50
        if rounds > 1:
            queue.want(_TYPED)  # somebody types all the time
        batches = queue.batches()
        assert rounds == 1 or _TYPED in batches[0], "and waits for no file that failed"
        for batch in batches:
            for entry in batch:
                queue.take(entry)
            if _BAD in batch:
                queue.failed(batch)
                break
            queue.succeeded(batch)
            done.update(entry for entry in batch if entry != _TYPED)
    assert set(queue) == {_BAD}
    assert queue.has_failed(_BAD)
    assert not any(queue.has_failed(entry) for entry in done)


async def test_a_file_that_failed_and_is_done_is_as_all_others() -> None:
    queue = RenderQueue()
    queue.failed(_ENTRIES[:2])
    assert [set(batch) for batch in queue.batches()] == [set(), set(_ENTRIES[:2])]
    queue.succeeded(_ENTRIES[:2])
    assert [set(batch) for batch in queue.batches()] == [set(_ENTRIES[:2])]
