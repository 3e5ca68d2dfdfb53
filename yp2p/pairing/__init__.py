"""Two devices meet for the first time: the code, the exchange, and the preview of what joining would do."""
