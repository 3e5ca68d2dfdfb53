"""The local API: HTTP on a Unix socket."""
