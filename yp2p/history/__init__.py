"""Looking back and taking back: versions, undo, points in time, the trash, and what of the past is kept."""
