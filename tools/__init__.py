"""Tools around the pipeline: they read what stages left and never change a result."""
