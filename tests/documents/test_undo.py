"""One's own changes are taken back, and nobody else's."""

from __future__ import annotations

import random

import pytest
from effort import many

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.text import TextReplica
from yp2p.documents.undo import undone
from yp2p.protocol.clients import Writer

_SAVED = Writer.SAVED.client_id(1)


class Log:
    """A document and all its updates."""

    def __init__(self) -> None:
        self.replica = TextReplica(1)
        self.updates: list[bytes] = []
        self._client = 100

    def edit(self, new: str, client: int = 1) -> bytes:
        fork = self.replica.fork(client)
        update = fork.edit(hunks(fork.text(), new))
        assert update is not None
        return self._take(update)

    def undo(self, *change: bytes) -> bytes:
        self._client += 1
        update = undone(self.updates, change, self._client)
        assert update is not None
        return self._take(update)

    def _take(self, update: bytes) -> bytes:
        self.replica.apply(update)
        self.updates.append(update)
        return update

    @property
    def text(self) -> str:
        return self.replica.text()


def test_only_the_change_goes() -> None:
    log = Log()
    log.edit("one\ntwo\n")
    mine = log.edit("one\nmine 😀\ntwo\n")
    log.edit("one\nmine 😀\ntwo\ntheirs é\n", client=2)
    undo = log.undo(mine)
    assert log.text == "one\ntwo\ntheirs é\n"
    log.undo(undo)
    assert log.text == "one\nmine 😀\ntwo\ntheirs é\n"


def test_what_was_removed_comes_back_where_it_was() -> None:
    log = Log()
    log.edit("one\nkept é\n😀 removed\nlast\n")
    mine = log.edit("one\nkept é\nlast\n")
    log.edit("zero\none\nkept é\nlast\nmore\n", client=2)
    log.undo(mine)
    assert log.text == "zero\none\nkept é\n😀 removed\nlast\nmore\n"


def test_several_updates_are_one_change() -> None:
    log = Log()
    log.edit("a b c d\n")
    change = [log.edit("x b c d\n"), log.edit("x b c y\n"), log.edit("x b c y\nz\n")]
    log.undo(*change)
    assert log.text == "a b c d\n"


def test_what_others_removed_already_is_nothing_to_undo() -> None:
    log = Log()
    log.edit("one\n")
    mine = log.edit("one\nmine\n")
    log.edit("one\n", client=2)
    assert undone(log.updates, [mine], 9) is None


def test_what_was_gone_when_a_save_of_an_older_version_was_merged_does_not_come_back() -> None:
    """The log says that the save removed it as well."""
    log = Log()
    log.edit("one\ntwo\n", client=_SAVED)
    fork = log.replica.fork(_SAVED + 1)
    log.edit("one\nzwei\n", client=_SAVED + 2)
    mine = fork.edit(hunks(fork.text(), "one\n2222\n"))
    assert mine is not None
    log._take(mine)
    assert sorted(log.text.splitlines()) == ["2222", "one", "zwei"]
    log.undo(mine)
    assert log.text == "one\nzwei\n"


@pytest.mark.parametrize("seed", range(many(20)))
def test_undoing_everything_of_one_device_leaves_what_the_others_wrote(seed: int) -> None:
    rng = random.Random(seed)
    log = Log()
    log.edit("".join(f"line {number}\n" for number in range(20)))
    before, mine = log.text, list[bytes]()
    for number in range(30):
        lines = log.text.splitlines(keepends=True)
        lines.insert(rng.randrange(len(lines) + 1), f"{number} ü😀\n" if number % 2 else f"theirs {number}\n")
        client = 1 if number % 2 else 2
        update = log.edit("".join(lines), client)
        if client == 1:
            mine.append(update)
    undos = [log.undo(update) for update in reversed(mine)]
    left = log.text.splitlines()
    assert [line for line in left if not line.startswith("theirs")] == before.splitlines()
    assert sum(line.startswith("theirs") for line in left) == 15
    for undo in reversed(undos):
        log.undo(undo)
    assert sum("ü😀" in line for line in log.text.splitlines()) == 15


def test_the_log_is_not_changed_by_looking() -> None:
    log = Log()
    mine = log.edit("one\n")
    other = TextReplica.from_updates(5, log.updates)
    other.edit([Hunk(0, 0, "x")])
    assert undone(log.updates, [mine], 9) == undone(log.updates, [mine], 9)
    assert log.text == "one\n"
