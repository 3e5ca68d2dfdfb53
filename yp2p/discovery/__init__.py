"""Finding devices: mDNS, static and remembered addresses. All of it hints; the key decides."""
