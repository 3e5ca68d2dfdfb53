"""What may come into a folder that has a quota."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import trio

from yp2p.folder.quota import Quota


def _files(**sizes: int) -> Any:
    """Files by entry; the content of each is its name."""
    return {
        name.encode(): SimpleNamespace(content=name.encode(), stamp=SimpleNamespace(size=size))
        for name, size in sizes.items()
    }


async def test_what_may_come_counts_until_a_file_has_it(autojump_clock: trio.abc.Clock) -> None:
    quota = Quota()
    assert quota.refusal({b"any": 1 << 50}, 0, _files()) == "", "there is no limit"
    quota.limit = 100
    assert quota.refusal({b"a": 90}, 0, _files()) == ""
    for _ in range(5):  # however long it takes to come
        await trio.sleep(10)
        assert "quota" in quota.refusal({b"b": 90}, 0, _files())
    assert quota.refusal({b"a": 90}, 0, _files()) == "", "it is the same content"
    await trio.sleep(10)
    assert quota.refusal({b"b": 10}, 0, _files(a=90)) == ""
    assert "quota" in quota.refusal({b"c": 1}, 0, _files(a=90))
    quota.forget(b"b")
    assert quota.refusal({b"c": 1}, 0, _files(a=90)) == ""


async def test_what_is_replaced_makes_room(autojump_clock: trio.abc.Clock) -> None:
    quota = Quota()
    quota.limit = 100
    assert "quota" in quota.refusal({b"new": 60}, 0, _files(old=60))
    assert quota.refusal({b"new": 60}, 60, _files(old=60)) == ""
