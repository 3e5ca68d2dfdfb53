"""What happens over the links to other devices: sessions, comparing, channels of documents, files' chunks, presence."""
