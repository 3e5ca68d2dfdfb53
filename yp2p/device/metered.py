"""Whether the connection costs by the byte, as NetworkManager says where it runs.

Asked through `busctl`, which comes with systemd: https://networkmanager.dev/docs/api/latest/nm-dbus-types.html,
NMMetered. Where there is neither of the two, nobody knows, and nothing is held.
"""

from __future__ import annotations

import subprocess
from enum import Enum

import trio

_COMMAND = (
    "busctl", "--system", "get-property", "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager",
    "org.freedesktop.NetworkManager", "Metered",
)  # fmt: skip
# A bus that does not answer is none.
_LIMIT_S = 5.0


class Metered(Enum):
    """What NetworkManager says; the value is what people are shown."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


# It guesses from the kind of a device, and what a phone tells by DHCP.
_MEANINGS = {"1": Metered.YES, "2": Metered.NO, "3": Metered.YES, "4": Metered.NO}


async def ask_metered() -> Metered:
    """Ask NetworkManager."""
    try:
        with trio.fail_after(_LIMIT_S):
            done = await trio.run_process(
                _COMMAND, capture_stdout=True, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False
            )
    except (OSError, trio.TooSlowError):
        return Metered.UNKNOWN
    kind, _, value = done.stdout.decode("ascii", "replace").strip().partition(" ")  # "u 2"
    return _MEANINGS.get(value, Metered.UNKNOWN) if done.returncode == 0 and kind == "u" else Metered.UNKNOWN
