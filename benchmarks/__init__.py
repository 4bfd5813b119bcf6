"""Measurements of speed, as ratios within one run; no result depends on them."""
