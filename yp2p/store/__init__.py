"""SQLite lives here and nowhere else."""
