"""Who let in whom, and who let in those: the chains of grants from the founder on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set

from yp2p.identity import DeviceID
from yp2p.trust.statements import Statement


def let_in_only_by(device: DeviceID, grants: Iterable[Statement], roots: Set[DeviceID]) -> Set[DeviceID]:
    """Those whom nobody let in but a device, or who was let in by it alone.

    Args:
        grants: those that count.
        roots: from whom chains begin, whoever let them in.
    """
    let_in: dict[DeviceID, set[DeviceID]] = defaultdict(set)
    for grant in grants:
        let_in[grant.issuer_id].add(grant.subject_id)
    everybody = set[DeviceID]().union(*let_in.values())
    by_others = todo = set(roots) - {device}
    while todo:
        todo = set[DeviceID]().union(*(let_in[one] for one in todo)) - by_others - {device}
        by_others = by_others | todo
    return everybody - by_others - {device}
