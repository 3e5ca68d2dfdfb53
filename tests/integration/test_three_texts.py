"""What people do apart, through two and three whole devices: the result is right, the same everywhere, and told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices

_PAIRS = Path(os.environ.get("YP2P_MERGES", Path(__file__).parents[3] / "shared" / "merges")) / "pairs.json"

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


def _meet(one: Device, two: Device, files: list[tuple[str, str, str, str]]) -> Iterator[str]:
    """Edit files apart on two devices, by stopping one; gives what they are afterwards."""
    for name, base, _, _ in files:
        (one.dir / name).write_bytes(base.encode())
    two.join(one)
    one.wait()
    two.wait()
    two.stop()
    for name, _, ours, theirs in files:
        (one.dir / name).write_bytes(ours.encode())
        (two.dir / name).write_bytes(theirs.encode())
    one.wait()
    two.start()
    two.wait()
    one.wait()
    for name, *_ in files:
        found = (one.dir / name).read_bytes()
        assert (two.dir / name).read_bytes() == found, name
        yield found.decode()


def test_small_merges_are_right_on_both_devices(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for (name, *_, right), found in zip(OWN, _meet(one, two, [case[:4] for case in OWN]), strict=True):
            assert found == right, name


@pytest.mark.skipif(not _PAIRS.exists(), reason="the full set of pairs is not beside this checkout")
def test_the_pairs(tmp_path: Path) -> None:
    pairs = json.loads(_PAIRS.read_text())
    for number, pair in enumerate(pairs):
        pair["file"] = f"{number}-{pair['file']}"
    files = [(p["file"], p["base"], p["ours"], p["theirs"]) for p in pairs]
    with devices(tmp_path, "one", "two") as (one, two):
        for pair, found in zip(pairs, _meet(one, two, files), strict=True):
            print(pair["name"], repr(found[:300]))
