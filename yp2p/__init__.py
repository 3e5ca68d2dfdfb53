"""yp2p keeps folders the same on every device of a LAN."""

__version__ = "0.1.0"
