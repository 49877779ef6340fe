"""Who takes part: the subjects table, its proposal from a folder, the split."""
