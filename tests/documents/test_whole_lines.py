"""What one did long ago is taken back by whole lines, whatever became of these since."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable
from types import FrameType

from effort import many

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.text import TextReplica
from yp2p.documents.undo import operations, taken_back
from yp2p.protocol.update_merge import Block, encode_update
from yp2p.protocol.ysync import Shape, UpdateParser

MINE, THEIRS, FIRST = 1, 2, 3


class Log:
    """A document, all its updates, and who made them."""

    def __init__(self, text: str) -> None:
        self._replica = TextReplica(99)
        self._rows: list[tuple[int, bytes]] = []
        self.edit(FIRST, text)

    @property
    def text(self) -> str:
        return self._replica.text()

    def edit(self, client: int, *texts: str) -> None:
        for text in texts:
            self.take(client, self._replica.fork(client).edit(hunks(self.text, text)))

    def replace(self, client: int, start: int, stop: int, text: str) -> None:
        self.take(client, self._replica.fork(client).edit([Hunk(start, stop, text)]))

    def replace_all(self, client: int, old: str, new: str) -> None:
        found = [Hunk(at.start(), at.end(), new) for at in re.finditer(old, self.text)]
        self.take(client, self._replica.fork(client).edit(found))

    def take(self, client: int, update: bytes | None) -> None:
        assert update is not None
        self._replica.apply(update)
        self._rows.append((client, update))

    def take_back(self) -> str:
        """All that `MINE` did; gives the text without it."""
        inserted, deleted, change = [], [], []
        for number, (client, update) in enumerate(self._rows):
            parser = UpdateParser(update, Shape.TEXT)
            sections = parser.parse().sections
            if client == MINE:
                inserted += operations(sections)
                deleted += parser.ranges
                change.append(number)
        update = taken_back([update for _, update in self._rows], inserted, deleted, 77, change)
        if update is not None:
            self._replica.apply(update)
        return self.text


def test_of_a_line_that_others_removed_since_no_word_comes_back_alone() -> None:
    log = Log("above\nentry 000146 new\nbelow\n")
    log.edit(MINE, "above\nentry 7 new\nbelow\n")
    log.edit(THEIRS, "above\nbelow\n")
    assert log.take_back() == "above\nbelow\n"


def test_a_word_comes_back_where_something_of_its_line_stands() -> None:
    log = Log("above\nhello wide 😀 world\nbelow\n")
    log.edit(MINE, "above\nhello 😀 world\nbelow\n")
    log.edit(THEIRS, "above\nhi 😀 world\nbelow\n")
    assert log.take_back() == "above\nhi wide 😀 world\nbelow\n"


def test_a_line_that_was_deleted_in_two_steps_comes_back_whole() -> None:
    log = Log("above\nentry 146 old\nbelow\n")
    log.edit(MINE, "above\nentry  old\nbelow\n", "above\nbelow\n")
    log.edit(THEIRS, "above\nbelow\nmore\n")
    assert log.take_back() == "above\nentry 146 old\nbelow\nmore\n"


def test_the_middle_of_two_lines_of_which_others_removed_the_rest_stays_away() -> None:
    log = Log("above\nfirst abc\nwhole\nsecond def\nbelow\n")
    log.replace(MINE, 12, 12 + len("abc\nwhole\nsecond "), "")
    assert log.text == "above\nfirst def\nbelow\n"
    log.edit(THEIRS, "above\nbelow\n")
    assert log.take_back() == "above\nwhole\nbelow\n"


def test_a_line_comes_back_before_one_that_stands_in_its_place() -> None:
    log = Log("above\nlost\nend of it\n")
    log.edit(MINE, "above\nend of it\n")
    word = Block.of_text(THEIRS, (FIRST, 5), (FIRST, 6), "end")  # a repair may write it before what was deleted
    log.take(THEIRS, encode_update([word], [(FIRST, 11, 3)]))
    assert log.text == "above\nend of it\n"
    assert log.take_back() == "above\nlost\nend of it\n"


def test_what_another_wrote_into_a_line_keeps_a_line_of_its_own() -> None:
    log = Log("above\nbelow\n")
    log.edit(MINE, "above\nentry 12 of mine\nbelow\n")
    log.edit(THEIRS, "above\nentry 345 of mine\nbelow\n")
    assert log.take_back() == "above\n345\nbelow\n"


def test_what_stood_in_one_line_stands_in_one_line_again() -> None:
    log = Log("hello world\n")
    log.edit(MINE, "hello\nwide\n world\n")
    log.edit(THEIRS, "hello\nwide\n world\nmore\n")
    assert log.take_back() == "hello world\nmore\n"


def test_no_line_is_made_of_two_where_one_changed_words_and_another_removed_lines() -> None:
    """What the first did is taken back, and each line is one that stood at some time."""
    for seed in range(many(100)):
        rng = random.Random(seed)
        log = Log("".join(f"entry {number:03} 😀\n" for number in range(8)))
        stood = set(log.text.split("\n"))
        for step in range(10):
            client, number = rng.choice([MINE, THEIRS]), 100 * (step + 1)
            lines = log.text.splitlines(keepends=True)
            at = rng.randrange(max(1, len(lines)))
            changed = [f"entry {number} 😀\n"] if client == MINE else []
            lines[at : at + 1] = rng.choice([[], changed, [*lines[at : at + 1], f"new {number}\n"]])
            if (new := "".join(lines)) != log.text:
                stood |= set(new.split("\n"))
                log.edit(client, new)
        assert set(log.take_back().split("\n")) <= stood, seed


def _calls(work: Callable[[], object]) -> int:
    """How many functions are called in some work."""
    count, before = 0, sys.getprofile()

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_taking_back_a_word_of_each_line_takes_twice_as_long_for_twice_as_many_lines() -> None:
    """Others have changed all of them since."""

    def of_lines(number: int) -> int:
        log = Log("an entry, red at its end\n" * number)
        log.replace_all(MINE, "red", "blue")
        log.replace(THEIRS, 0, len(log.text), "all is new\n")
        found = _calls(log.take_back)
        assert log.text == "all is new\n"
        return found

    assert of_lines(800) < 2.2 * of_lines(400)
