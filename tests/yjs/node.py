"""A process of Node.js that answers questions, a line of JSON each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import Device


class NodeProcess:
    """Asks one process; whoever starts it ends it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._asking = threading.Lock()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It does nothing meanwhile."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def ask(self, what: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


class Node(NodeProcess):
    """Stock clients in one process of Node.js."""

    def open(self, device: Device, file: str, *names: str, **settings: Any) -> None:
        for name in names:
            socket, path = str(device.home / "documents.sock"), str(device.dir / file)
            self.ask("open", name=name, socket=socket, path=path, user=f"person {name}", **settings)

    def text(self, name: str) -> str:
        return str(self.ask("look", name=name)["text"])


@contextmanager
def stock_clients() -> Iterator[Node]:
    """A process for them; the packages are where `run.sh` has put them."""
    script = Path(os.environ["YP2P_YJS"], "client.mjs")
    script.write_text(Path(__file__).with_name("client.mjs").read_text())
    with subprocess.Popen(["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Node(process)
        assert process.stdin is not None
        process.stdin.close()
