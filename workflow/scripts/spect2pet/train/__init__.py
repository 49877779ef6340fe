"""Train: packed slices, networks, one loop for every method."""
