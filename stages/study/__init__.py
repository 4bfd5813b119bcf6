"""Studies: a variant trained again with one thing changed, and scored. Nothing of the main pipeline depends on them."""
