"""How many seeds it takes to notice that a rule is not there: `python -m simulation.mutation [RULE...]`.

For each rule that can be taken out (`ablations.py`), seeds are run from several first ones until one fails; the median
of these numbers is the rule's score. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from simulation.ablations import ABLATIONS

_WINDOWS = 3
_APART = 10_000  # between the first seeds


def seeds_until_noticed(rule: str, first: int, most: int) -> int | None:
    """The number of the first seed that fails, counted from 1; None where all pass."""
    command = [sys.executable, "-m", "simulation", str(first), str(most), "--without", rule]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("FAILED: make simulate SEED="):
            return int(line.split("SEED=")[1].split()[0]) - first + 1
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulation.mutation", description=__doc__)
    parser.add_argument("rules", nargs="*", metavar="RULE", help="which ones; all without")
    parser.add_argument("--most", type=int, default=300, help="give up after so many seeds")
    parser.add_argument("--windows", type=int, default=_WINDOWS, help="from how many first seeds")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no other rule after that time")
    chosen = parser.parse_args()
    end = time.monotonic() + chosen.minutes * 60
    for rule in chosen.rules or ABLATIONS:
        if time.monotonic() > end:
            break
        found = [seeds_until_noticed(rule, window * _APART, chosen.most) for window in range(chosen.windows)]
        shown = ", ".join("-" if number is None else str(number) for number in found)
        median = statistics.median(chosen.most + 1 if number is None else number for number in found)
        score = f"more than {chosen.most}" if median > chosen.most else f"{median:.0f}"
        ablation = ABLATIONS[rule]
        print(f"| {ablation.invariant} | `{rule}` | {ablation.what} | {score} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
