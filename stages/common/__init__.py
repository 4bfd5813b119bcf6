"""Shared by all stages: running a stage, settings, versions, files, and where tasks run."""
