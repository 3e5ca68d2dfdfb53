"""A file that a program writes anew each time is never a mixture of two."""

from __future__ import annotations

import json
import random

import pytest
from effort import many

from yp2p.threeway.merge import merge


@pytest.mark.parametrize("seed", range(many(200)))
def test_of_a_small_file_that_two_programs_wrote_the_later_one_stands(seed: int) -> None:
    rng = random.Random(seed)

    def written(run: int) -> str:
        values = [rng.randrange(1000) for _ in range(rng.randint(0, 5))]
        state = {"run": run, "list": values, "at": f"12:{rng.randrange(60):02}", "who": rng.choice(["a", "b"])}
        return json.dumps(state) + "\n"

    base, first, second = written(3), written(4), written(5)
    for ours, theirs in ((first, second), (second, first)):
        merged = merge("state.json", base, ours, theirs)
        assert merged.text == second
        assert len(merged.told) == 1, "and what the other one wrote is told"


@pytest.mark.parametrize("seed", range(many(50)))
def test_so_does_that_of_several_lines_and_in_json_there_may_be_more_each_time(seed: int) -> None:
    rng = random.Random(seed)

    def table(run: int) -> str:
        return "state\n" + "".join(f"{key} = {rng.randrange(10**6)} ({run})\n" for key in range(4))

    def pretty(run: int) -> str:
        values = [1000 * run + rng.randrange(1000) for _ in range(rng.randint(1, 6))]
        return json.dumps({"run": run, "list": values, "at": rng.randrange(10**6)}, indent=1) + "\n"

    for name, written in (("state.txt", table), ("state.json", pretty)):
        base, first, second = written(2), written(3), written(4)
        merged = merge(name, base, first, second).text
        assert merged in (first, second)
        assert merged == merge(name, base, second, first).text


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "right"),
    [
        ("port = 80\nhost = 1\n", "port = 81\nhost = 1\n", "port = 80\nhost = 2\n", "port = 81\nhost = 2\n"),
        ("3 eggs and milk\n", "4 eggs and milk\n", "5 eggs and soy milk\n", "5 eggs and soy milk\n"),
        (
            "We don't meet on Monday in the office.\n", "We don't meet on Tuesday in the office, so bring coffee.\n",
            "We don't meet on Wednesday in the big office.\n",
            "We don't meet on Wednesday in the big office, so bring coffee.\n",
        ),
        (
            "2026-11-01,12.50\n", "2026-11-01,12.80\n2026-11-02,3.10\n", "2026-11-01,13.00\n2026-11-05,4.20\n",
            "2026-11-01,13.00\n2026-11-02,3.10\n2026-11-05,4.20\n",
        ),
        (
            '7,"Ann","old note","phone 1"\n', '7,"Ann","new note","phone 2"\n', '7,"Ann","other note","phone 1"\n',
            '7,"Ann","other note","phone 2"\n',
        ),
        ("7 eggs and milk\n", "9 eggs and milk\n", "8 eggs and soy milk\n", "9 eggs and soy milk\n"),
    ],
)  # fmt: skip
def test_what_people_change_in_one_line_is_merged_by_words(base: str, ours: str, theirs: str, right: str) -> None:
    assert merge("list.txt", base, ours, theirs).text == right
    assert merge("list.txt", base, theirs, ours).text == right


def test_hostile_lines_cost_no_time() -> None:
    """A pattern that looks at a character more than once would take minutes here."""
    for line in ('"' * 6000, '\\"' * 3000, '"\\' * 3000, "'\"" * 3000, "1, " * 2000, "1 ,\t" * 1500):
        assert merge("a.txt", f"1{line}\n", f"2{line}\n", f"3{line}\n").text
