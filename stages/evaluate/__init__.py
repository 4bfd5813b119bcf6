"""Scores on the test photographs: image-quality measures, baselines, probes, pictures. Nothing is trained here."""
