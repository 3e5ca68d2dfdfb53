"""`git checkout` between two branches, until the other device's disk has all of it, beside the checkout alone.

A repository of 5,000 files on one device, whose branches differ in 1,000 of them: 800 are changed, 100 there only on
one, 100 only on the other. Checked out in turns; each time all bytes of both trees are compared. Beside each stands
the time that the command takes in a clone outside of any folder, right before it.

Bar: 2 times the checkout itself and a second.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices, tree

LIMIT_S = 300.0
_BRANCHES = ("main", "other")


def git(directory: Path, *arguments: str) -> str:
    """Run git with nothing of this machine's configuration."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
    settings = ("gc.auto=0", "user.name=somebody", "user.email=somebody@example.org")
    command = ["git", "-C", str(directory), *(word for setting in settings for word in ("-c", setting)), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def make_repository(target: Path, files: int, changed: int) -> None:
    """Two branches: of the files of the first, a share is changed, taken out, and added in the second."""
    git(target, "init", "-q", "-b", _BRANCHES[0])
    for number in range(files):
        _write(target, number, "first")
    git(target, "add", ".")
    git(target, "commit", "-qm", "The first branch")
    git(target, "checkout", "-q", "-b", _BRANCHES[1])
    step = max(1, files // changed)
    for number in range(0, changed * 8 // 10 * step, step):
        _write(target, number, "second")
    for number in range(changed // 10):
        _path(target, files - 1 - number).unlink()
        _write(target, files + number, "second")
    git(target, "add", "-A", ".")
    git(target, "commit", "-qm", "The other branch")
    git(target, "checkout", "-q", _BRANCHES[0])


def _path(target: Path, number: int) -> Path:
    return target / f"d{number // 100:03d}" / f"{number}.py"


def _write(target: Path, number: int, branch: str) -> None:
    path = _path(target, number)
    path.parent.mkdir(exist_ok=True)
    lines = [f"line {line} of file {number}\n" for line in range(30)]
    lines[number % 30] = f"what the {branch} branch has in file {number}\n"
    path.write_text("".join(lines))


def working_tree(root: Path) -> dict[str, bytes]:
    """What git and yp2p have in common."""
    return {name: data for name, data in tree(root).items() if name.partition("/")[0] != ".git"}


def until_in_sync(*several: Device) -> None:
    """Until all of it is on every disk: the devices say when."""
    for device in several:
        answer = device.call("POST", "/v1/wait", {"timeout_s": LIMIT_S}, LIMIT_S + 10)
        if not answer["in_sync"]:
            raise SystemExit(f"{device.name} is not in sync after {LIMIT_S:.0f} s: {answer['missing']}")


def measure(files: int, changed: int, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"checkout_s": [], "checkout_to_other_disk_s": [], "after_bar_s": []}
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        make_repository(one.dir, files, changed)
        alone = Path(base, "alone")
        git(Path(base), "clone", "-q", str(one.dir), str(alone))
        git(alone, "branch", "-q", "--track", _BRANCHES[1], f"origin/{_BRANCHES[1]}")
        two.join(one)
        until_in_sync(one, two)
        for number in range(rounds):
            branch = _BRANCHES[1 - number % 2]
            began = time.perf_counter()
            git(alone, "checkout", "-q", branch)
            alone_s = time.perf_counter() - began
            began = time.perf_counter()
            git(one.dir, "checkout", "-q", branch)
            until_in_sync(one, two)
            took_s = time.perf_counter() - began
            if not working_tree(alone) == working_tree(one.dir) == working_tree(two.dir):
                raise SystemExit("the trees are not equal")
            found["checkout_s"].append(alone_s)
            found["checkout_to_other_disk_s"].append(took_s)
            found["after_bar_s"].append(max(0.0, took_s - 2 * alone_s - 1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--changed", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=6)
    options = report.parse(parser)
    report.publish(options, measure(options.files, options.changed, options.rounds), {"after_bar_s": 0.0})


if __name__ == "__main__":
    main()
