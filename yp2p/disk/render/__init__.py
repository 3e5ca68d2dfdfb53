"""From the documents to the disk: replacing, moving and removing files so that nothing unread is overwritten."""
