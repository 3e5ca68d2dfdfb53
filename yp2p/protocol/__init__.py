"""The pure core: bytes, events and `now` go in, bytes and events come out. No I/O, clock or randomness."""
