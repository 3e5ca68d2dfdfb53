"""A device: its folders, links and programs put together, and what it says of itself."""
