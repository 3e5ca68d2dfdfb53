"""Who may take part: the device key, folder membership, pairing windows."""
