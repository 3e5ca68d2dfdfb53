"""Which version of the local API and of yp2p answers, and what to do where the other end is of another one.

Every answer carries both in its headers, and `yp2p` says in its requests which version it is. The path says which API
is meant (`/v1/`): within one, routes and fields are added, and what is there keeps its meaning.
"""

from __future__ import annotations

from yp2p import __version__

API = 1
API_HEADER, VERSION_HEADER = "yp2p-api", "yp2p-version"
# A version that somebody says, in a sentence.
_LONGEST = 32
RESTART = "restart it: `yp2p stop`, then start it again as before"


def difference(daemon: str, program: str) -> str:
    """That two versions are not the same, and what to do; empty where they are.

    Args:
        daemon: what the daemon says it is; nothing, where it is from before it said so.
        program: the same of who asks; nothing, where it is no program of yp2p.
    """
    daemon, program = daemon[:_LONGEST], program[:_LONGEST]
    if daemon == program or not program:
        return ""
    if not daemon:
        return f"the daemon is older than this program (yp2p {program}): {RESTART}"
    both = f"the daemon is yp2p {daemon}, and the program that asks is yp2p {program}"
    if _order(daemon) < _order(program):
        return f"{both}: the daemon is the older one; {RESTART}"
    return f"{both}: the program is the older one; update it"


def no_such_request(method: str, path: str, program: str) -> str:
    """What the daemon says to a request that it does not know. `program` is the version of who asks, if it said so."""
    known = f"the daemon (yp2p {__version__}, API {API}) knows no {method} {path[:200]}"
    if not program:
        return f"{known}; docs/api.md lists what it knows"
    why = difference(__version__, program) or f"it was started before the program was changed; {RESTART}"
    return f"{known}: {why}"


def _order(version: str) -> tuple[int, ...]:
    """The numbers of a version; what is no number in it counts as none."""
    return tuple(int(part) for part in version.split("+")[0].split(".") if part.isdecimal())
