"""The LAN is there for every test in this directory."""

from netns.lan import lan as lan
