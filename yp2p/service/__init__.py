"""The daemon as a service of systemd: its units written for this machine, installed, removed and looked at."""
