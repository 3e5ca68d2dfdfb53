"""What `yp2p doctor` looks at: this machine and home, the network, and what the daemon knows of the other devices."""
