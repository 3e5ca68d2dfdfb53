"""Standing invites: what the settings of two devices say of each other lets one in, without a code or a token.

Theory of operation
    The settings of an administrator's device name another one by its public keys (`[[devices]]`), with a role and
    folders; it is granted that role at once, by a statement like any other. So all members know it, and it knows
    nothing: neither the folder's ID nor its founder, nor the statements. These it fetches with the handshake of an
    invite (`invites.py`), made with a secret that nobody hands over::

        secret = HMAC-SHA256(K, "yp2p standing invite v1" || inviter's keys (64) || joiner's keys (64) || label)

    where K is what the two Noise keys share, derived for this alone, and `label` is that of the folder at the inviter,
    or empty for the only folder that its settings let the joiner into. ID, pre-shared key and hint come from the
    secret as they come from that of a token. Nothing is written down, and no use is counted.

What was considered
    * Who can use it: K takes one of the two private keys. The settings hold public keys only, so whoever reads them has
      nothing. The handshake proves the joiner's Noise key and its first message the signing key; the inviter compares
      both with its settings. A thief of the inviter's key is the inviter, and lets in whom he likes without this.
    * Replay: message 1 can be replayed, as that of every handshake. It is answered by one message, and nothing else is
      sent or changed before the first transport message, which takes the joiner's fresh key. The joiner itself may run
      it as often as it likes, and gets what a member has anyway: so a machine whose disk was lost comes back.
    * A removed device that the settings still name is not let in: a grant is made for whoever was never removed in that
      folder, as far as this device knows, and a removal that it has not heard of beats a grant that does not name
      it (`trust/membership.py`). It is told so, and so is who looks at `status` here. A person lets it in again.
    * A role that was changed since stays: the settings grant to who is no member, and change nothing of who is one.
    * Who is taken out of the settings stays a member: `yp2p device remove` is for that.
"""

from __future__ import annotations

import hmac

from yp2p.identity import Identity, PublicIdentity
from yp2p.pairing.tokens import Token

_PURPOSE = b"standing invite"
_CONTEXT = b"yp2p standing invite v1"


def token_for(own: Identity, joiner: PublicIdentity, label: str) -> Token:
    """What this device honours for another one that its settings name."""
    return _token(own.pairwise_secret(joiner.noise_key, _PURPOSE), own.public, joiner, label)


def token_of(own: Identity, inviter: PublicIdentity, label: str) -> Token:
    """What this device joins with, through one whose settings name it."""
    return _token(own.pairwise_secret(inviter.noise_key, _PURPOSE), inviter, own.public, label)


def _token(shared: bytes, inviter: PublicIdentity, joiner: PublicIdentity, label: str) -> Token:
    keys = (inviter.signing_key, inviter.noise_key, joiner.signing_key, joiner.noise_key)
    secret = hmac.digest(shared, _CONTEXT + b"".join(keys) + label.encode(), "sha256")
    return Token(inviter.noise_key, secret)
