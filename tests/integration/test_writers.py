"""Programs on two whole devices that write the same file in turns, neither reading what the other one wrote.

The long pauses are in virtual time (`tests/disk/test_turns.py`). What a document holds is asked of the daemon: who
reads the file would look like the program.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
import trio
from lab import Device, devices, eventually
from pairs import wait_for

from yp2p.client import File, connect

PAUSES_S = (0.1, 0.3, 1.0)
ROUNDS = [pytest.param(8, id="few"), pytest.param(200, id="many", marks=pytest.mark.long)]


def _held(device: Device, name: str) -> str:
    return str(device.call("POST", "/v1/history/show", {"path": str(device.dir / name)})["text"])


@pytest.mark.parametrize("rounds", ROUNDS)
def test_of_programs_that_write_their_small_file_the_later_one_stands(tmp_path: Path, rounds: int) -> None:
    rng = random.Random(rounds)
    written = ['{"run": 3, "list": [4, 5, 6]}\n']
    with devices(tmp_path, "one", "two") as pair:
        one, two = pair
        (one.dir / "state.json").write_text(written[0])
        two.join(one)
        wait_for(one, two)
        for number in range(rounds):
            device = pair[number % 2] if rng.random() < 0.8 else rng.choice(pair)
            values = [rng.randrange(1000) for _ in range(rng.randint(1, 5))]
            written.append(json.dumps({"run": number + 4, "list": values}) + "\n")
            (device.dir / "state.json").write_text(written[-1])
            time.sleep(rng.choice(PAUSES_S))  # the pace of the program
            for there in pair:
                assert _held(there, "state.json") in written, number
        wait_for(one, two)
        assert _held(one, "state.json") == _held(two, "state.json") == written[-1]
        assert (one.dir / "state.json").read_text() == (two.dir / "state.json").read_text() == written[-1]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_of_programs_that_write_lines_of_their_own_all_stand(tmp_path: Path, rounds: int) -> None:
    """Each program writes the whole file as it has it, with what it knows of the other one's lines: the beginning."""
    rng = random.Random(rounds)
    keys = [f"{who}{key}" for key in range(4) for who in "ab"]

    def text(values: dict[str, int]) -> str:
        return "".join(f"{key} = {values[key]}\n\n# comment {key}\n\n" for key in keys)

    everything = dict.fromkeys(keys, 0)
    own = [dict(everything), dict(everything)]
    with devices(tmp_path, "one", "two") as pair:
        one, two = pair
        (one.dir / "values.txt").write_text(text(everything))
        two.join(one)
        wait_for(one, two)
        assert all((there.dir / "values.txt").read_text() == text(everything) for there in pair)
        for number in range(rounds):
            which, key = number % 2, f"{'ab'[number % 2]}{number // 2 % 4}"
            own[which][key] = everything[key] = number + 1
            (pair[which].dir / "values.txt").write_text(text(own[which]))
            time.sleep(rng.choice(PAUSES_S))  # the pace of the program
        wait_for(one, two)
        for there in pair:
            eventually(lambda there=there: _held(there, "values.txt") == text(everything), what="all lines")
        assert any(
            notice["kind"] == "older-save-merged" for there in pair for notice in there.call("GET", "/v1/notices")
        )


@pytest.mark.parametrize("reads", [pytest.param(False, marks=pytest.mark.long), True])
def test_an_editor_that_never_loads_what_comes_keeps_both_sides_lines(tmp_path: Path, reads: bool) -> None:
    """20 rounds, with the swap file that vim has; also while somebody else reads all that comes."""
    buffer = "".join(f"line {number} of the file\n" for number in range(100))
    with devices(tmp_path, "one", "two") as (one, two):
        mine, theirs = one.dir / "notes.txt", two.dir / "notes.txt"
        mine.write_text(buffer)
        two.join(one)
        wait_for(one, two)
        assert mine.read_text() == buffer
        mine.with_name(".notes.txt.swp").write_bytes(b"b0VIM 9.0\x00")
        for number in range(20):
            text = theirs.read_text().replace(f"line {2 * number + 41} of", f"line {2 * number + 41} from afar,")
            theirs.write_text(text + f"added elsewhere {number}\n")
            wait_for(two, one)
            if reads:
                assert f"added elsewhere {number}\n" in mine.read_text()
            buffer = buffer.replace(f"line {2 * number} of", f"typed here {number}\nline {2 * number} here, of")
            mine.write_text(buffer)
            wait_for(one, two)
        text = theirs.read_text()
        assert mine.read_text() == text
        for number in range(20):
            lines = (
                f"typed here {number}\n", f"added elsewhere {number}\n", f"line {2 * number} here, of the file\n",
                f"line {2 * number + 41} from afar, the file\n",
            )  # fmt: skip
            for line in lines:
                assert text.count(line) == 1, line


@pytest.mark.long
async def test_programs_that_type_on_while_devices_compare_lose_no_letter(tmp_path: Path) -> None:
    """In one line, for longer than the half minute after which devices compare what they have, also of what is typed.

    What crosses then is on its way, and not made apart: there is nothing to decide.
    """
    keys = 450

    async def type_in(file: File, first: int) -> None:
        at = file.position(str(file).index("|"))
        for number in range(keys):
            file.insert(file.index_of(at), chr(first + number))
            await trio.sleep(0.1)  # the pace of the program

    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "typed.py").write_text("# before\ntext = 'here | there'\n# behind\n")
        two.join(one)
        await trio.to_thread.run_sync(wait_for, one, two)
        firsts = 0x4E00, 0x6E00
        wanted = {chr(first + number) for first in firsts for number in range(keys)}
        async with (
            connect(one.home / "control.sock") as here,
            connect(two.home / "control.sock") as there,
            here.open("typed.py") as left,
            there.open("typed.py") as right,
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(type_in, left, firsts[0])
                nursery.start_soon(type_in, right, firsts[1])
            with trio.fail_after(60):
                for file in (left, right):
                    while not wanted <= set(str(file)):
                        await file.changed()
        assert not one.call("GET", "/v1/notices")
        assert not two.call("GET", "/v1/notices")
