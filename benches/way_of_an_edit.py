"""The way of an edit through the code: one line of a file is saved on one device, and is in the file on another.

Two real daemons on loopback note every call of a function of the package meanwhile: on the first from the report of
inotify to the socket, on the second from the socket to the file that is put in place. Printed are the medians of
--rounds edits: calls (a coroutine that goes on counts again), modules and rooms, and how often the next call is in
another one. `--list` prints the calls of the last edit, `--json` JSON.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from way import FROM_DISK, FROM_SOCKET, TO_DISK, TO_SOCKET, Call, figures, part, traced_devices, traced_edit

# What is done after an edit (looking again, packing) is not to be counted for the next one.
_REST_S = 2.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
    options = report.parse(parser)
    ways: dict[str, list[list[Call]]] = {"disk to socket": [], "socket to disk": []}
    with traced_devices() as (one, two):
        for number in range(1 + options.rounds):  # the first one opens the channel
            time.sleep(_REST_S)
            here, there = traced_edit(one, two, number)
            if number:
                ways["disk to socket"].append(part(here, FROM_DISK, TO_SOCKET))
                ways["socket to disk"].append(part(there, FROM_SOCKET, TO_DISK))
    found = {
        name: {key: statistics.median(figures(way)[key] for way in rounds) for key in figures(rounds[0])}
        for name, rounds in ways.items()
    }
    report.publish(options, found)
    if options.list:
        for name in found:
            print(name, "".join(f"    {module}  {call}\n" for module, call in ways[name][-1]), sep="\n")


if __name__ == "__main__":
    main()
