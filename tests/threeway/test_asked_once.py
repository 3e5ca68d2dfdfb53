"""What is looked for in more than one way to merge is compared once."""

from __future__ import annotations

from collections import Counter

import pytest

from yp2p.threeway import moves
from yp2p.threeway.alike import likeness
from yp2p.threeway.merge import merge


def test_whether_a_line_was_made_of_another_one_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[tuple[str, ...]] = Counter()

    def counted(old: str, new: str, *least: float) -> float:
        asked[old.strip(), new.strip()] += 1
        return likeness(old, new, *least)

    monkeypatch.setattr(moves, "likeness", counted)
    old = [f"the {number}th line that was here before anybody came\n" for number in range(20)]
    new = [f"here {number} is what somebody else would rather have said\n" for number in range(20)]
    there = ["the line that was here before anybody left again\n", *old[1:]]
    assert merge("asked_once.md", "".join(old), "".join(new), "".join(there)).told
    assert asked
    assert set(asked.values()) == {1}
