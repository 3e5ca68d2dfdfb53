"""The command line: one module per command; talks to the control socket only."""
