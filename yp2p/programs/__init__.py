"""Live documents for the programs of this device: the daemon's end of the documents socket."""
