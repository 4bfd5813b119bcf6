"""Scores on the test photographs: image-quality measures, baselines, probes, pictures. No network is trained here."""
