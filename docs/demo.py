"""Two devices on this one machine: they find each other, pair with a code, and merge two edits made at once.

Everything stays in a temporary directory and on the loopback interface.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

YP2P = str(Path(sys.executable).parent / "yp2p")


def say(text: str) -> None:
    print(text, flush=True)


class Demo:
    def __init__(self, base: Path) -> None:
        self._base = base
        self._daemons: list[subprocess.Popen[bytes]] = []

    def environment(self, name: str) -> dict[str, str]:
        return {
            **os.environ,
            "YP2P_HOME": str(self._base / name / "yp2p"),
            "YP2P_DEVICE__NAME": name,
            "YP2P_LISTEN__ADDRESS": "127.0.0.1",
            "YP2P_LISTEN__PORT": "0",
            "YP2P_DISCOVERY__INTERFACES": "127.0.0.1",
        }

    def start(self, name: str) -> Path:
        folder = self._base / name / "notes"
        folder.mkdir(parents=True)
        with (self._base / name / "log").open("wb") as log:
            self._daemons.append(subprocess.Popen([YP2P, "daemon"], env=self.environment(name), stdout=log, stderr=log))
        wait_until(lambda: self._is_up(name), f"the daemon of {name} does not start")
        return folder

    def _is_up(self, name: str) -> bool:
        command = [YP2P, "status", "--json"]
        return subprocess.run(command, env=self.environment(name), capture_output=True).returncode == 0

    def run(self, name: str, *arguments: str, typed: str = "") -> str:
        say(f"   {name}$ yp2p {' '.join(arguments).replace(str(self._base / name), '~')}")
        done = subprocess.run(
            [YP2P, *arguments], env=self.environment(name), input=typed, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"   that did not work: {done.stderr}")
        return done.stdout.strip()

    def stop(self) -> None:
        for daemon in self._daemons:
            daemon.terminate()
        for daemon in self._daemons:
            daemon.wait(10)


def wait_until(condition: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"   {problem}")
        time.sleep(0.02)


def show(folder: Path) -> None:
    for path in sorted(folder.glob("*.txt")):
        say(f"   {path.parent.parent.name}: {path.name}")
        for line in path.read_text().splitlines():
            say(f"      | {line}")


def play(demo: Demo) -> None:
    say("1. Two devices, a laptop and a desktop, each with its own yp2p, on this one machine.")
    laptop, desktop = demo.start("laptop"), demo.start("desktop")
    notes = laptop / "shopping.txt"
    notes.write_text("apples\nbread\ncheese\n")

    say("\n2. The laptop shares its notes and shows a code; somebody types it on the desktop. That is all the set-up:")
    say("   they find each other over mDNS, and the code proves that they are the right two.")
    code = demo.run("laptop", "share", str(laptop))
    say(f"   {code}")
    demo.run("desktop", "join", str(desktop), typed=code)
    wait_until((desktop / "shopping.txt").exists, "the file did not arrive")
    demo.run("desktop", "wait", "--timeout", "15")
    say("   The file is there:")
    show(desktop)

    say("\n3. Now both edit the same file at the same moment: the laptop the first line, the desktop the last.")
    notes.write_text("green apples\nbread\ncheese\n")
    (desktop / "shopping.txt").write_text("apples\nbread\ncheese\nwine\n")
    demo.run("laptop", "wait", "--timeout", "15")
    demo.run("desktop", "wait", "--timeout", "15")
    show(laptop)
    show(desktop)
    same = notes.read_bytes() == (desktop / "shopping.txt").read_bytes()
    merged = notes.read_text() == "green apples\nbread\ncheese\nwine\n"
    if not same or not merged or len(list(laptop.glob("*.txt"))) != 1:
        sys.exit("\n   That is not what should have happened. The logs are above this line's directory.")
    say("\n   Both edits are there, on both devices, in one file. No server, no account, no conflict copy.")
    say("   On your own devices: make run DIR=~/notes")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="yp2p-demo-") as base:
        demo = Demo(Path(base))
        try:
            play(demo)
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
