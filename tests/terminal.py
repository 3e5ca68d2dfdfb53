"""A command on a terminal, as a person sees it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lab import YP2P, Device, eventually


def _heed_interrupts() -> None:
    """A shell has what it runs in the background ignore Ctrl-C, and what is ignored stays so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A command on a terminal of 40 lines, and all that it has written there."""

    def __init__(self, device: Device, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.text = ""
        environment = device.environment | {"TERM": "xterm", "LINES": "40", "COLUMNS": "120"}
        self.process = subprocess.Popen(
            [YP2P, *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=_heed_interrupts,
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._ours, 65536):
                self.text += part.decode(errors="replace")
        except OSError:
            pass  # the other side was closed

    def shows(self, words: str) -> None:
        eventually(lambda: words in self.text, 20, f"{words!r} in {self.text[-2000:]!r}")

    def types(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def ends(self) -> int:
        """The exit code, once all that it said is in `text`."""
        code = self.process.wait(20)
        self._reader.join(5)
        return code

    def ctrl_c(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(5)
        os.close(self._ours)


@contextmanager
def terminal_of(device: Device, *arguments: str) -> Iterator[Terminal]:
    terminal = Terminal(device, *arguments)
    try:
        yield terminal
    finally:
        terminal.close()
