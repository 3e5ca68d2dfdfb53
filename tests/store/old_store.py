"""Makes a fixture of `tests/store/schemas/`: what a former yp2p wrote of a small folder, as SQL.

    git archive COMMIT yp2p | tar x -C CHECKOUT
    python tests/store/old_store.py CHECKOUT tests/store/schemas/N.sql

runs the daemon of that checkout over the files of `before`, changes what `change` changes, stops it, and dumps its
store. The head of the file has what else a home and a folder need: the key, the marker, where the folder was.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

_RUN = "from yp2p.cli.main import main; main()"
_LIMIT_S = 30.0
ROOT_NAME = "@ROOT@"  # in place of the folder's directory


def before(root: Path) -> None:
    """The files that are shared."""
    (root / "sub").mkdir(parents=True)
    (root / "list.txt").write_text("apples\n")
    (root / "sub/deep.txt").write_text("Grüße 👋\n")
    (root / "picture.bin").write_bytes(bytes(range(256)) * 40)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "gone.txt").write_text("once\n")


def change(root: Path) -> None:
    """What is done to them while they are shared."""
    (root / "list.txt").write_text("apples\npears\n")
    (root / "gone.txt").unlink()


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def _counts(store: Path) -> tuple[int, int]:
    """Rows of the log, and files."""
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        log, file = (connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("log", "file"))
    return log, file


def _is_quiet(store: Path) -> bool:
    counts = _counts(store)
    time.sleep(1.0)  # of a program that nobody can ask any more
    return _counts(store) == counts


def _dump(home: Path, root: Path) -> str:
    with closing(sqlite3.connect(home / "store.db")) as connection:
        version, application = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
        )
        rows = "\n".join(connection.iterdump())
    head = {"key": (home / "device.key").read_text().strip(), "marker": (root / ".yp2p/marker").read_text().strip()}
    lines = [f"-- {name}: {' '.join(value.split())}" for name, value in head.items()]
    pragmas = [f"PRAGMA application_id = {application};", f"PRAGMA user_version = {version};"]
    return "\n".join([*lines, *pragmas, rows.replace(str(root), ROOT_NAME), ""])


def make(checkout: Path) -> str:
    """The fixture that the yp2p of a checkout writes."""
    with tempfile.TemporaryDirectory() as base:
        home, root = Path(base, "home"), Path(base, "notes")
        before(root)
        settings = {
            "HOME": base, "YP2P_HOME": str(home), "YP2P_DEVICE__NAME": "laptop", "YP2P_LISTEN__ADDRESS": "127.0.0.1",
            "YP2P_DISCOVERY__MDNS": "false",
        }  # fmt: skip
        path = os.pathsep.join([str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | settings | {"PYTHONPATH": path}

        def start(*words: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, "-c", _RUN, *words], cwd=checkout, env=environment)

        daemon = start("daemon")
        try:
            _eventually(lambda: (home / "control.sock").exists())
            _eventually(lambda: start("share", str(root)).wait() == 0)
            _eventually(lambda: _counts(home / "store.db")[1] >= 4 and _is_quiet(home / "store.db"))
            change(root)
            imported = _counts(home / "store.db")
            _eventually(lambda: _counts(home / "store.db") != imported and _is_quiet(home / "store.db"))
        finally:
            daemon.terminate()
            code = daemon.wait(10)
        assert code == 0
        return _dump(home, root)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(make(Path(sys.argv[1]).absolute()))
