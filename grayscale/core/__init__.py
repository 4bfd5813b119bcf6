"""What library and pipeline share: atomic files, pixel levels, how TensorFlow is imported."""
