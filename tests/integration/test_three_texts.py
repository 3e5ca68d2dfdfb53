"""What people do apart, through two and three whole devices: the result is right, the same everywhere, and told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually
from pairs import Case, cases, judge

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


def _write(device: Device, cases: list[Case], side: str) -> None:
    for case in cases:
        path = device.dir / case.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(case.pair[side].encode())


def _wait(*everyone: Device) -> None:
    for device in everyone:
        device.wait(60)


def _told(device: Device) -> set[str]:
    return {notice["path"] for notice in json.loads(device.cli("notices", "--json"))}


def _judge(cases: list[Case], *everyone: Device) -> None:
    """All devices have the same, it is right, and who changed it is told."""
    told = [_told(device) for device in everyone[:2]]
    faults: list[str] = []
    for case in cases:
        texts = {(device.dir / case.path).read_bytes() for device in everyone}
        if len(texts) > 1:
            faults.append(f"{case.path}: {len(texts)} texts")
            continue
        try:
            judge(case.pair, texts.pop().decode(), any(case.path in paths for paths in told))
        except (AssertionError, LookupError, SyntaxError, ValueError) as error:
            faults.append(f"{case.path}: {error!r}\n{(everyone[0].dir / case.path).read_text()[:600]}")
    assert not faults, "\n".join(faults)


def test_small_merges_are_right_on_both_devices(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for name, base, *_ in OWN:
            (one.dir / name).write_text(base)
        two.join(one)
        _wait(one, two)
        two.stop()
        for name, _, ours, theirs, _ in OWN:
            (one.dir / name).write_text(ours)
            (two.dir / name).write_text(theirs)
        one.wait()
        two.start()
        _wait(two, one)
        for name, *_, right in OWN:
            assert (one.dir / name).read_text() == (two.dir / name).read_text() == right, name


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Device]]:
    """Three devices that have the base of all pairs, either way round."""
    with devices(tmp_path, "one", "two", "three") as everyone:
        _write(everyone[0], cases(), "base")
        for device in everyone[1:]:
            device.join(everyone[0])
        _wait(*everyone)
        yield everyone


def _edited_apart(one: Device, two: Device) -> None:
    one.stop()
    two.stop()
    _write(one, cases(), "ours")
    _write(two, cases(), "theirs")


def test_the_pairs_by_two_that_were_stopped(three: list[Device]) -> None:
    one, two, third = three
    third.stop()
    two.stop()
    _write(one, cases(), "ours")
    _write(two, cases(), "theirs")
    one.wait()
    two.start()
    _wait(two, one)
    _judge(cases(), one, two)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_pairs_by_a_third_device_that_meets_them_in_turn(three: list[Device], order: tuple[int, int]) -> None:
    one, two, third = three
    _edited_apart(one, two)
    for number in order:
        three[number].start()
        _wait(three[number], third)
        three[number].stop()
    for device in (one, two):
        device.start()
    to_tell = {case.path for case in cases() if case.pair["right"].get("told")}
    for device in (one, two):
        eventually(lambda device=device: _told(device) >= to_tell, 30, f"telling {device.name} of all")
    _wait(one, two, third)
    _judge(cases(), one, two, third)


def test_the_pairs_by_three_that_meet_at_once(three: list[Device]) -> None:
    one, two, third = three
    third.stop()
    _edited_apart(one, two)
    for device in three:
        device.start()
    _wait(*three)
    _judge(cases(), one, two, third)


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
    _wait(one, two)
    _write(one, edited, "theirs")
    _wait(one, two)
    for case in edited:  # one after the other: many files at once are no work of editors
        _write(two, [case], "ours")
        _wait(two, one)
    for swap in swaps:
        swap.unlink()
    _wait(two, one)
    _judge(edited, two, one)
