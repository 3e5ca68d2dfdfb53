"""Having a person merge two versions in an editor: on a file of its own, which nobody else can read."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from yp2p.errors import UsageError
from yp2p.machine import reason


class Merging:
    """One text with both versions in it, in a temporary file that goes when it was used.

    Args:
        name: of the file that it is for: editors choose colours by it.
        markers: the lines that may not stay in it.
    """

    def __init__(self, name: str, text: str, markers: Sequence[str]) -> None:
        self._text = text
        self._markers = set(markers)
        self._directory = Path(tempfile.mkdtemp(prefix="yp2p-merge-"))
        self.path = self._directory / (os.path.basename(name) or "merge")
        self.path.write_bytes(text.encode())

    def edit(self, command: str | None) -> str:
        """What the editor made of it.

        Args:
            command: of the editor, where it is not the one of the environment.

        Raises:
            UsageError: it failed, changed nothing, or left a marker.
        """
        command = command or os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if not command:
            self.forget()
            raise UsageError("no editor is known; set EDITOR, or name one with --tool COMMAND")
        try:
            done = subprocess.run([*shlex.split(command), str(self.path)], check=False)
            merged = self.path.read_bytes().decode()
        except (OSError, ValueError) as error:
            self.forget()
            what = reason(error) if isinstance(error, OSError) else str(error)
            raise UsageError(f"the editor {command!r} cannot be used: {what}; nothing was changed") from error
        if done.returncode:
            self.forget()
            raise UsageError(f"the editor {command!r} ended with exit code {done.returncode}; nothing was changed")
        if merged == self._text:
            self.forget()
            raise UsageError("nothing was changed in the editor, so nothing was settled")
        if self._markers & {line.rstrip("\r") for line in merged.split("\n")}:
            raise UsageError(f"both versions still stand in {self.path}, with their markers; nothing was changed")
        return merged

    def forget(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
