"""Tools around the pipeline: they read, move, merge and compare what stages left, and compute no result."""
