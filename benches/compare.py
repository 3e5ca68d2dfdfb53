"""Two commits side by side: each bench is run with the code of A and with that of B in turns, and each row is judged.

    python benches/compare.py HEAD~20 HEAD
    python benches/compare.py main . --runs 9 --bench "first_sync --files 2000" --bench latency

A and B are revisions of git, checked out into worktrees of their own for the time that it takes, or `.`: the checkout
as it is now. The benches are those of this checkout for both, and the libraries those of this Python; what is taken
from A and B is the package. The runs are A B, B A, A B and so on, so that a machine that slows down slows both.

What is noise is told by the rule of `judgement.py`. `compare.py A A` shows how much noise there is.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgement import LEAST_RUNS, Judged, Verdict, expected_false, judge
from report import Row, load_rows, number

ROOT = Path(__file__).resolve().parents[1]
_HERE = "."
_BENCHES = ("latency", "first_sync --files 2000", "at_rest --files 1000 --no-strace", "git_checkout --files 1000")
_LIMIT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: what it was called, where its package is, its commit."""

    name: str
    code: Path
    commit: str


@contextmanager
def checked_out(revision: str, base: Path) -> Iterator[Side]:
    """The code of a revision, compiled."""
    if revision == _HERE:
        yield Side(revision, ROOT, "this checkout")
        return
    name = _git("rev-parse", "--verify", f"{revision}^{{commit}}")
    target = Path(tempfile.mkdtemp(dir=base)) / "code"
    _git("worktree", "add", "--quiet", "--detach", str(target), name)
    try:
        compileall.compile_dir(target / "yp2p", quiet=2, workers=1)
        yield Side(revision, target, name)
    finally:
        _git("worktree", "remove", "--force", str(target))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def run(side: Side, bench: str) -> dict[str, Any]:
    """The report of one run of a bench with the code of a side."""
    name, *arguments = shlex.split(bench)
    with tempfile.TemporaryDirectory() as base:
        output = Path(base, "report.json")
        command = [sys.executable, str(ROOT / "benches" / f"{name}.py"), *arguments, "--json", str(output)]
        environment = {**os.environ, "PYTHONPATH": str(side.code)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        if not output.exists():  # a bench whose bars are not met may fail, and has written what it found
            raise SystemExit(f"{bench} with {side.name}: {done.returncode}\n{done.stderr[-2000:]}")
        report = dict(json.loads(output.read_text()))
    if side.code != ROOT and report["commit"] != side.commit:
        raise SystemExit(f"{bench} measured {report['commit']} and not {side.commit}: is the package on the path?")
    return report


def order(runs: int) -> list[int]:
    """Which side's turn it is: 0 1, 1 0, 0 1 and so on."""
    return [side for number in range(runs) for side in ((0, 1) if number % 2 == 0 else (1, 0))]


def judged(reports: tuple[Sequence[dict[str, Any]], Sequence[dict[str, Any]]]) -> list[tuple[Row, Judged]]:
    """Each row that all runs of both sides have, in the order of the first of them."""
    runs = [[{row.name: row for row in load_rows(report["rows"])} for report in side] for side in reports]
    first = runs[0][0]
    everywhere = [name for name in first if all(name in rows for side in runs for rows in side)]
    return [
        (first[name], judge(*([rows[name].median for rows in side] for side in runs), better=first[name].better))
        for name in everywhere
    ]


def lines(found: Sequence[tuple[Row, Judged]]) -> Iterator[str]:
    """The table of a bench."""
    yield f"{'':40} {'A':>10} {'B':>10}  {'B/A':>5}  {'19 of 20':14} {'p':>6}  "
    for row, one in found:
        ratio = "-" if one.ratio is None else f"{one.ratio:.2f}"
        between = "" if one.low is None or one.high is None else f"{one.low:.2f} to {one.high:.2f}"
        yield (
            f"{f'{row.name}, {row.unit}'.rstrip(', '):40} {number(one.median_a):>10} {number(one.median_b):>10}  "
            f"{ratio:>5}  {between:14} {one.p:6.3f}  {one.verdict.value}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--bench", action="append", help=f"with its arguments; the default is {', '.join(_BENCHES)}")
    parser.add_argument("--runs", type=int, default=LEAST_RUNS, help="of each side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all reports")
    options = parser.parse_args()
    kept: dict[str, Any] = {}
    worse, rows = 0, 0
    with tempfile.TemporaryDirectory() as base, ExitStack() as stack:
        sides = [stack.enter_context(checked_out(name, Path(base))) for name in (options.a, options.b)]
        print(f"A is {sides[0].name} ({sides[0].commit[:12]}), B is {sides[1].name} ({sides[1].commit[:12]})")
        for bench in options.bench or _BENCHES:
            reports: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
            for turn in order(options.runs):
                reports[turn].append(run(sides[turn], bench))
            found = judged(reports)
            load = [report["load"][0] for side in reports for report in side]
            loaded = sum(report["loaded"] for side in reports for report in side)
            print(f"\n{bench}: {options.runs} runs each, load {min(load):.1f} to {max(load):.1f}"
                  f"{f', {loaded} of them LOADED' if loaded else ''}")  # fmt: skip
            print("\n".join(lines(found)), flush=True)
            rows += len(found)
            worse += sum(one.verdict is Verdict.WORSE for _, one in found)
            kept[bench] = {"a": reports[0], "b": reports[1]}
    print(f"\n{worse} of {rows} rows are worse; by chance {expected_false(rows):.1f} would look different")
    if options.json is not None:
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    sys.exit(bool(worse))


if __name__ == "__main__":
    main()
