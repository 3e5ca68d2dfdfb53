"""Run seeds: `python -m simulation FIRST [COUNT]`, `-v` tells what happens, `--without RULE` takes out an invariant."""

from __future__ import annotations

import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets must not differ between runs
    os.execve(sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]], os.environ | {"PYTHONHASHSEED": "0"})

from simulation.run import main

main()
