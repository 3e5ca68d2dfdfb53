"""What a daemon that does nothing has no need of."""

from __future__ import annotations

import subprocess
import sys

_ASKING = """
import sys
from yp2p.memory import without_rich
with without_rich():
    import yp2p.daemon, yp2p.logs
print("rich.console" in sys.modules, "rich" in sys.modules)
import rich.console
"""


def test_a_daemon_does_without_rich_and_who_needs_it_still_has_it() -> None:
    done = subprocess.run([sys.executable, "-c", _ASKING], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False"]


_COLLECTING = """
import gc
from yp2p.memory import keep_imports_from_the_collector
import yp2p.daemon
imported = len(gc.get_objects())
keep_imports_from_the_collector()
print(imported > 30_000, len(gc.get_objects()) < imported / 10)
"""


def test_the_collector_does_not_look_at_what_is_imported_again_and_again() -> None:
    done = subprocess.run([sys.executable, "-c", _COLLECTING], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]
