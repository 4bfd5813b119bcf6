"""Shared by library and pipeline: atomic files, hashes and pixel levels."""
