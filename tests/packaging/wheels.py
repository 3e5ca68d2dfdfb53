"""Whether every runtime dependency has a wheel for each platform that yp2p is for: nobody should need a compiler.

`make wheels` prints the table. It asks the package registry that pip is configured for, and installs nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
# What pip takes for "any Linux of the last years" has to be spelled out.
_LINUXES = ("manylinux2014", "manylinux_2_17", "manylinux_2_24", "manylinux_2_27", "manylinux_2_28", "manylinux_2_34")


def resolved(python: str, machine: str) -> dict[str, str]:
    """The wheels that pip would install, by name. Raises RuntimeError: for something there is none."""
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    platforms = [argument for linux in _LINUXES for argument in ("--platform", f"{linux}_{machine}")]
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", "--target", nowhere,
                "--only-binary=:all:", "--python-version", python, "--implementation", "cp", *platforms, *requirements,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found = json.loads(done.stdout)["install"]
    return {item["metadata"]["name"]: item["download_info"]["url"].rsplit("/", 1)[-1] for item in found}


def _kind(wheel: str) -> str:
    """What a wheel is for: `any` machine, or a build for one Python (cp313) or several (abi3)."""
    _, _, tags = wheel.removesuffix(".whl").partition("-")
    python, abi, platform = tags.split("-")[-3:]
    return "any" if platform == "any" else abi if abi.startswith("abi3") else python


def main() -> int:
    tables: dict[tuple[str, str], dict[str, str]] = {}
    missing = 0
    for machine in MACHINES:
        for python in PYTHONS:
            try:
                tables[machine, python] = resolved(python, machine)
            except RuntimeError as error:
                print(f"{machine}, Python {python}: {error}")
                missing += 1
    names = sorted({name for table in tables.values() for name in table}, key=str.lower)
    heads = [f"{machine} {python}" for machine, python in tables]
    print(f"{'':24}", *(f"{head:>13}" for head in heads))
    for name in names:
        print(f"{name:24}", *(f"{_kind(table[name]) if name in table else '-':>13}" for table in tables.values()))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
