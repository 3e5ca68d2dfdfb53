"""The grammar of the hostile member has every message that there is."""

from __future__ import annotations

from simulation.grammar import PRODUCTIONS

from yp2p.protocol import messages


def test_every_message_of_a_link_can_be_said() -> None:
    assert {kind.TYPE for kind in PRODUCTIONS} == set(messages._READERS)
