"""The benches are programs: their modules are found beside one another, and by nobody else: they have the names of
directories of tests."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_BENCHES = str(Path(__file__).resolve().parents[2] / "benches")

sys.path.insert(0, _BENCHES)
try:
    for _name in ("compare", "judgement", "performance", "probe", "report"):
        importlib.import_module(_name)
finally:
    sys.path.remove(_BENCHES)
