"""`yp2p link --stdio`."""

from __future__ import annotations

import click

from yp2p.cli.options import call
from yp2p.errors import UsageError


@click.command()
@click.option("--stdio", is_flag=True, help="Carry the link over standard input and output.")
def command(stdio: bool) -> None:
    """Carry a link between another device and the daemon of this one, for ssh: no person types this.

    A device elsewhere runs it through `[discovery] commands`, as in `nas = "ssh nas yp2p link --stdio"`. The link is
    encrypted and both devices prove their keys on it, as on any other.
    """
    if not stdio:
        raise UsageError("there is one way to carry a link: `yp2p link --stdio`")
    from yp2p.config import find_paths
    from yp2p.config_file import load_config
    from yp2p.control.stdio import carry

    listen = load_config(find_paths().config).listen
    places = [address for address in listen.address if address != "*"] or ["127.0.0.1", "::1"]
    carry(places, call("GET", "/v1/status")["device"]["port"])
