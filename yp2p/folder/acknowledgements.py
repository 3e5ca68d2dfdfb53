"""What this device says by itself of the statements that come: that it has them, and what it had before.

Of each removal, as soon as it hears of it (`trust/membership.py` says why), and an administrator of each grant.
Acknowledgements are not acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping

from yp2p.trust.ancestry import Ancestry
from yp2p.trust.limits import heads_within
from yp2p.trust.membership import Evaluation
from yp2p.trust.statements import Kind, Role, Signer, Statement, StatementHash

Statements = Mapping[StatementHash, Statement]


def answers(
    signer: Signer, before: Statements, now: Statements, evaluation: Evaluation
) -> dict[StatementHash, Statement]:
    """The acknowledgements of what came.

    Args:
        evaluation: what follows from `now`.
    """
    own = evaluation.members.get(signer.device_id)
    if own is None or not before:
        return {}
    news = [statement for one, statement in now.items() if one not in before]
    ancestry = Ancestry(now.values())
    in_force = {removal.hash for removals in evaluation.removals.values() for removal in removals}
    removals = [one.hash for one in news if one.kind is Kind.REMOVAL and one.issuer_id != signer.device_id]
    said = _Acknowledgements(signer, ancestry, ancestry.mask(before))
    for removal in sorted(removals, key=lambda one: (one not in in_force, one)):
        said.follow(ancestry.up_to(removal))
    if own.role is Role.ADMINISTRATOR and any(
        one.kind is Kind.GRANT and one.issuer_id != signer.device_id for one in news
    ):
        said.follow(ancestry.everything)
    return said.made


class _Acknowledgements:
    """What we say of news, one statement behind the other, each with all that the one before it follows.

    Args:
        known: what we had before.
    """

    def __init__(self, signer: Signer, ancestry: Ancestry, known: int) -> None:
        self._signer = signer
        self._ancestry = ancestry
        self._new, self._named = known, 0
        self._last: list[StatementHash] = []
        self.made: dict[StatementHash, Statement] = {}

    def follow(self, news: int) -> None:
        """Say that we have these statements."""
        new, own = (self._new | news) & ~self._named, self._signer.device_id
        more, heads = self._signer.gather([*self._last, *heads_within(self._ancestry, own, new, self._named)])
        self._named, self._new = self._named | new, 0
        for statement in (*more, self._signer.acknowledge(heads)):
            self.made[statement.hash] = statement
            self._last = [statement.hash]
