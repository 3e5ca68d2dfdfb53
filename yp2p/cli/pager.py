"""A pager for what is longer than the terminal, as git has it: `$PAGER`, or `less` where it is installed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

# Ends at once where all fits, colours as they are, no other screen: as git has it.
_LESS = "FRX"


def pager_command() -> list[str] | None:
    """The command that shows long output; None where a person wants none (`PAGER=cat`) or the terminal cannot."""
    if os.environ.get("TERM", "dumb") == "dumb":
        return None
    try:
        command = shlex.split(os.environ.get("PAGER", "less"))
    except ValueError:  # a quotation that does not end
        return None
    if not command or command == ["cat"] or shutil.which(command[0]) is None:
        return None
    return command


class Page:
    """Keeps lines as long as they fit on the terminal; the first that does not starts the pager with all of them."""

    def __init__(self, command: list[str], height: int, encoding: str) -> None:
        self._command = command
        self._encoding = encoding
        self._room = height - 1  # the prompt takes a line
        self._lines: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, line: str) -> None:
        """Raises BrokenPipeError: the person has left the pager."""
        self._lines.append(line)
        if self._process is None and len(self._lines) > self._room:
            environment = {"LESS": _LESS, **os.environ}
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=environment)
        if self._process is not None:
            self._pass_on()

    def end(self) -> list[str]:
        """Wait until the person has left the pager; gives the lines that needed none."""
        if self._process is None:
            return self._lines
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        while True:
            try:
                self._process.wait()
                return []
            except KeyboardInterrupt:  # it is the pager's
                continue

    def _pass_on(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        data = "".join(line + "\n" for line in self._lines)
        self._lines.clear()
        self._process.stdin.write(data.encode(self._encoding))
        self._process.stdin.flush()
