"""A process of Node.js that answers questions, a line of JSON each."""

from __future__ import annotations

import json
import subprocess
from typing import Any


class NodeProcess:
    """Asks one process; whoever starts it ends it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, what: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
