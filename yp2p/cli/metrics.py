"""`yp2p metrics`."""

from __future__ import annotations

import click

from yp2p.cli.options import call
from yp2p.cli.output import say


@click.command()
def command() -> None:
    """Print what the daemon does, in numbers, in the text format of Prometheus.

    Links, entries behind for each device, bytes, how long commits and acknowledgements take, queues, refusals, watches.
    Prometheus can ask by itself where [metrics] listen is set; a script can ask the control socket for /v1/metrics.
    """
    say(*call("GET", "/v1/metrics").rstrip("\n").split("\n"))
