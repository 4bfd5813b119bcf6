"""Fitting one variant: the networks, their losses, the data they see. Scores and pictures are made elsewhere."""
