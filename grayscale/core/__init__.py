"""What library and pipeline share: atomic files and pixel levels."""
