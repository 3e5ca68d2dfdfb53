"""Finding devices: mDNS, static and remembered addresses. These are hints; who a device is, its keys prove."""
