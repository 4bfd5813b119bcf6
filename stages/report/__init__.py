"""All results in one place: metrics/summary.json for git, a page for people, tables for `dvc plots`. Measures nothing."""
