"""Read photographs from a source, assign them to splits, and pack them."""
