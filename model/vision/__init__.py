"""Pictures to grids of features."""
