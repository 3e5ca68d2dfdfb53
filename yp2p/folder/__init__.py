"""What is known of one folder: its texts, files, members and notices, in memory and in the store."""
