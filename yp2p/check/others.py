"""Where another device does not have what this one has, by what it says and by what it sends when it is asked.

Decided of its answers alone (`peers/audit.py`); nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from yp2p.check.findings import Finding, Kind
from yp2p.identity import EntryID
from yp2p.peers.audit import Audit
from yp2p.peers.divergence import has_diverged


def of_audit(folder: str, device: str, audit: Audit, paths: Mapping[EntryID, str]) -> Iterator[Finding]:
    """What came of asking a device. Args: `paths` of the entries that are alive here."""
    for entry, ours, theirs in audit.differing:
        path = paths.get(entry, "")
        if has_diverged(ours, theirs):
            text = f"{device} has another text with the same history"
            yield Finding(Kind.DIVERGED, folder, path, text, entry, device)
            continue
        if theirs is None:
            text = f"{device} has not what is here"
        elif ours is None:
            text = f"{device} has it, and it is not here"
        else:
            text = f"{device} has another version of it"
        yield Finding(Kind.BEHIND, folder, path, text, entry, device)
    for entry in audit.untrue:
        text = f"{device} says that it has this text as it is here, and sends another one, or none"
        yield Finding(Kind.LYING_DEVICE, folder, paths.get(entry, ""), text, entry, device)


def silent(folder: str, device: str, why: str) -> Finding:
    """A device that could not be compared with."""
    return Finding(Kind.SILENT_DEVICE, folder, "", f"{device} could not be compared with: {why}", b"", device)
