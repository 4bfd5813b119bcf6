"""Shared by library and pipeline: atomic files and pixel levels."""
