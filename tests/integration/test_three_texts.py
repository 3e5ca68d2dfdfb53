"""What people do apart, through two and three whole devices: the result is right, the same everywhere, and told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually
from pairs import cases, judge_all, told_on, wait_for, write

TODO = "(A) write report\n(B) call bank +home\n(C) buy milk @shop\n(D) fix bike\n(E) read book\n"
# file, base, one side, the other one, what is right
OWN = [
    ("todo.txt", TODO, "x done " + TODO, TODO.partition("\n")[2], "x done " + TODO),
    (
        "todo2.txt", TODO, "(D) fix bike\n" + TODO.replace("(D) fix bike\n", ""), TODO.replace("bike", "bike and lamp"),
        "(D) fix bike and lamp\n" + TODO.replace("(D) fix bike\n", ""),
    ),
    (
        "state.json", '{"run": 3, "list": [4]}\n', '{"run": 4, "list": [5]}\n', '{"run": 5, "list": [7]}\n',
        '{"run": 5, "list": [7]}\n',
    ),
    ("same.md", "old\n", "old\nnew line of both\n", "old\nnew line of both\n", "old\nnew line of both\n"),
]  # fmt: skip


def test_small_merges_are_right_on_both_devices(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for name, base, *_ in OWN:
            (one.dir / name).write_text(base)
        two.join(one)
        wait_for(one, two)
        two.stop()
        for name, _, ours, theirs, _ in OWN:
            (one.dir / name).write_text(ours)
            (two.dir / name).write_text(theirs)
        one.wait()
        two.start()
        wait_for(two, one)
        for name, *_, right in OWN:
            assert (one.dir / name).read_text() == (two.dir / name).read_text() == right, name


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Device]]:
    """Three devices that have the base of all pairs, either way round."""
    with devices(tmp_path, "one", "two", "three") as everyone:
        write(everyone[0], cases(), "base")
        for device in everyone[1:]:
            device.join(everyone[0])
        wait_for(*everyone)
        yield everyone


def _edited_apart(one: Device, two: Device) -> None:
    one.stop()
    two.stop()
    write(one, cases(), "ours")
    write(two, cases(), "theirs")


@pytest.mark.long
def test_the_pairs_by_two_that_were_stopped(three: list[Device]) -> None:
    one, two, third = three
    third.stop()
    two.stop()
    write(one, cases(), "ours")
    write(two, cases(), "theirs")
    one.wait()
    two.start()
    wait_for(two, one)
    judge_all(cases(), one, two)


@pytest.mark.long
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_pairs_by_a_third_device_that_meets_them_in_turn(three: list[Device], order: tuple[int, int]) -> None:
    one, two, third = three
    _edited_apart(one, two)
    for number in order:
        three[number].start()
        wait_for(three[number], third)
        three[number].stop()
    for device in (one, two):
        device.start()
    to_tell = {case.path for case in cases() if case.pair["right"].get("told")}
    for device in (one, two):
        eventually(lambda device=device: told_on(device) >= to_tell, 30, f"telling {device.name} of all")
    wait_for(one, two, third)
    judge_all(cases(), one, two, third)


def test_the_pairs_by_three_that_meet_at_once(three: list[Device]) -> None:
    one, two, third = three
    third.stop()
    _edited_apart(one, two)
    for device in three:
        device.start()
    wait_for(*three)
    judge_all(cases(), one, two, third)


@pytest.mark.long
@pytest.mark.parametrize("has_lock", [True, False])
def test_the_pairs_by_an_editor_that_had_the_older_version_open(three: list[Device], has_lock: bool) -> None:
    """On one device; with the swap file that vim has while it edits, or without any."""
    one, two, third = three
    third.stop()
    # Without a lock, who rewrote all that the other one rewrote looks like a program that writes its state.
    edited = [case for case in cases() if has_lock or case.pair["name"] != "both-rewrite"]
    swaps = [(two.dir / case.path).parent / f".{Path(case.path).name}.swp" for case in edited if has_lock]
    for swap in swaps:
        swap.write_bytes(b"b0VIM 9.0\x00")
    for case in edited:
        assert (two.dir / case.path).read_bytes() == case.pair["base"].encode()
    wait_for(one, two)
    write(one, edited, "theirs")
    wait_for(one, two)
    for case in edited:  # one after the other: many files at once are no work of editors
        write(two, [case], "ours")
        wait_for(two, one)
    for swap in swaps:
        swap.unlink()
    wait_for(two, one)
    judge_all(edited, two, one)
