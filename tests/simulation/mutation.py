"""How many seeds it takes to notice that a rule is not there: `python -m simulation.mutation [RULE...]`.

For each rule that can be taken out (`ablations.py`), seeds are run from several first ones until one fails; the median
of these numbers is the rule's score. Where a theme is about the rule, only its seeds are run: the number is that of the
first of them that fails, counted with all seeds before it. Of those one may have failed earlier, so the score is a
bound. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets must not differ between runs
    os.execve(
        sys.executable,
        [sys.executable, "-m", "simulation.mutation", *sys.argv[1:]],
        os.environ | {"PYTHONHASHSEED": "0"},
    )

from simulation import privileges, themes
from simulation.ablations import ABLATIONS
from simulation.run import run_seed

_WINDOWS = 3
_APART = 10_000  # between the first seeds
# What takes a rule out does not fit any more, which is no notice.
_MISFITS = (AttributeError, TypeError, NameError, ImportError)


def seeds_until_noticed(rule: str, first: int, most: int, *, all_seeds: bool = False) -> tuple[int, str] | None:
    """The number of the first seed that fails, counted from 1, and how it does; None where all pass.

    Raises:
        RuntimeError: what takes the rule out does not fit.
    """
    theme = "" if all_seeds else ABLATIONS[rule].theme
    for seed in range(first, first + most):
        if theme and ((found := themes.of(seed)) is None or found.name != theme):
            continue
        try:
            run_seed(seed, without=rule)
        except _MISFITS as error:
            raise RuntimeError(f"{rule} cannot be taken out as it is: {error!r}") from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return seed - first + 1, f"{type(error).__name__}: {error}"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulation.mutation", description=__doc__)
    parser.add_argument("rules", nargs="*", metavar="RULE", help="which ones; all without")
    parser.add_argument("--most", type=int, default=300, help="give up after so many seeds")
    parser.add_argument("--windows", type=int, default=_WINDOWS, help="from how many first seeds")
    parser.add_argument("--all-seeds", action="store_true", help="run all seeds, not only those of the rule's theme")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no other rule after that time")
    parser.add_argument("-v", "--verbose", action="store_true", help="say how each was noticed")
    chosen = parser.parse_args()
    privileges.give_up_reading_everything()
    end = time.monotonic() + chosen.minutes * 60
    for rule in chosen.rules or ABLATIONS:
        if time.monotonic() > end:
            break
        numbers: list[int | None] = []
        for window in range(chosen.windows):
            noticed = seeds_until_noticed(rule, window * _APART, chosen.most, all_seeds=chosen.all_seeds)
            numbers.append(noticed[0] if noticed is not None else None)
            if chosen.verbose and noticed is not None:
                print(f"    {noticed[1][:300]}", flush=True)
        shown = ", ".join("-" if number is None else str(number) for number in numbers)
        median = statistics.median(chosen.most + 1 if number is None else number for number in numbers)
        score = f"more than {chosen.most}" if median > chosen.most else f"{median:.0f}"
        ablation = ABLATIONS[rule]
        print(
            f"| {ablation.invariant} | `{rule}` | {ablation.what} | {ablation.theme} | {score} | {shown} |", flush=True
        )


if __name__ == "__main__":
    main()
