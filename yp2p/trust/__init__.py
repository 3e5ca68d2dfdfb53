"""Who may take part: the device key and the membership of a folder."""
