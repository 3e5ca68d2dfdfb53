"""The page: a port on the loopback interface for a browser of this machine, while a person wants one."""
